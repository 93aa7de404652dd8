//! The control groups of one test: made below the ones this process is in, the root of what the test sees.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long killed processes may take to be gone.
const GRACE: Duration = Duration::from_secs(5);

/// One mounted hierarchy and the group of this process in it.
struct Hierarchy {
    here: PathBuf,
    cpuset: bool,
}

/// One group per hierarchy.
pub(crate) struct Groups(Vec<PathBuf>);

impl Groups {
    pub(crate) fn make(label: &str) -> Self {
        let mut made = Groups(Vec::new());
        for hierarchy in hierarchies() {
            sweep(&hierarchy.here);
            let group = hierarchy.here.join(format!("kit-{label}"));
            fs::create_dir(&group).unwrap_or_else(|e| panic!("make {}: {e}", group.display()));
            if hierarchy.cpuset {
                // A new cpuset of version 1 has no processors and memory nodes, and takes no process before it does.
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    let value = fs::read(hierarchy.here.join(file)).expect("read the parent's cpuset");
                    fs::write(group.join(file), value).expect("set up the cpuset");
                }
            }
            made.0.push(group);
        }
        made
    }

    /// The files that take a process id, for a shell.
    pub(crate) fn procs_files(&self) -> String {
        self.0
            .iter()
            .map(|g| format!("{}/cgroup.procs ", g.display()))
            .collect()
    }

    /// Version 2 alone: the group to be made for the processes themselves; else empty.
    pub(crate) fn leaf(&self) -> String {
        match self.0.as_slice() {
            [only] if only.join("cgroup.subtree_control").exists() => only.join("init").display().to_string(),
            _ => String::new(),
        }
    }

    /// Removes all; what cannot be removed is returned.
    pub(crate) fn remove(mut self) -> Vec<String> {
        remove_all(&std::mem::take(&mut self.0))
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for left in remove_all(&self.0) {
            eprintln!("kit: control group left: {left}");
        }
    }
}

/// Removes groups whose processes have all been killed: a frozen one dies only when it is thawed, and each takes a moment.
fn remove_all(groups: &[PathBuf]) -> Vec<String> {
    groups.iter().for_each(|group| thaw(group));
    let end = Instant::now() + GRACE;
    for group in groups {
        await_end(group, end);
    }
    groups.iter().flat_map(|group| remove_tree(group)).collect()
}

/// Removes what earlier tests left here whose outer process was killed: `kit-PID-NAME` without that process.
fn sweep(here: &Path) {
    let abandoned = |group: &PathBuf| {
        let name = group.file_name().and_then(|n| n.to_str());
        let owner = name.and_then(|n| n.strip_prefix("kit-")?.split('-').next());
        owner.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists())
    };
    for group in children(here).iter().filter(|group| abandoned(group)) {
        thaw(group);
        // Another test may sweep at the same time; what is still busy is left to the next.
        let _ = remove_tree(group);
    }
}

/// Thaws a group and all below it, of either version.
pub(crate) fn thaw(group: &Path) {
    for child in children(group) {
        thaw(&child);
    }
    // A hierarchy without a freezer has neither file.
    for (file, value) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
        if group.join(file).exists() {
            let _ = fs::write(group.join(file), value);
        }
    }
}

/// Waits until no process is in a group or below it, or the time is over.
fn await_end(group: &Path, end: Instant) {
    for child in children(group) {
        await_end(&child, end);
    }
    loop {
        let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        let first = text
            .lines()
            .filter_map(|line| Pid::from_raw(line.parse().ok()?))
            .next();
        let left = end.saturating_duration_since(Instant::now());
        let Some(pid) = first.filter(|_| !left.is_zero()) else {
            return;
        };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        let time = Timespec::try_from(left).expect("a short time");
        // Whether it ended, or the time did: both are seen above.
        let _ = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&time));
    }
}

/// Removes a group and those below it; a group has no files that could be removed.
fn remove_tree(group: &Path) -> Vec<String> {
    let mut left: Vec<String> = children(group)
        .iter()
        .flat_map(|child| remove_tree(child))
        .collect();
    if let Err(e) = fs::remove_dir(group) {
        left.push(format!("{}: {e}", group.display()));
    }
    left
}

/// The groups right below this one.
pub(crate) fn children(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(group) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
        .map(|e| e.path())
        .collect()
}

/// Every mounted hierarchy, once.
fn hierarchies() -> Vec<Hierarchy> {
    let own = fs::read_to_string("/proc/self/cgroup").expect("read /proc/self/cgroup");
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("read /proc/self/mountinfo");
    let mut found = Vec::new();
    for line in own.lines() {
        // "4:memory:/a/b", "9:name=systemd:/", "0::/a" (version 2).
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let Some((root, point)) = mounts.lines().find_map(|mount| mounted(mount, controllers)) else {
            continue;
        };
        let below = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
        found.push(Hierarchy {
            here: Path::new(point).join(below),
            cpuset: controllers.split(',').any(|c| c == "cpuset"),
        });
    }
    found
}

/// Root and mount point, where this line of mountinfo is the hierarchy with these controllers.
fn mounted<'a>(line: &'a str, controllers: &str) -> Option<(&'a str, &'a str)> {
    let (left, right) = line.split_once(" - ")?;
    let mut right = right.split(' ');
    let (kind, options) = (right.next()?, right.nth(1)?);
    let fits = match controllers {
        "" => kind == "cgroup2",
        names => kind == "cgroup" && names.split(',').all(|name| options.split(',').any(|o| o == name)),
    };
    let mut left = left.split(' ').skip(3);
    fits.then(|| Some((left.next()?, left.next()?)))?
}

/// What to mount inside, as (folder below /sys/fs/cgroup, filesystem, options); version 2 alone has folder "".
pub(crate) fn mounts_inside() -> Vec<(String, &'static str, String)> {
    let own = fs::read_to_string("/proc/self/cgroup").expect("read /proc/self/cgroup");
    let lists: Vec<&str> = own.lines().filter_map(|line| line.split(':').nth(1)).collect();
    let alone = lists == [""];
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("read /proc/self/mountinfo");
    let is_mounted = |list: &&&str| mounts.lines().any(|line| mounted(line, list).is_some());
    lists
        .iter()
        .filter(is_mounted)
        .map(|list| match *list {
            "" if alone => (String::new(), "cgroup2", String::new()),
            "" => ("unified".to_owned(), "cgroup2", String::new()),
            named if named.starts_with("name=") => (named[5..].to_owned(), "cgroup", format!("none,{named}")),
            controllers => (controllers.to_owned(), "cgroup", controllers.to_owned()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::mounted;

    #[test]
    fn mountinfo_lines() {
        let v1 = "35 31 0:32 /a /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory";
        assert_eq!(mounted(v1, "memory"), Some(("/a", "/sys/fs/cgroup/memory")));
        assert_eq!(mounted(v1, "cpu"), None);
        assert_eq!(mounted(v1, ""), None);
        let named = "40 31 0:37 / /sys/fs/cgroup/systemd rw shared:3 - cgroup cgroup rw,xattr,name=systemd";
        assert_eq!(
            mounted(named, "name=systemd"),
            Some(("/", "/sys/fs/cgroup/systemd"))
        );
        let v2 = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";
        assert_eq!(mounted(v2, ""), Some(("/", "/sys/fs/cgroup/unified")));
    }
}
