//! What this machine (or this container around us) offers: hierarchies, their mounts, and where we stand in them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result};
use tare_mount::{MountLine, is_reachable, mount_lines};

/// No mount table is longer; a machine of a hundred thousand mounts has half of it.
const TABLE_MOST: usize = 32 << 20;

/// The two interfaces of the kernel (`cgroups(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Version {
    /// One hierarchy per controller or set of controllers.
    V1,
    /// The one unified tree (Linux 4.5).
    V2,
}

/// How the hierarchies are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Version 1 alone.
    V1,
    /// Controllers on version 1 and a version 2 tree beside them, with or without controllers of its own.
    Hybrid,
    /// Version 2 alone (named version 1 hierarchies without a controller may stand beside it).
    V2,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layout::V1 => "v1",
            Layout::Hybrid => "hybrid",
            Layout::V2 => "v2",
        })
    }
}

macro_rules! controllers {
    ($($(#[$meta:meta])* $variant:ident = $v1:literal, $v2:literal;)*) => {
        /// A kernel controller: what can be limited or accounted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Controller {
            $($(#[$meta])* $variant,)*
        }

        impl Controller {
            /// Every controller.
            pub const ALL: &'static [Controller] = &[$(Controller::$variant),*];

            /// Its name as a version 1 mount option.
            pub fn v1_name(self) -> &'static str {
                match self { $(Controller::$variant => $v1,)* }
            }

            /// Its name in `cgroup.controllers`; empty where version 2 has none.
            pub fn v2_name(self) -> &'static str {
                match self { $(Controller::$variant => $v2,)* }
            }
        }
    };
}

controllers! {
    /// Processor time.
    Cpu = "cpu", "cpu";
    /// Accounting of processor time (version 2: always there).
    Cpuacct = "cpuacct", "";
    /// Processors and memory nodes.
    Cpuset = "cpuset", "cpuset";
    /// Memory and swap.
    Memory = "memory", "memory";
    /// Access to device nodes (version 2: a BPF program).
    Devices = "devices", "";
    /// Stopping all tasks (version 2: always there).
    Freezer = "freezer", "";
    /// Block devices.
    Io = "blkio", "io";
    /// Number of tasks.
    Pids = "pids", "pids";
    /// Huge pages.
    Hugetlb = "hugetlb", "hugetlb";
    /// Class of network packets.
    NetCls = "net_cls", "";
    /// Priority of network packets.
    NetPrio = "net_prio", "";
    /// Events of perf.
    PerfEvent = "perf_event", "";
    /// RDMA handles.
    Rdma = "rdma", "rdma";
    /// Scalar resources, such as encrypted-memory ids.
    Misc = "misc", "misc";
}

impl Controller {
    pub(crate) fn from_v1(name: &str) -> Option<Controller> {
        Controller::ALL.iter().copied().find(|c| c.v1_name() == name)
    }

    pub(crate) fn from_v2(name: &str) -> Option<Controller> {
        Controller::ALL
            .iter()
            .copied()
            .find(|c| !name.is_empty() && c.v2_name() == name)
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.v1_name())
    }
}

/// One mounted tree of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its interface.
    pub version: Version,
    /// Version 1: the controllers bound to it. Version 2 tells them group by group, so this is empty.
    pub controllers: Vec<Controller>,
    /// Version 1: its name (`systemd`), where it was given one.
    pub name: Option<String>,
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// The group that is mounted there, as our cgroup namespace sees it: `/` unless a sub-tree was bound.
    pub mounted_group: String,
    /// Mounted read-only: groups can be read, and neither made nor changed.
    pub read_only: bool,
    /// The group this process is in, below `mounted_group`; none where it lies outside of it.
    pub own_group: Option<String>,
}

impl Hierarchy {
    /// The name a version 1 mount of it goes by (`cpu,cpuacct`, `systemd`); `unified` for version 2.
    pub fn label(&self) -> String {
        match (self.version, &self.name) {
            (Version::V2, _) => "unified".to_owned(),
            (Version::V1, Some(name)) if self.controllers.is_empty() => name.clone(),
            (Version::V1, _) => {
                let names: Vec<&str> = self.controllers.iter().map(|c| c.v1_name()).collect();
                names.join(",")
            }
        }
    }

    fn is_same_tree(&self, other: &Hierarchy) -> bool {
        self.version == other.version && self.controllers == other.controllers && self.name == other.name
    }

    /// Of two mounts of one tree, the more useful: writable before read-only, whole before a sub-tree.
    fn usefulness(&self) -> u8 {
        u8::from(!self.read_only) * 2 + u8::from(self.mounted_group == "/")
    }
}

/// What the machine offers, as facts alone: no file is held open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub(crate) layout: Layout,
    pub(crate) hierarchies: Vec<Hierarchy>,
    /// In a user namespace of our own the kernel lets nobody write device rules, and makes no device nodes either.
    pub(crate) in_user_namespace: bool,
}

