//! What is particular to Linux: namespaces, devices, paths, id maps (spec: `config-linux.md`).

use crate::{Resources, Seccomp};
use std::collections::BTreeMap;
use std::path::PathBuf;

document! {
    /// The `linux` member of a configuration.
    pub struct Linux {
        maybe {
            /// User ids of the user namespace.
            pub uid_mappings: Vec<IdMapping>,
            /// Group ids of the user namespace.
            pub gid_mappings: Vec<IdMapping>,
            /// Kernel parameters, by dotted name.
            pub sysctl: BTreeMap<String, String>,
            /// Limits of the control group.
            pub resources: Option<Resources>,
            /// Where in the cgroup hierarchy: a path, or `slice:prefix:name` for systemd.
            pub cgroups_path: Option<String>,
            /// Namespaces made or joined; a kind that is absent is the runtime's own.
            pub namespaces: Vec<Namespace>,
            /// Device nodes that must exist inside.
            pub devices: Vec<Device>,
            /// Network interfaces moved into the container, by their name outside (1.3).
            pub net_devices: BTreeMap<String, NetDevice>,
            /// System call filter.
            pub seccomp: Option<Seccomp>,
            /// Propagation of the root mount: `shared`, `slave`, `private`, `unbindable`.
            pub rootfs_propagation: Option<String>,
            /// Paths that cannot be read inside.
            pub masked_paths: Vec<PathBuf>,
            /// Paths that cannot be written inside.
            pub readonly_paths: Vec<PathBuf>,
            /// SELinux label of the mounts.
            pub mount_label: Option<String>,
            /// Intel resource director technology.
            pub intel_rdt: Option<IntelRdt>,
            /// NUMA memory policy (1.3).
            pub memory_policy: Option<MemoryPolicy>,
            /// Execution domain.
            pub personality: Option<Personality>,
            /// Offsets of the time namespace by clock: `monotonic`, `boottime`.
            pub time_offsets: BTreeMap<String, TimeOffset>,
        }
    }
}

document! {
    /// A range of ids inside and the range outside that it stands for.
    #[derive(Copy, Eq, Hash)]
    pub struct IdMapping {
        always {
            /// First id inside.
            #[serde(rename = "containerID")]
            pub container_id: u32,
            /// First id outside.
            #[serde(rename = "hostID")]
            pub host_id: u32,
            /// How many.
            pub size: u32,
        }
    }
}

document! {
    /// A namespace to make, or to join where a path is given.
    #[derive(Eq, Hash)]
    pub struct Namespace {
        must {
            /// Which.
            #[serde(rename = "type")]
            pub kind: NamespaceKind,
            /// An existing one to join (`/proc/1/ns/net`). An empty path is none: Go's documents do not tell the two apart.
            #[serde(
                default,
                deserialize_with = "path_unless_empty",
                skip_serializing_if = "Option::is_none"
            )]
            pub path: Option<PathBuf>,
        }
    }
}

fn path_unless_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    let path: Option<PathBuf> = serde::Deserialize::deserialize(from)?;
    Ok(path.filter(|path| !path.as_os_str().is_empty()))
}

words! {
    /// The eight kinds of namespace.
    pub enum NamespaceKind {
        /// Process ids.
        Pid = "pid",
        /// Interfaces, addresses, routes, ports.
        Network = "network",
        /// Mount points.
        #[default]
        Mount = "mount",
        /// System V IPC and POSIX message queues.
        Ipc = "ipc",
        /// Host and domain name.
        Uts = "uts",
        /// User and group ids, capabilities.
        User = "user",
        /// The view of the cgroup hierarchy.
        Cgroup = "cgroup",
        /// Clocks (Linux 5.6).
        Time = "time",
    }
}

document! {
    /// A device node inside.
    pub struct Device {
        must {
            /// Where, as a path inside.
            pub path: PathBuf,
            /// Of which kind.
            #[serde(rename = "type")]
            pub kind: DeviceKind,
        }
        always {
            /// Major number.
            pub major: i64,
            /// Minor number.
            pub minor: i64,
        }
        maybe {
            /// Permission bits; 0666 where absent.
            pub file_mode: Option<u32>,
            /// Owner inside.
            pub uid: Option<u32>,
            /// Group inside.
            pub gid: Option<u32>,
        }
    }
}

