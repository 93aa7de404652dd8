//! Package `io.containerd.cgroups.v1`, made by `cargo xtask codegen` from the files in ../../proto: change those.

#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Metrics {
    #[prost(message, repeated, tag = "1")]
    pub hugetlb: ::prost::alloc::vec::Vec<HugetlbStat>,
    #[prost(message, optional, tag = "2")]
    pub pids: ::core::option::Option<PidsStat>,
    #[prost(message, optional, tag = "3")]
    pub cpu: ::core::option::Option<CpuStat>,
    #[prost(message, optional, tag = "4")]
    pub memory: ::core::option::Option<MemoryStat>,
    #[prost(message, optional, tag = "5")]
    pub blkio: ::core::option::Option<BlkIoStat>,
    #[prost(message, optional, tag = "6")]
    pub rdma: ::core::option::Option<RdmaStat>,
    #[prost(message, repeated, tag = "7")]
    pub network: ::prost::alloc::vec::Vec<NetworkStat>,
    #[prost(message, optional, tag = "8")]
    pub cgroup_stats: ::core::option::Option<CgroupStats>,
    #[prost(message, optional, tag = "9")]
    pub memory_oom_control: ::core::option::Option<MemoryOomControl>,
}
impl ::prost::Name for Metrics {
    const NAME: &'static str = "Metrics";
    const PACKAGE: &'static str = "io.containerd.cgroups.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v1.Metrics".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v1.Metrics".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct HugetlbStat {
    #[prost(uint64, tag = "1")]
    pub usage: u64,
    #[prost(uint64, tag = "2")]
    pub max: u64,
    #[prost(uint64, tag = "3")]
    pub failcnt: u64,
    #[prost(string, tag = "4")]
    pub pagesize: ::prost::alloc::string::String,
}
impl ::prost::Name for HugetlbStat {
    const NAME: &'static str = "HugetlbStat";
    const PACKAGE: &'static str = "io.containerd.cgroups.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v1.HugetlbStat".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v1.HugetlbStat".into()
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
    const PACKAGE: &'static str = "io.containerd.cgroups.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v1.PidsStat".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v1.PidsStat".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CpuStat {
    #[prost(message, optional, tag = "1")]
    pub usage: ::core::option::Option<CpuUsage>,
    #[prost(message, optional, tag = "2")]
    pub throttling: ::core::option::Option<Throttle>,
}
impl ::prost::Name for CpuStat {
    const NAME: &'static str = "CPUStat";
    const PACKAGE: &'static str = "io.containerd.cgroups.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v1.CPUStat".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v1.CPUStat".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CpuUsage {
    #[prost(uint64, tag = "1")]
    pub total: u64,
    #[prost(uint64, tag = "2")]
    pub kernel: u64,
    #[prost(uint64, tag = "3")]
    pub user: u64,
    #[prost(uint64, repeated, tag = "4")]
    pub per_cpu: ::prost::alloc::vec::Vec<u64>,
}
impl ::prost::Name for CpuUsage {
    const NAME: &'static str = "CPUUsage";
    const PACKAGE: &'static str = "io.containerd.cgroups.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v1.CPUUsage".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v1.CPUUsage".into()
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Throttle {
    #[prost(uint64, tag = "1")]
    pub periods: u64,
    #[prost(uint64, tag = "2")]
    pub throttled_periods: u64,
    #[prost(uint64, tag = "3")]
    pub throttled_time: u64,
}
impl ::prost::Name for Throttle {
    const NAME: &'static str = "Throttle";
    const PACKAGE: &'static str = "io.containerd.cgroups.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v1.Throttle".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v1.Throttle".into()
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct MemoryStat {
    #[prost(uint64, tag = "1")]
    pub cache: u64,
    #[prost(uint64, tag = "2")]
    pub rss: u64,
    #[prost(uint64, tag = "3")]
    pub rss_huge: u64,
    #[prost(uint64, tag = "4")]
    pub mapped_file: u64,
    #[prost(uint64, tag = "5")]
    pub dirty: u64,
    #[prost(uint64, tag = "6")]
    pub writeback: u64,
    #[prost(uint64, tag = "7")]
    pub pg_pg_in: u64,
    #[prost(uint64, tag = "8")]
    pub pg_pg_out: u64,
    #[prost(uint64, tag = "9")]
    pub pg_fault: u64,
    #[prost(uint64, tag = "10")]
    pub pg_maj_fault: u64,
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
    pub hierarchical_memory_limit: u64,
    #[prost(uint64, tag = "17")]
    pub hierarchical_swap_limit: u64,
    #[prost(uint64, tag = "18")]
    pub total_cache: u64,
    #[prost(uint64, tag = "19")]
    pub total_rss: u64,
    #[prost(uint64, tag = "20")]
    pub total_rss_huge: u64,
    #[prost(uint64, tag = "21")]
    pub total_mapped_file: u64,
    #[prost(uint64, tag = "22")]
    pub total_dirty: u64,
    #[prost(uint64, tag = "23")]
    pub total_writeback: u64,
    #[prost(uint64, tag = "24")]
    pub total_pg_pg_in: u64,
    #[prost(uint64, tag = "25")]
    pub total_pg_pg_out: u64,
    #[prost(uint64, tag = "26")]
    pub total_pg_fault: u64,
    #[prost(uint64, tag = "27")]
    pub total_pg_maj_fault: u64,
    #[prost(uint64, tag = "28")]
    pub total_inactive_anon: u64,
    #[prost(uint64, tag = "29")]
    pub total_active_anon: u64,
    #[prost(uint64, tag = "30")]
    pub total_inactive_file: u64,
    #[prost(uint64, tag = "31")]
    pub total_active_file: u64,
    #[prost(uint64, tag = "32")]
    pub total_unevictable: u64,
    #[prost(message, optional, tag = "33")]
    pub usage: ::core::option::Option<MemoryEntry>,
    #[prost(message, optional, tag = "34")]
    pub swap: ::core::option::Option<MemoryEntry>,
    #[prost(message, optional, tag = "35")]
    pub kernel: ::core::option::Option<MemoryEntry>,
    #[prost(message, optional, tag = "36")]
    pub kernel_tcp: ::core::option::Option<MemoryEntry>,
}
impl ::prost::Name for MemoryStat {
    const NAME: &'static str = "MemoryStat";
    const PACKAGE: &'static str = "io.containerd.cgroups.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v1.MemoryStat".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v1.MemoryStat".into()
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct MemoryEntry {
    #[prost(uint64, tag = "1")]
    pub limit: u64,
    #[prost(uint64, tag = "2")]
    pub usage: u64,
    #[prost(uint64, tag = "3")]
    pub max: u64,
    #[prost(uint64, tag = "4")]
    pub failcnt: u64,
}
impl ::prost::Name for MemoryEntry {
    const NAME: &'static str = "MemoryEntry";
    const PACKAGE: &'static str = "io.containerd.cgroups.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v1.MemoryEntry".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v1.MemoryEntry".into()
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct MemoryOomControl {
    #[prost(uint64, tag = "1")]
    pub oom_kill_disable: u64,
    #[prost(uint64, tag = "2")]
    pub under_oom: u64,
    #[prost(uint64, tag = "3")]
    pub oom_kill: u64,
}
impl ::prost::Name for MemoryOomControl {
    const NAME: &'static str = "MemoryOomControl";
    const PACKAGE: &'static str = "io.containerd.cgroups.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v1.MemoryOomControl".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v1.MemoryOomControl".into()
    }
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct BlkIoStat {
    #[prost(message, repeated, tag = "1")]
    pub io_service_bytes_recursive: ::prost::alloc::vec::Vec<BlkIoEntry>,
    #[prost(message, repeated, tag = "2")]
    pub io_serviced_recursive: ::prost::alloc::vec::Vec<BlkIoEntry>,
    #[prost(message, repeated, tag = "3")]
    pub io_queued_recursive: ::prost::alloc::vec::Vec<BlkIoEntry>,
    #[prost(message, repeated, tag = "4")]
    pub io_service_time_recursive: ::prost::alloc::vec::Vec<BlkIoEntry>,
    #[prost(message, repeated, tag = "5")]
    pub io_wait_time_recursive: ::prost::alloc::vec::Vec<BlkIoEntry>,
    #[prost(message, repeated, tag = "6")]
    pub io_merged_recursive: ::prost::alloc::vec::Vec<BlkIoEntry>,
    #[prost(message, repeated, tag = "7")]
    pub io_time_recursive: ::prost::alloc::vec::Vec<BlkIoEntry>,
    #[prost(message, repeated, tag = "8")]
    pub sectors_recursive: ::prost::alloc::vec::Vec<BlkIoEntry>,
}
impl ::prost::Name for BlkIoStat {
    const NAME: &'static str = "BlkIOStat";
    const PACKAGE: &'static str = "io.containerd.cgroups.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v1.BlkIOStat".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v1.BlkIOStat".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct BlkIoEntry {
    #[prost(string, tag = "1")]
    pub op: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub device: ::prost::alloc::string::String,
    #[prost(uint64, tag = "3")]
    pub major: u64,
    #[prost(uint64, tag = "4")]
    pub minor: u64,
    #[prost(uint64, tag = "5")]
    pub value: u64,
}
impl ::prost::Name for BlkIoEntry {
    const NAME: &'static str = "BlkIOEntry";
    const PACKAGE: &'static str = "io.containerd.cgroups.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v1.BlkIOEntry".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v1.BlkIOEntry".into()
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
    const PACKAGE: &'static str = "io.containerd.cgroups.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v1.RdmaStat".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v1.RdmaStat".into()
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
    const PACKAGE: &'static str = "io.containerd.cgroups.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v1.RdmaEntry".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v1.RdmaEntry".into()
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
    const PACKAGE: &'static str = "io.containerd.cgroups.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v1.NetworkStat".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v1.NetworkStat".into()
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CgroupStats {
    #[prost(uint64, tag = "1")]
    pub nr_sleeping: u64,
    #[prost(uint64, tag = "2")]
    pub nr_running: u64,
    #[prost(uint64, tag = "3")]
    pub nr_stopped: u64,
    #[prost(uint64, tag = "4")]
    pub nr_uninterruptible: u64,
    #[prost(uint64, tag = "5")]
    pub nr_io_wait: u64,
}
impl ::prost::Name for CgroupStats {
    const NAME: &'static str = "CgroupStats";
    const PACKAGE: &'static str = "io.containerd.cgroups.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "io.containerd.cgroups.v1.CgroupStats".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/io.containerd.cgroups.v1.CgroupStats".into()
    }
}
