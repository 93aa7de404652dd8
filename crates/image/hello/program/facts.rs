//! What the kernel says about this process, read once from `/proc` and the cgroup files.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The namespaces of `namespaces(7)`, in the order they are shown, with the fixed id of the machine's own one
/// (`include/linux/proc_ns.h`; those of mnt and net are fixed since Linux 6.18).
pub const NAMESPACES: [(&str, u64); 8] = [
    ("mnt", 0xEFFF_FFF8),
    ("pid", 0xEFFF_FFFC),
    ("net", 0xEFFF_FFF9),
    ("ipc", 0xEFFF_FFFF),
    ("uts", 0xEFFF_FFFE),
    ("cgroup", 0xEFFF_FFFB),
    ("user", 0xEFFF_FFFD),
    ("time", 0xEFFF_FFFA),
];

/// Everything the page shows, as text the kernel gave.
#[derive(Debug, Default)]
pub struct Facts {
    /// This process as it sees itself.
    pub pid: u32,
    /// The name of the machine as seen from here.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
    /// One entry per namespace of [`NAMESPACES`]: its id, where it could be read.
    pub namespaces: Vec<Option<u64>>,
    /// `/proc/self/status`.
    pub status: String,
    /// `/proc/self/cgroup`.
    pub cgroup: String,
    /// `/proc/self/mountinfo`.
    pub mounts: String,
    /// Limits, where one is set: (name, text).
    pub limits: Vec<(&'static str, String)>,
    /// From the start of `tare` to the first line of this program.
    pub took: Option<Duration>,
}

impl Facts {
    /// Reads them; what cannot be read stays empty.
    pub fn gather(now: SystemTime) -> Facts {
        let mounts = text("/proc/self/mountinfo");
        let cgroup = text("/proc/self/cgroup");
        Facts {
            pid: std::process::id(),
            hostname: text("/proc/sys/kernel/hostname").trim().to_owned(),
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            namespaces: NAMESPACES.iter().map(|(name, _)| namespace(name)).collect(),
            status: text("/proc/self/status"),
            limits: limits(|controller| {
                groups(&mounts, &cgroup, controller)
                    .into_iter()
                    .find(|dir| fs::metadata(dir).is_ok())
            }),
            mounts,
            cgroup,
            took: started().and_then(|at| now.duration_since(at).ok()),
        }
    }
}

fn text(path: &str) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// The id in `/proc/self/ns/NAME`, which reads `pid:[4026531836]`.
fn namespace(name: &str) -> Option<u64> {
    let link = fs::read_link(format!("/proc/self/ns/{name}")).ok()?;
    let link = link.to_str()?;
    link.split_once('[')?.1.strip_suffix(']')?.parse().ok()
}

/// When `tare` started, in nanoseconds of the real-time clock: the engine says so to this image alone.
fn started() -> Option<SystemTime> {
    let text = std::env::vars().find(|(name, _)| name == "TARE_STARTED")?.1;
    Some(UNIX_EPOCH + Duration::from_nanos(text.parse().ok()?))
}

/// Directories that may hold the files of `controller` for this process, the likeliest first.
///
/// Inside a cgroup namespace the group is `/`; without one the mount shows the group itself and `/proc/self/cgroup`
/// the machine's path.
pub fn groups(mounts: &str, cgroup: &str, controller: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in mounts.lines() {
        let Some((place, rest)) = line.split_once(" - ") else {
            continue;
        };
        let mut words = rest.split(' ');
        let (kind, options) = (words.next().unwrap_or(""), words.nth(1).unwrap_or(""));
        let is = |wanted: &str| options.split(',').any(|o| o == wanted);
        let path = match kind {
            "cgroup" if is(controller) => path_of(cgroup, |c| c.split(',').any(|c| c == controller)),
            "cgroup2" => path_of(cgroup, str::is_empty),
            _ => continue,
        };
        let Some(mounted_on) = place.split(' ').nth(4) else {
            continue;
        };
        let path = path.unwrap_or("/").trim_end_matches('/');
        if !path.is_empty() {
            found.push(format!("{mounted_on}{path}"));
        }
        found.push(mounted_on.to_owned());
    }
    found
}

/// The path in `/proc/self/cgroup` of the hierarchy whose controllers satisfy `wanted`.
fn path_of(cgroup: &str, wanted: impl Fn(&str) -> bool) -> Option<&str> {
    cgroup.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let controllers = parts.next()?;
        wanted(controllers).then(|| parts.next()).flatten()
    })
}

/// Memory, processor and process limits, from the files of cgroup v2 or v1, whichever is there.
fn limits(dir: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
    let file = |controller: &str, name: &str| {
        let text = text(&format!("{}/{name}", dir(controller)?));
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let memory = file("memory", "memory.max").or_else(|| file("memory", "memory.limit_in_bytes"));
    let pids = file("pids", "pids.max");
    let cpu = file("cpu", "cpu.max").or_else(|| {
        let quota = file("cpu", "cpu.cfs_quota_us")?;
        Some(format!("{quota} {}", file("cpu", "cpu.cfs_period_us")?))
    });
    [
        ("memory", memory.map(|t| memory_text(&t))),
        ("cpu", cpu.map(|t| cpu_text(&t))),
        ("processes", pids.map(|t| pids_text(&t))),
    ]
    .into_iter()
    .filter_map(|(name, text)| Some((name, text?)))
    .collect()
}

/// `67108864` is `64 MiB`; `max`, or what v1 says in its place (the largest multiple of a page), is no limit.
pub fn memory_text(raw: &str) -> String {
    const NONE: u64 = 1 << 62;
    match raw.parse::<u64>() {
        Ok(bytes) if bytes < NONE => {
            let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
            let fits = units.iter().find(|(_, unit)| bytes >= *unit && bytes % unit == 0);
            fits.map_or(format!("{bytes} bytes"), |(name, unit)| {
                format!("{} {name}", bytes / unit)
            })
        }
        _ => "no limit".to_owned(),
    }
}

/// `150000 100000` is `1.5 processors`; `max` or `-1` is no limit.
pub fn cpu_text(raw: &str) -> String {
    let mut numbers = raw.split(' ').map(str::parse::<f64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(quota)), Some(Ok(period))) if quota > 0.0 && period > 0.0 => {
            format!("{} processors", (quota / period * 100.0).round() / 100.0)
        }
        _ => "no limit".to_owned(),
    }
}

fn pids_text(raw: &str) -> String {
    if raw == "max" {
        "no limit".to_owned()
    } else {
        raw.to_owned()
    }
}
