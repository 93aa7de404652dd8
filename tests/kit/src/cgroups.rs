//! The control groups of one test: made below the ones this process is in, the root of what the test sees.

use std::fs;
use std::path::{Path, PathBuf};

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
        std::mem::take(&mut self.0)
            .iter()
            .flat_map(|g| remove_tree(g))
            .collect()
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for group in &self.0 {
            for left in remove_tree(group) {
                eprintln!("kit: control group left: {left}");
            }
        }
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
