//! `bench-inspect`: prints from inside a container what it was given, one fact a line, in an order that two runtimes
//! share, so that `diff` tells whether they did the same work.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use tare_benches::realistic as real;

fn main() {
    let mut facts = BTreeSet::new();
    mounts(&mut facts);
    status(&mut facts);
    devices(&mut facts);
    paths(&mut facts);
    groups(&mut facts);
    for (name, _) in real::PARAMETERS {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        facts.insert(format!(
            "parameter {name} = {}",
            text(&path).split_whitespace().collect::<Vec<_>>().join(" ")
        ));
    }
    facts.insert(format!("host name {}", text("/proc/sys/kernel/hostname").trim()));
    for (name, value) in std::env::vars() {
        facts.insert(format!("variable {name}={value}"));
    }
    for fact in facts {
        println!("{fact}");
    }
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| format!("({})", e.kind()))
}

/// Where, what kind, which options; ids and sources differ from run to run.
fn mounts(facts: &mut BTreeSet<String>) {
    for line in text("/proc/self/mountinfo").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let Some(dash) = words.iter().position(|w| *w == "-") else {
            continue;
        };
        let shared = words[6..dash].join(",");
        let mut own: Vec<&str> = words[5].split(',').collect();
        own.sort_unstable();
        let read_only = words[dash + 3].split(',').next().unwrap_or_default();
        facts.insert(format!(
            "mount {} {} {} {read_only} {shared}",
            words[4],
            words[dash + 1],
            own.join(",")
        ));
    }
}

/// Credentials, capabilities, seccomp.
fn status(facts: &mut BTreeSet<String>) {
    let wanted = [
        "Uid",
        "Gid",
        "Groups",
        "NSpid",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "Seccomp_filters",
        "Umask",
        "SigBlk",
        "SigIgn",
        "Threads",
    ];
    for line in text("/proc/self/status").lines() {
        if wanted.iter().any(|name| line.split(':').next() == Some(name)) {
            facts.insert(format!(
                "status {}",
                line.split_whitespace().collect::<Vec<_>>().join(" ")
            ));
        }
    }
    for line in text("/proc/self/limits")
        .lines()
        .filter(|l| l.starts_with("Max open files"))
    {
        facts.insert(line.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let fds = fs::read_dir("/proc/self/fd").map(|d| d.count()).unwrap_or(0);
    // One of them reads the folder.
    facts.insert(format!("open fds {}", fds.saturating_sub(1)));
}

/// Everything in /dev but what other file systems hold.
fn devices(facts: &mut BTreeSet<String>) {
    for entry in fs::read_dir("/dev").into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        let kind = meta.file_type();
        let what = if kind.is_symlink() {
            format!("-> {}", fs::read_link(&path).unwrap_or_default().display())
        } else if kind.is_char_device() {
            let (major, minor) = (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()));
            format!(
                "c {major}:{minor} {:o} {}:{}",
                meta.permissions().mode() & 0o7777,
                meta.uid(),
                meta.gid()
            )
        } else {
            format!("{kind:?}")
                .split('{')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        facts.insert(format!("device {} {what}", path.display()));
    }
}

/// Masked and read-only paths, by what one finds there.
fn paths(facts: &mut BTreeSet<String>) {
    for path in real::MASKED {
        let found = match fs::metadata(path) {
            Err(_) => "absent".to_owned(),
            Ok(m) if m.is_dir() => format!("{} entries", fs::read_dir(path).map(|d| d.count()).unwrap_or(0)),
            Ok(_) => format!("{} bytes", fs::read(path).map(|b| b.len()).unwrap_or(0)),
        };
        facts.insert(format!("masked {path}: {found}"));
    }
    for path in real::READ_ONLY {
        let flags = rustix::fs::statvfs(path).map(|s| s.f_flag);
        let read_only = flags.is_ok_and(|f| f.contains(rustix::fs::StatVfsMountFlags::RDONLY));
        facts.insert(format!(
            "read-only {path}: {read_only}, there: {}",
            Path::new(path).exists()
        ));
    }
}

/// Which groups, and what they limit.
fn groups(facts: &mut BTreeSet<String>) {
    for line in text("/proc/self/cgroup").lines() {
        facts.insert(format!(
            "group {}",
            line.split_once(':').map_or(line, |(_, rest)| rest)
        ));
    }
    for file in [
        "memory/memory.limit_in_bytes",
        "cpu/cpu.shares",
        "cpu/cpu.cfs_period_us",
        "cpu/cpu.cfs_quota_us",
        "pids/pids.max",
        "cpuset/cpuset.cpus",
    ] {
        facts.insert(format!(
            "limit {file} = {}",
            text(&format!("/sys/fs/cgroup/{file}")).trim()
        ));
    }
    for line in text("/sys/fs/cgroup/devices/devices.list").lines() {
        facts.insert(format!("device rule {line}"));
    }
}
