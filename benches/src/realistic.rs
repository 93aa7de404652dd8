//! The realistic container, as data: what docker 27 puts into config.json, with limits.

/// Names and numbers (`linux/capability.h`) of docker's capabilities.
pub const CAPABILITIES: [(&str, u32); 14] = [
    ("CAP_CHOWN", 0),
    ("CAP_DAC_OVERRIDE", 1),
    ("CAP_FSETID", 4),
    ("CAP_FOWNER", 3),
    ("CAP_MKNOD", 27),
    ("CAP_NET_RAW", 13),
    ("CAP_SETGID", 6),
    ("CAP_SETUID", 7),
    ("CAP_SETFCAP", 31),
    ("CAP_SETPCAP", 8),
    ("CAP_NET_BIND_SERVICE", 10),
    ("CAP_SYS_CHROOT", 18),
    ("CAP_KILL", 5),
    ("CAP_AUDIT_WRITE", 29),
];

/// Covered, where the kernel has them.
pub const MASKED: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// Made read-only.
pub const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// A device rule: allowed?, kind, major, minor, access; no number is any.
pub type DeviceRule = (bool, char, Option<i64>, Option<i64>, &'static str);

/// Docker's device rules.
pub const DEVICE_RULES: [DeviceRule; 8] = [
    (false, 'a', None, None, "rwm"),
    (true, 'c', Some(1), Some(5), "rwm"),
    (true, 'c', Some(1), Some(3), "rwm"),
    (true, 'c', Some(1), Some(9), "rwm"),
    (true, 'c', Some(1), Some(8), "rwm"),
    (true, 'c', Some(5), Some(0), "rwm"),
    (true, 'c', Some(5), Some(1), "rwm"),
    (false, 'c', Some(10), Some(229), "rwm"),
];

/// Rules that runc, crun and the specification's default devices add to every container.
pub const DEFAULT_DEVICE_RULES: [&str; 10] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:8 rwm",
    "c 1:7 rwm",
    "c 5:0 rwm",
    "c 1:5 rwm",
    "c 1:9 rwm",
    "c 136:* rwm",
    "c 5:2 rwm",
];

/// The parameters of its network namespace.
pub const PARAMETERS: [(&str, &str); 2] = [
    ("net.ipv4.ip_unprivileged_port_start", "0"),
    ("net.ipv4.ping_group_range", "0 2147483647"),
];

/// Bytes of memory.
pub const MEMORY: i64 = 256 << 20;
/// The share of processors, its period and its quota in microseconds.
pub const CPU: (u64, u64, i64) = (512, 100_000, 200_000);
/// Tasks.
pub const PIDS: i64 = 512;

/// Files of the bundle that are bound over files of the root.
pub const FILES: [&str; 3] = ["resolv.conf", "hostname", "hosts"];

/// Its host name.
pub const HOST_NAME: &str = "bench";
/// Its only variables.
pub const ENVIRONMENT: [&str; 2] = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOSTNAME=bench",
];
