//! Limits of a control group (spec: `config-linux.md`, "Control groups").

use crate::DeviceKind;
use std::collections::BTreeMap;

document! {
    /// The limits of a container's cgroup.
    pub struct Resources {
        maybe {
            /// Device access, rules in order, the last match wins.
            pub devices: Vec<DeviceRule>,
            /// Memory.
            pub memory: Option<Memory>,
            /// Processor.
            pub cpu: Option<Cpu>,
            /// Number of tasks.
            pub pids: Option<Pids>,
            /// Block devices.
            #[serde(rename = "blockIO")]
            pub block_io: Option<BlockIo>,
            /// Huge pages by size.
            pub hugepage_limits: Vec<HugepageLimit>,
            /// Network class and priorities (cgroup v1).
            pub network: Option<Network>,
            /// RDMA by device.
            pub rdma: BTreeMap<String, Rdma>,
            /// Files of cgroup v2 and what is written to them.
            pub unified: BTreeMap<String, String>,
        }
    }
}

document! {
    /// One rule of device access; what is absent means all.
    #[derive(Eq)]
    pub struct DeviceRule {
        always {
            /// Whether it allows or denies.
            pub allow: bool,
        }
        maybe {
            /// Kind.
            #[serde(rename = "type")]
            pub kind: DeviceKind,
            /// Major number.
            pub major: Option<i64>,
            /// Minor number.
            pub minor: Option<i64>,
            /// Any of `r` (read), `w` (write), `m` (mknod).
            pub access: Option<String>,
        }
    }
}

document! {
    /// Memory limits in bytes; -1 is none.
    pub struct Memory {
        maybe {
            /// Memory.
            pub limit: Option<i64>,
            /// Soft limit.
            pub reservation: Option<i64>,
            /// Memory and swap together.
            pub swap: Option<i64>,
            /// Kernel memory (v1, deprecated).
            pub kernel: Option<i64>,
            /// Kernel TCP buffers (v1, deprecated).
            #[serde(rename = "kernelTCP")]
            pub kernel_tcp: Option<i64>,
            /// Tendency to swap, 0 to 100 (v1).
            pub swappiness: Option<u64>,
            /// Whether the kernel stops tasks instead of killing one (v1).
            #[serde(rename = "disableOOMKiller")]
            pub disable_oom_killer: Option<bool>,
            /// Hierarchical accounting (v1).
            pub use_hierarchy: Option<bool>,
            /// Whether a limit below the present use is refused.
            pub check_before_update: Option<bool>,
        }
    }
}

document! {
    /// Processor limits.
    pub struct Cpu {
        maybe {
            /// Relative weight, 2 to 262144 (v1 scale).
            pub shares: Option<u64>,
            /// Microseconds per period; -1 is none.
            pub quota: Option<i64>,
            /// Microseconds that may be saved up.
            pub burst: Option<u64>,
            /// Microseconds of a period.
            pub period: Option<u64>,
            /// Real-time microseconds per period.
            pub realtime_runtime: Option<i64>,
            /// Real-time period.
            pub realtime_period: Option<u64>,
            /// Processors in list form, `0-3,7`.
            pub cpus: Option<String>,
            /// Memory nodes in list form.
            pub mems: Option<String>,
            /// 1 for `SCHED_IDLE`.
            pub idle: Option<i64>,
        }
    }
}

document! {
    /// Number of tasks.
    pub struct Pids {
        maybe {
            /// The limit; -1 is none (absent since 1.3 means the same as no `pids` at all).
            pub limit: Option<i64>,
        }
    }
}

document! {
    /// Block device limits.
    pub struct BlockIo {
        maybe {
            /// Weight, 10 to 1000.
            pub weight: Option<u16>,
            /// Weight against tasks of the group's own (v1).
            pub leaf_weight: Option<u16>,
            /// Weight by device.
            pub weight_device: Vec<WeightDevice>,
            /// Bytes read per second.
            pub throttle_read_bps_device: Vec<ThrottleDevice>,
            /// Bytes written per second.
            pub throttle_write_bps_device: Vec<ThrottleDevice>,
            /// Reads per second.
            #[serde(rename = "throttleReadIOPSDevice")]
            pub throttle_read_iops_device: Vec<ThrottleDevice>,
            /// Writes per second.
            #[serde(rename = "throttleWriteIOPSDevice")]
            pub throttle_write_iops_device: Vec<ThrottleDevice>,
        }
    }
}

document! {
    /// Weight of one block device.
    pub struct WeightDevice {
        always {
            /// Major number.
            pub major: i64,
            /// Minor number.
            pub minor: i64,
        }
        maybe {
            /// Weight, 10 to 1000.
            pub weight: Option<u16>,
            /// Weight against tasks of the group's own (v1).
            pub leaf_weight: Option<u16>,
        }
    }
}

document! {
    /// Rate of one block device.
    pub struct ThrottleDevice {
        always {
            /// Major number.
            pub major: i64,
            /// Minor number.
            pub minor: i64,
            /// Bytes or operations per second.
            pub rate: u64,
        }
    }
}

document! {
    /// Huge pages of one size.
    pub struct HugepageLimit {
        must {
            /// `64KB`, `2MB`, `1GB`. Go reads names in any case, and documents have this one in lower case too.
            #[serde(alias = "pagesize")]
            pub page_size: String,
        }
        always {
            /// Bytes.
            pub limit: u64,
        }
    }
}

document! {
    /// Network class and priorities (cgroup v1).
    pub struct Network {
        maybe {
            /// Class of the packets.
            #[serde(rename = "classID")]
            pub class_id: Option<u32>,
            /// Priority by interface.
            pub priorities: Vec<InterfacePriority>,
        }
    }
}

document! {
    /// Priority of one interface.
    pub struct InterfacePriority {
        must {
            /// The interface.
            pub name: String,
        }
        always {
            /// Its priority.
            pub priority: u32,
        }
    }
}

document! {
    /// RDMA limits of one device.
    pub struct Rdma {
        maybe {
            /// Handles.
            pub hca_handles: Option<u32>,
            /// Objects.
            pub hca_objects: Option<u32>,
        }
    }
}
