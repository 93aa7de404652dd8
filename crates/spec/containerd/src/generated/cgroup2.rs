//! Package `io.containerd.cgroups.v2`, made by `cargo xtask codegen` from the files in ../../proto: change those.

#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Metrics {
    #[prost(message, optional, tag = "1")]
    pub pids: ::core::option::Option<PidsStat>,
    #[prost(message, optional, tag = "2")]
    pub cpu: ::core::option::Option<CpuStat>,
    #[prost(message, optional, tag = "4")]
    pub memory: ::core::option::Option<MemoryStat>,
    #[prost(message, optional, tag = "5")]
    pub rdma: ::core::option::Option<RdmaStat>,
    #[prost(message, optional, tag = "6")]
    pub io: ::core::option::Option<IoStat>,
    #[prost(message, repeated, tag = "7")]
    pub hugetlb: ::prost::alloc::vec::Vec<HugeTlbStat>,
    #[prost(message, optional, tag = "8")]
    pub memory_events: ::core::option::Option<MemoryEvents>,
    #[prost(message, repeated, tag = "9")]
    pub network: ::prost::alloc::vec::Vec<NetworkStat>,
}
impl ::prost::Name for Metrics {
    const NAME: &'static str = "Metrics";
    const PACKAGE: &'static str = "io.containerd.cgroups.v2";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v2.Metrics".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v2.Metrics".into()
    }
}
#[derive(Clone, Copy, PartialEq, ::prost::Message)]
pub struct PsiData {
    #[prost(double, tag = "1")]
    pub avg10: f64,
    #[prost(double, tag = "2")]
    pub avg60: f64,
    #[prost(double, tag = "3")]
    pub avg300: f64,
    #[prost(uint64, tag = "4")]
    pub total: u64,
}
impl ::prost::Name for PsiData {
    const NAME: &'static str = "PSIData";
    const PACKAGE: &'static str = "io.containerd.cgroups.v2";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v2.PSIData".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v2.PSIData".into()
    }
}
#[derive(Clone, Copy, PartialEq, ::prost::Message)]
pub struct PsiStats {
    #[prost(message, optional, tag = "1")]
    pub some: ::core::option::Option<PsiData>,
    #[prost(message, optional, tag = "2")]
    pub full: ::core::option::Option<PsiData>,
}
impl ::prost::Name for PsiStats {
    const NAME: &'static str = "PSIStats";
    const PACKAGE: &'static str = "io.containerd.cgroups.v2";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v2.PSIStats".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v2.PSIStats".into()
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct PidsStat {
    #[prost(uint64, tag = "1")]
    pub current: u64,
    #[prost(uint64, tag = "2")]
    pub limit: u64,
}
impl ::prost::Name for PidsStat {
    const NAME: &'static str = "PidsStat";
    const PACKAGE: &'static str = "io.containerd.cgroups.v2";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v2.PidsStat".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v2.PidsStat".into()
    }
}
#[derive(Clone, Copy, PartialEq, ::prost::Message)]
pub struct CpuStat {
    #[prost(uint64, tag = "1")]
    pub usage_usec: u64,
    #[prost(uint64, tag = "2")]
    pub user_usec: u64,
    #[prost(uint64, tag = "3")]
    pub system_usec: u64,
    #[prost(uint64, tag = "4")]
    pub nr_periods: u64,
    #[prost(uint64, tag = "5")]
    pub nr_throttled: u64,
    #[prost(uint64, tag = "6")]
    pub throttled_usec: u64,
    #[prost(message, optional, tag = "7")]
    pub psi: ::core::option::Option<PsiStats>,
    #[prost(uint64, tag = "8")]
    pub nr_bursts: u64,
    #[prost(uint64, tag = "9")]
    pub burst_usec: u64,
}
impl ::prost::Name for CpuStat {
    const NAME: &'static str = "CPUStat";
    const PACKAGE: &'static str = "io.containerd.cgroups.v2";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v2.CPUStat".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v2.CPUStat".into()
    }
}
#[derive(Clone, Copy, PartialEq, ::prost::Message)]
pub struct MemoryStat {
    #[prost(uint64, tag = "1")]
    pub anon: u64,
    #[prost(uint64, tag = "2")]
    pub file: u64,
    #[prost(uint64, tag = "3")]
    pub kernel_stack: u64,
    #[prost(uint64, tag = "4")]
    pub slab: u64,
    #[prost(uint64, tag = "5")]
    pub sock: u64,
    #[prost(uint64, tag = "6")]
    pub shmem: u64,
    #[prost(uint64, tag = "7")]
    pub file_mapped: u64,
    #[prost(uint64, tag = "8")]
    pub file_dirty: u64,
    #[prost(uint64, tag = "9")]
    pub file_writeback: u64,
    #[prost(uint64, tag = "10")]
    pub anon_thp: u64,
    #[prost(uint64, tag = "11")]
    pub inactive_anon: u64,
    #[prost(uint64, tag = "12")]
    pub active_anon: u64,
    #[prost(uint64, tag = "13")]
    pub inactive_file: u64,
    #[prost(uint64, tag = "14")]
    pub active_file: u64,
    #[prost(uint64, tag = "15")]
    pub unevictable: u64,
    #[prost(uint64, tag = "16")]
    pub slab_reclaimable: u64,
    #[prost(uint64, tag = "17")]
    pub slab_unreclaimable: u64,
    #[prost(uint64, tag = "18")]
    pub pgfault: u64,
    #[prost(uint64, tag = "19")]
    pub pgmajfault: u64,
    #[prost(uint64, tag = "20")]
    pub workingset_refault: u64,
    #[prost(uint64, tag = "21")]
    pub workingset_activate: u64,
    #[prost(uint64, tag = "22")]
    pub workingset_nodereclaim: u64,
    #[prost(uint64, tag = "23")]
    pub pgrefill: u64,
    #[prost(uint64, tag = "24")]
    pub pgscan: u64,
    #[prost(uint64, tag = "25")]
    pub pgsteal: u64,
    #[prost(uint64, tag = "26")]
    pub pgactivate: u64,
    #[prost(uint64, tag = "27")]
    pub pgdeactivate: u64,
    #[prost(uint64, tag = "28")]
    pub pglazyfree: u64,
    #[prost(uint64, tag = "29")]
    pub pglazyfreed: u64,
    #[prost(uint64, tag = "30")]
    pub thp_fault_alloc: u64,
    #[prost(uint64, tag = "31")]
    pub thp_collapse_alloc: u64,
    #[prost(uint64, tag = "32")]
    pub usage: u64,
    #[prost(uint64, tag = "33")]
    pub usage_limit: u64,
    #[prost(uint64, tag = "34")]
    pub swap_usage: u64,
    #[prost(uint64, tag = "35")]
    pub swap_limit: u64,
    #[prost(uint64, tag = "36")]
    pub max_usage: u64,
    #[prost(uint64, tag = "37")]
    pub swap_max_usage: u64,
    #[prost(message, optional, tag = "38")]
    pub psi: ::core::option::Option<PsiStats>,
}
impl ::prost::Name for MemoryStat {
    const NAME: &'static str = "MemoryStat";
    const PACKAGE: &'static str = "io.containerd.cgroups.v2";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v2.MemoryStat".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v2.MemoryStat".into()
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct MemoryEvents {
    #[prost(uint64, tag = "1")]
    pub low: u64,
    #[prost(uint64, tag = "2")]
    pub high: u64,
    #[prost(uint64, tag = "3")]
    pub max: u64,
    #[prost(uint64, tag = "4")]
    pub oom: u64,
    #[prost(uint64, tag = "5")]
    pub oom_kill: u64,
    #[prost(uint64, tag = "6")]
    pub oom_group_kill: u64,
}
impl ::prost::Name for MemoryEvents {
    const NAME: &'static str = "MemoryEvents";
    const PACKAGE: &'static str = "io.containerd.cgroups.v2";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v2.MemoryEvents".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v2.MemoryEvents".into()
    }
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RdmaStat {
    #[prost(message, repeated, tag = "1")]
    pub current: ::prost::alloc::vec::Vec<RdmaEntry>,
    #[prost(message, repeated, tag = "2")]
    pub limit: ::prost::alloc::vec::Vec<RdmaEntry>,
}
impl ::prost::Name for RdmaStat {
    const NAME: &'static str = "RdmaStat";
    const PACKAGE: &'static str = "io.containerd.cgroups.v2";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v2.RdmaStat".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v2.RdmaStat".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct RdmaEntry {
    #[prost(string, tag = "1")]
    pub device: ::prost::alloc::string::String,
    #[prost(uint32, tag = "2")]
    pub hca_handles: u32,
    #[prost(uint32, tag = "3")]
    pub hca_objects: u32,
}
impl ::prost::Name for RdmaEntry {
    const NAME: &'static str = "RdmaEntry";
    const PACKAGE: &'static str = "io.containerd.cgroups.v2";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v2.RdmaEntry".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v2.RdmaEntry".into()
    }
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct IoStat {
    #[prost(message, repeated, tag = "1")]
    pub usage: ::prost::alloc::vec::Vec<IoEntry>,
    #[prost(message, optional, tag = "2")]
    pub psi: ::core::option::Option<PsiStats>,
}
impl ::prost::Name for IoStat {
    const NAME: &'static str = "IOStat";
    const PACKAGE: &'static str = "io.containerd.cgroups.v2";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v2.IOStat".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v2.IOStat".into()
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct IoEntry {
    #[prost(uint64, tag = "1")]
    pub major: u64,
    #[prost(uint64, tag = "2")]
    pub minor: u64,
    #[prost(uint64, tag = "3")]
    pub rbytes: u64,
    #[prost(uint64, tag = "4")]
    pub wbytes: u64,
    #[prost(uint64, tag = "5")]
    pub rios: u64,
    #[prost(uint64, tag = "6")]
    pub wios: u64,
}
impl ::prost::Name for IoEntry {
    const NAME: &'static str = "IOEntry";
    const PACKAGE: &'static str = "io.containerd.cgroups.v2";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v2.IOEntry".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v2.IOEntry".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct HugeTlbStat {
    #[prost(uint64, tag = "1")]
    pub current: u64,
    #[prost(uint64, tag = "2")]
    pub max: u64,
    #[prost(string, tag = "3")]
    pub pagesize: ::prost::alloc::string::String,
    #[prost(uint64, tag = "4")]
    pub failcnt: u64,
}
impl ::prost::Name for HugeTlbStat {
    const NAME: &'static str = "HugeTlbStat";
    const PACKAGE: &'static str = "io.containerd.cgroups.v2";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v2.HugeTlbStat".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v2.HugeTlbStat".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct NetworkStat {
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
    #[prost(uint64, tag = "2")]
    pub rx_bytes: u64,
    #[prost(uint64, tag = "3")]
    pub rx_packets: u64,
    #[prost(uint64, tag = "4")]
    pub rx_errors: u64,
    #[prost(uint64, tag = "5")]
    pub rx_dropped: u64,
    #[prost(uint64, tag = "6")]
    pub tx_bytes: u64,
    #[prost(uint64, tag = "7")]
    pub tx_packets: u64,
    #[prost(uint64, tag = "8")]
    pub tx_errors: u64,
    #[prost(uint64, tag = "9")]
    pub tx_dropped: u64,
}
impl ::prost::Name for NetworkStat {
    const NAME: &'static str = "NetworkStat";
    const PACKAGE: &'static str = "io.containerd.cgroups.v2";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v2.NetworkStat".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v2.NetworkStat".into()
    }
}