words! {
    /// A kind of device node, or in a rule all of them.
    pub enum DeviceKind {
        /// All kinds (rules only).
        #[default]
        All = "a",
        /// Block device.
        Block = "b",
        /// Character device.
        Char = "c",
        /// Unbuffered character device, the same as `c` on Linux.
        Unbuffered = "u",
        /// Named pipe.
        Fifo = "p",
    }
}

document! {
    /// A network interface moved into the container.
    #[derive(Eq)]
    pub struct NetDevice {
        maybe {
            /// Its name inside; absent keeps the name.
            pub name: Option<String>,
        }
    }
}

document! {
    /// Intel RDT: cache and memory bandwidth (`/sys/fs/resctrl`).
    pub struct IntelRdt {
        maybe {
            /// The class of service; absent means one named after the container.
            #[serde(rename = "closID")]
            pub clos_id: Option<String>,
            /// Lines written to `schemata` as they are (1.3).
            pub schemata: Vec<String>,
            /// L3 cache lines of `schemata`.
            #[serde(rename = "l3CacheSchema")]
            pub l3_cache_schema: Option<String>,
            /// Memory bandwidth lines of `schemata`.
            pub mem_bw_schema: Option<String>,
            /// Whether a monitoring group of the container's own is made (1.3).
            pub enable_monitoring: bool,
            /// Deprecated: cache monitoring.
            #[serde(rename = "enableCMT")]
            pub enable_cmt: bool,
            /// Deprecated: bandwidth monitoring.
            #[serde(rename = "enableMBM")]
            pub enable_mbm: bool,
        }
    }
}

document! {
    /// NUMA memory policy (`set_mempolicy(2)`).
    pub struct MemoryPolicy {
        must {
            /// The mode.
            pub mode: MemoryPolicyMode,
        }
        maybe {
            /// Nodes in list form, `0-3,7`.
            pub nodes: String,
            /// Mode flags.
            pub flags: Vec<MemoryPolicyFlag>,
        }
    }
}

words! {
    /// A mode of `set_mempolicy(2)`.
    pub enum MemoryPolicyMode as "memory policy mode" {
        /// The system's default.
        #[default]
        Default = "MPOL_DEFAULT",
        /// Only the given nodes.
        Bind = "MPOL_BIND",
        /// Spread over the given nodes.
        Interleave = "MPOL_INTERLEAVE",
        /// Spread by weight (Linux 6.9).
        WeightedInterleave = "MPOL_WEIGHTED_INTERLEAVE",
        /// One node first.
        Preferred = "MPOL_PREFERRED",
        /// Some nodes first (Linux 5.15).
        PreferredMany = "MPOL_PREFERRED_MANY",
        /// The node the process runs on.
        Local = "MPOL_LOCAL",
    }
}

words! {
    /// A mode flag of `set_mempolicy(2)`.
    pub enum MemoryPolicyFlag as "memory policy flag" {
        /// Balance between nodes.
        #[default]
        NumaBalancing = "MPOL_F_NUMA_BALANCING",
        /// Nodes are relative to the allowed ones.
        RelativeNodes = "MPOL_F_RELATIVE_NODES",
        /// Nodes are physical.
        StaticNodes = "MPOL_F_STATIC_NODES",
    }
}

document! {
    /// Execution domain (`personality(2)`).
    pub struct Personality {
        must {
            /// The domain.
            pub domain: PersonalityDomain,
        }
        maybe {
            /// Flags; the specification defines none.
            pub flags: Vec<String>,
        }
    }
}

words! {
    /// An execution domain.
    pub enum PersonalityDomain {
        /// The native one.
        #[default]
        Linux = "LINUX",
        /// 32-bit `uname`.
        Linux32 = "LINUX32",
    }
}

document! {
    /// An offset of a clock.
    #[derive(Copy, Eq)]
    pub struct TimeOffset {
        maybe {
            /// Seconds.
            pub secs: i64,
            /// Nanoseconds.
            pub nanosecs: u32,
        }
    }
}