impl Host {
    /// Reads the layout out of the text of `/proc/self/mountinfo` and `/proc/self/cgroup`. Pure.
    ///
    /// Mounts that a later mount covers do not count. Of several mounts of one tree the most useful is taken.
    ///
    /// # Errors
    /// `Unsupported` where no cgroup file system can be reached.
    pub fn detect(mountinfo: &str, self_cgroup: &str) -> Result<Host> {
        let own = OwnGroups::parse(self_cgroup);
        let mounts = mount_lines(mountinfo);
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        for mount in &mounts {
            let Some(found) = hierarchy_of(mount, &own) else {
                continue;
            };
            if !is_reachable(mount, &mounts) {
                continue;
            }
            match hierarchies.iter_mut().find(|known| known.is_same_tree(&found)) {
                Some(known) if known.usefulness() < found.usefulness() => *known = found,
                Some(_) => {}
                None => hierarchies.push(found),
            }
        }
        let unified = hierarchies.iter().any(|h| h.version == Version::V2);
        let v1 = hierarchies.iter().any(|h| !h.controllers.is_empty());
        let layout = match (unified, v1) {
            (true, true) => Layout::Hybrid,
            (true, false) => Layout::V2,
            (false, _) if !hierarchies.is_empty() => Layout::V1,
            (false, _) => {
                return Err(Error::new(Kind::Unsupported, "find cgroups", "")
                    .because("no cgroup file system is mounted")
                    .hint("mount one: mount -t cgroup2 cgroup2 /sys/fs/cgroup"));
            }
        };
        Ok(Host {
            layout,
            hierarchies,
            in_user_namespace: false,
        })
    }

    /// Reads this thread's own view: its mount namespace, its groups, its user namespace.
    ///
    /// # Errors
    /// As [`Host::detect`], and where `/proc` cannot be read.
    pub fn current() -> Result<Host> {
        // The thread's view, not the process's: a mount namespace belongs to a thread.
        let read = |path: &'static str| {
            let bytes = tare_store::read(path, TABLE_MOST).op("read", path)?;
            Ok::<_, Error>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let mounts = read("/proc/thread-self/mountinfo")?;
        let groups = read("/proc/thread-self/cgroup")?;
        let mut host = Host::detect(&mounts, &groups)?;
        host.in_user_namespace = !is_whole_id_map(&read("/proc/thread-self/uid_map")?);
        Ok(host)
    }

    /// The layout.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Every tree, version 1 and 2, in the order of the mount table.
    pub fn hierarchies(&self) -> &[Hierarchy] {
        &self.hierarchies
    }

    /// The version 1 tree that carries a controller.
    pub fn v1(&self, controller: Controller) -> Option<&Hierarchy> {
        self.hierarchies
            .iter()
            .find(|h| h.controllers.contains(&controller))
    }

    /// The version 2 tree.
    pub fn v2(&self) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|h| h.version == Version::V2)
    }

    /// Where the version 2 tree is mounted.
    pub fn unified_mount(&self) -> Option<&Path> {
        self.v2().map(|h| h.mount_point.as_path())
    }

    /// Whether we run in a user namespace with a map of its own: then device rules are left to the kernel,
    /// which makes no usable device nodes there (`user_namespaces(7)`).
    pub fn in_user_namespace(&self) -> bool {
        self.in_user_namespace
    }
}

/// The groups of a process: one line per hierarchy, `id:controllers:path` (`cgroups(7)`).
struct OwnGroups<'a>(Vec<(&'a str, &'a str)>);

impl<'a> OwnGroups<'a> {
    fn parse(text: &'a str) -> OwnGroups<'a> {
        let line = |line: &'a str| {
            let (_id, rest) = line.split_once(':')?;
            rest.split_once(':')
        };
        OwnGroups(text.lines().filter_map(line).collect())
    }

    /// The path in the tree that has `key` (a controller, `name=x`, or nothing for version 2) in its list.
    fn path(&self, key: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(list, _)| list.split(',').any(|item| item == key))
            .map(|(_, path)| *path)
    }
}

fn hierarchy_of(mount: &MountLine<'_>, own: &OwnGroups<'_>) -> Option<Hierarchy> {
    let version = match mount.file_system {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let mut controllers = Vec::new();
    let mut name = None;
    if version == Version::V1 {
        for option in mount.super_options.split(',') {
            if let Some(given) = option.strip_prefix("name=") {
                name = Some(given.to_owned());
            } else if let Some(controller) = Controller::from_v1(option) {
                controllers.push(controller);
            }
        }
        if controllers.is_empty() && name.is_none() {
            return None;
        }
    }
    let key = match (version, controllers.first(), &name) {
        (Version::V2, ..) => String::new(),
        (Version::V1, Some(controller), _) => controller.v1_name().to_owned(),
        (Version::V1, None, name) => format!("name={}", name.as_deref().unwrap_or_default()),
    };
    Some(Hierarchy {
        version,
        controllers,
        name,
        mount_point: mount.at.clone(),
        own_group: own.path(&key).and_then(|path| below(path, &mount.root)),
        mounted_group: mount.root.clone(),
        read_only: mount.read_only,
    })
}

/// The path of a group as seen from the mount of `root`; none where it lies outside (`/../x`, or another sub-tree).
fn below(path: &str, root: &str) -> Option<String> {
    if path == "/.." || path.starts_with("/../") {
        return None;
    }
    let rest = match root {
        "/" => path,
        root => path.strip_prefix(root)?,
    };
    match rest {
        "" => Some("/".to_owned()),
        rest if rest.starts_with('/') => Some(rest.to_owned()),
        _ => None,
    }
}

/// Whether an id map is that of the first user namespace: every id onto itself.
fn is_whole_id_map(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests;
