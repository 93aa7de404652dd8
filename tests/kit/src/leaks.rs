//! What is there after a test and was not before it.

use crate::cgroups::children;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, WaitOptions, getpid, pidfd_open, wait};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long what a test started may take to end after it, before it counts as left behind: a supervisor that nobody came to
/// stays for a second, and what it still writes down may hold it up for two more.
const GRACE: Duration = Duration::from_secs(10);

/// What pid 1 of a test's namespaces sees.
pub(crate) struct Picture {
    mounts: BTreeSet<String>,
    groups: BTreeSet<String>,
    links: BTreeSet<String>,
}

impl Picture {
    pub(crate) fn take() -> Self {
        Picture {
            mounts: mounts(),
            groups: groups(),
            links: links(),
        }
    }
}

/// Everything left behind, one line each. The caller is pid 1 and has nothing left to wait for.
pub(crate) fn after(before: &Picture) -> Vec<String> {
    let mut found = processes();
    let now = Picture::take();
    found.extend(
        now.mounts
            .difference(&before.mounts)
            .map(|m| format!("mount {m}")),
    );
    found.extend(
        before
            .mounts
            .difference(&now.mounts)
            .map(|m| format!("a mount is gone: {m}")),
    );
    found.extend(
        now.groups
            .difference(&before.groups)
            .map(|g| format!("control group {g}")),
    );
    found.extend(
        now.links
            .difference(&before.links)
            .map(|l| format!("network link {l}")),
    );
    found
}

/// Processes that are still there when the grace is over. Each is waited for by its pidfd.
fn processes() -> Vec<String> {
    let end = Instant::now() + GRACE;
    loop {
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        let others = others();
        let left = end.saturating_duration_since(Instant::now());
        let Some(first) = others.first().filter(|_| !left.is_zero()) else {
            return others
                .iter()
                .map(|pid| format!("process {}", describe(*pid)))
                .collect();
        };
        let Ok(handle) = pidfd_open(*first, PidfdFlags::empty()) else {
            continue;
        };
        let time = Timespec::try_from(left).expect("a short time");
        // Whether it ended, or the time did: both are seen above.
        let _ = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&time));
    }
}

fn others() -> Vec<Pid> {
    let entries = fs::read_dir("/proc").expect("read /proc");
    let ids = entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw);
    ids.filter(|pid| *pid != getpid()).collect()
}

fn describe(pid: Pid) -> String {
    let folder = format!("/proc/{}", pid.as_raw_nonzero());
    let command = fs::read(format!("{folder}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    let state = fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
    let state = state
        .lines()
        .find_map(|line| line.strip_prefix("State:"))
        .unwrap_or("gone")
        .trim()
        .to_owned();
    format!("{} {command}({state})", pid.as_raw_nonzero())
}

/// Mount point, filesystem and source of each mount, with its number: one that was replaced differs.
fn mounts() -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").expect("read mountinfo");
    let describe = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let fields: Vec<&str> = left.split(' ').collect();
        Some(format!(
            "{} ({}, number {})",
            fields.get(4)?,
            right.split(' ').take(2).collect::<Vec<_>>().join(" "),
            fields.first()?
        ))
    };
    text.lines().filter_map(describe).collect()
}

/// Every control group of this test, but the two folders that hold ours and may stay.
fn groups() -> BTreeSet<String> {
    fn walk(group: &Path, found: &mut BTreeSet<String>) {
        for child in children(group) {
            if !(child.ends_with("tare") || child.ends_with("tare/supervisors")) {
                found.insert(child.display().to_string());
            }
            walk(&child, found);
        }
    }
    let mut found = BTreeSet::new();
    let text = fs::read_to_string("/proc/self/mountinfo").expect("read mountinfo");
    for line in text.lines().filter(|line| line.contains(" - cgroup")) {
        if let Some(point) = line.split(' ').nth(4) {
            walk(Path::new(point), &mut found);
        }
    }
    found
}

fn links() -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/net/dev").expect("read /proc/net/dev");
    text.lines()
        .skip(2)
        .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
        .collect()
}

/// What this process has open: number → what it is.
pub(crate) fn open_files() -> BTreeMap<u32, String> {
    let entries = fs::read_dir("/proc/self/fd").expect("read /proc/self/fd");
    entries
        .flatten()
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            // The listing itself.
            let own = target.starts_with("/proc") && target.ends_with("fd");
            (!own).then(|| {
                Some((
                    entry.file_name().to_str()?.parse().ok()?,
                    target.display().to_string(),
                ))
            })?
        })
        .collect()
}

/// What this process has open and had not before. A thread that is just ending may still close its own; as long as there
/// is one beside the test's two (libtest's main thread and this), it is given a moment.
pub(crate) fn files_left_open(before: &BTreeMap<u32, String>) -> Vec<String> {
    let end = Instant::now() + GRACE;
    loop {
        // Counted first: one that ends between the two has closed its own by the second.
        let threads = fs::read_dir("/proc/self/task")
            .expect("read /proc/self/task")
            .count();
        let left = new_open_files(before);
        if left.is_empty() || threads <= 2 || Instant::now() > end {
            return left;
        }
        std::thread::yield_now();
    }
}

/// What is left once that is nothing, or the grace is over: whoever clears away may just be at the last of it.
pub(crate) fn at_last(left: impl Fn() -> Vec<String>) -> Vec<String> {
    let end = Instant::now() + GRACE;
    loop {
        let found = left();
        if found.is_empty() || Instant::now() > end {
            return found;
        }
        std::thread::yield_now();
    }
}

fn new_open_files(before: &BTreeMap<u32, String>) -> Vec<String> {
    let now = open_files();
    now.iter()
        .filter(|(n, what)| before.get(n) != Some(what))
        .map(|(n, what)| format!("open file {n}: {what}"))
        .collect()
}
