//! What the machine is and allows, asked as little as the request needs.

use crate::container::facts::HostFacts;
use crate::container::request::RunRequest;
use rustix::process::{Resource, getrlimit};
use std::collections::BTreeMap;
use std::path::Path;
use tare_error::{Context, Result};

/// The resource limits of a process by the kernel's name.
const LIMITS: [(&str, Resource); 16] = [
    ("RLIMIT_AS", Resource::As),
    ("RLIMIT_CORE", Resource::Core),
    ("RLIMIT_CPU", Resource::Cpu),
    ("RLIMIT_DATA", Resource::Data),
    ("RLIMIT_FSIZE", Resource::Fsize),
    ("RLIMIT_LOCKS", Resource::Locks),
    ("RLIMIT_MEMLOCK", Resource::Memlock),
    ("RLIMIT_MSGQUEUE", Resource::Msgqueue),
    ("RLIMIT_NICE", Resource::Nice),
    ("RLIMIT_NOFILE", Resource::Nofile),
    ("RLIMIT_NPROC", Resource::Nproc),
    ("RLIMIT_RSS", Resource::Rss),
    ("RLIMIT_RTPRIO", Resource::Rtprio),
    ("RLIMIT_RTTIME", Resource::Rttime),
    ("RLIMIT_SIGPENDING", Resource::Sigpending),
    ("RLIMIT_STACK", Resource::Stack),
];

/// Asks the machine. `rootless` says that this is root of an ordinary user's namespace only.
///
/// # Errors
/// Where `/proc` is not mounted.
pub fn host_facts(request: &RunRequest, rootless: bool) -> Result<HostFacts> {
    let status = read("/proc/self/status")?;
    let asked = &request.security;
    Ok(HostFacts {
        rootless,
        ids: ids(&read("/proc/self/uid_map")?).min(ids(&read("/proc/self/gid_map")?)),
        bounding: bounding(&status),
        kernel: version(&rustix::system::uname().release().to_string_lossy()),
        processors: processors(&read("/sys/devices/system/cpu/online").unwrap_or_default()),
        hard_limits: hard_limits(request),
        oom_score_adj: read("/proc/self/oom_score_adj")?.trim().parse().unwrap_or(0),
        swap_limit: request.resources.memory.is_some() && swap_limit(),
        apparmor: asked.apparmor.is_some() && is_on("/sys/module/apparmor/parameters/enabled"),
        selinux: !asked.labels.is_empty() && Path::new("/sys/fs/selinux/enforce").exists(),
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
    })
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).op("read", path)
}

fn is_on(path: &str) -> bool {
    std::fs::read(path).is_ok_and(|text| text.starts_with(b"Y"))
}

/// The hard limits that matter: of open files always, others where they were asked for.
fn hard_limits(request: &RunRequest) -> BTreeMap<&'static str, u64> {
    LIMITS
        .into_iter()
        .filter(|(name, _)| {
            *name == "RLIMIT_NOFILE" || request.process.ulimits.iter().any(|u| u.kind == *name)
        })
        .map(|(name, resource)| (name, getrlimit(resource).maximum.unwrap_or(u64::MAX)))
        .collect()
}

/// How many ids from 0 on are mapped: `/proc/self/uid_map` has lines of inside, outside, count (user_namespaces(7)).
fn ids(map: &str) -> u64 {
    let mut ranges: Vec<(u64, u64)> = map
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            match (numbers.next(), numbers.nth(1)) {
                (Some(Ok(inside)), Some(Ok(count))) => Some((inside, count)),
                _ => None,
            }
        })
        .collect();
    ranges.sort_unstable();
    let reach = |reached: u64, (inside, count): &(u64, u64)| {
        if *inside <= reached {
            reached.max(inside + count)
        } else {
            reached
        }
    };
    ranges.iter().fold(0, reach)
}

/// `CapBnd` of `/proc/self/status`.
fn bounding(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0)
}

/// `6.18.44-x` is (6, 18).
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// `0-3,5` are five.
fn processors(online: &str) -> u32 {
    let count = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.parse::<u32>(), last.parse::<u32>()) {
            (Ok(first), Ok(last)) if last >= first => last - first + 1,
            _ => 0,
        }
    };
    online.trim().split(',').map(count).sum::<u32>().max(1)
}

/// Whether the memory controller, where it is, counts swap (`swapaccount=`, `CONFIG_SWAP`).
fn swap_limit() -> bool {
    use tare_cgroup::{Controller, Host};
    let Ok(host) = Host::current() else { return false };
    if let Some(memory) = host.v1(Controller::Memory) {
        return memory.mount_point.join("memory.memsw.limit_in_bytes").exists();
    }
    Path::new("/proc/swaps").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_kernel() {
        assert_eq!(ids("         0          0 4294967295\n"), 4_294_967_295);
        assert_eq!(ids("0 1000 1\n1 100000 65536\n"), 65537);
        assert_eq!(ids("0 1000 1\n5 100000 65536\n"), 1);
        assert_eq!(ids(""), 0);
        assert_eq!(bounding("Name:\tx\nCapBnd:\t000001fffeffffff\n"), 0x1ff_feff_ffff);
        assert_eq!(version("6.18.44-fc-v669"), (6, 18));
        assert_eq!(version("5.10"), (5, 10));
        for (online, count) in [("0-1\n", 2), ("0\n", 1), ("0-3,8-9", 6), ("", 1)] {
            assert_eq!(processors(online), count);
        }
    }

    #[test]
    fn this_machine_can_be_described() {
        let facts = host_facts(&RunRequest::new("x"), false).unwrap();
        assert!(facts.processors >= 1 && facts.kernel >= (5, 0) && facts.ids >= 1);
        assert!(facts.hard_limits.contains_key("RLIMIT_NOFILE"));
    }
}
