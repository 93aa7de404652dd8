//! Making a group: level by level, in each hierarchy.

use super::{Group, Member, NOT_DELEGATED, unsupported};
use crate::dir::Dir;
use crate::host::{Controller, Hierarchy, Host, Layout, Version};
use crate::path::GroupPath;
use rustix::io::Errno;
use tare_error::{Error, Kind, Result};
use tare_spec_oci::Resources;

/// How often a level that vanishes under our hands (removed by somebody else) is made again.
const ATTEMPTS: usize = 8;

/// What becomes of a group that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// It is made anew if it is empty, and is somebody's if not.
    Replace,
    /// It is another's work, which goes on here.
    Keep,
}

/// Makes the group everywhere, or nowhere.
pub(super) fn make(
    host: &Host,
    path: &GroupPath,
    wanted: &[Controller],
    existing: Existing,
) -> Result<Group> {
    let mut group = Group {
        path: path.clone(),
        host: host.clone(),
        members: Vec::with_capacity(host.hierarchies.len()),
    };
    for (hierarchy, tree) in host.hierarchies.iter().enumerate() {
        if tree.read_only {
            continue;
        }
        match make_in(tree, path, wanted, existing) {
            Ok(dir) => group.members.push(Member {
                hierarchy,
                version: tree.version,
                controllers: tree.controllers.clone(),
                dir,
            }),
            Err(e) if existing == Existing::Keep => return Err(e),
            Err(e) => {
                return Err(match group.remove() {
                    Ok(()) => e,
                    Err(also) => e.also(also),
                });
            }
        }
    }
    if group.members.is_empty() {
        return Err(unsupported("make cgroup", path)
            .because("every cgroup mount is read-only")
            .hint("in a container, have the cgroup file system mounted read-write"));
    }
    Ok(group)
}

fn make_in(tree: &Hierarchy, path: &GroupPath, wanted: &[Controller], existing: Existing) -> Result<Dir> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match make_levels(tree, path, wanted, existing) {
            Err(Failure::Kernel(e)) if e == Errno::NOENT && attempt < ATTEMPTS => {}
            Err(Failure::Kernel(e)) => {
                let at = tree.mount_point.display();
                let error = Error::os("make cgroup", format!("{path} below {at}"), e);
                return Err(match e {
                    Errno::ACCESS | Errno::PERM => error.hint(NOT_DELEGATED),
                    Errno::NOTDIR => {
                        error.hint("choose another name: a file of the kernel's own is called so")
                    }
                    Errno::NOSPC | Errno::AGAIN => error.hint(
                        "there are too many groups (cgroup.max.descendants, cgroup.max.depth); remove some",
                    ),
                    _ => error,
                });
            }
            Err(Failure::Busy(error)) => return Err(error),
            Ok(dir) => return Ok(dir),
        }
    }
}

enum Failure {
    Kernel(Errno),
    Busy(Error),
}

impl From<Errno> for Failure {
    fn from(e: Errno) -> Failure {
        Failure::Kernel(e)
    }
}

fn make_levels(
    tree: &Hierarchy,
    path: &GroupPath,
    wanted: &[Controller],
    existing: Existing,
) -> Result<Dir, Failure> {
    let (mut at, levels) = begin(tree, path, wanted, existing)?;
    let mut names = path.names().skip(levels).peekable();
    while let Some(name) = names.next() {
        if tree.version == Version::V2 {
            enable(&at, wanted)?;
        }
        let is_new = match at.make(name) {
            Ok(()) => true,
            Err(Errno::EXIST) if names.peek().is_none() && existing == Existing::Replace => {
                replace_leftover(&at, name, path)?;
                true
            }
            Err(Errno::EXIST) => false,
            Err(e) => return Err(e.into()),
        };
        at = match furnish(tree, &at, name, is_new && names.peek().is_some()) {
            Err(e) if is_new => {
                // Made and not usable: nothing is left of it, and of what is above only what others may use.
                let _ = at.remove(name);
                return Err(e.into());
            }
            done => done?,
        };
    }
    Ok(at)
}

/// How far of the path is there at once, and needs nothing: its directory, and how many levels that are.
fn begin(
    tree: &Hierarchy,
    path: &GroupPath,
    wanted: &[Controller],
    existing: Existing,
) -> rustix::io::Result<(Dir, usize)> {
    let mount = Dir::open_mount(&tree.mount_point)?;
    // Whoever made a level may have died before it gave what the group below it needs.
    let levels_give = match tree.version {
        Version::V1 => tree.controllers.contains(&Controller::Cpuset),
        Version::V2 => !wanted.is_empty(),
    };
    if levels_give {
        return Ok((mount, 0));
    }
    let levels = path.names().count();
    if existing == Existing::Keep
        && let Ok(group) = mount.child(path.below())
    {
        return Ok((group, levels));
    }
    match path.parent().map(|above| mount.child(above.below())) {
        Some(Ok(above)) => Ok((above, levels.saturating_sub(1))),
        _ => Ok((mount, 0)),
    }
}

/// Opens a level and gives it what version 1 does not give by itself.
fn furnish(tree: &Hierarchy, above: &Dir, name: &str, is_new_middle: bool) -> rustix::io::Result<Dir> {
    let group = above.child(name)?;
    if tree.controllers.contains(&Controller::Cpuset) {
        inherit_cpus(above, &group)?;
    }
    // Kernels before 5.11 can still be told to account groups apart from those below.
    if is_new_middle && tree.controllers.contains(&Controller::Memory) {
        let _ = group.write("memory.use_hierarchy", "1");
    }
    Ok(group)
}

/// A group of the same name without processes is a leftover; one with processes is somebody's.
fn replace_leftover(at: &Dir, name: &str, path: &GroupPath) -> Result<(), Failure> {
    let old = at.child(name)?;
    let mut below = old.descendants()?;
    while let Some(path) = below.pop() {
        match old.remove_below(&path) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::BUSY) => return Err(busy(path_of(path.to_bytes(), name))),
            Err(e) => return Err(e.into()),
        }
    }
    match at.remove(name) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(Errno::BUSY) => return Err(busy(path.to_string())),
        Err(e) => return Err(e.into()),
    }
    at.make(name)?;
    Ok(())
}

fn path_of(below: &[u8], name: &str) -> String {
    format!("{name}/{}", String::from_utf8_lossy(below))
}

fn busy(subject: String) -> Failure {
    Failure::Busy(
        Error::new(Kind::Conflict, "make cgroup", subject)
            .because("container's cgroup is not empty: it exists, and processes are in it")
            .hint("another container or program uses this group; choose another name, or end its processes"),
    )
}

/// Version 1 starts a group with no processor and no memory node, and takes no task into such a group.
fn inherit_cpus(above: &Dir, group: &Dir) -> rustix::io::Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if group.read(file)?.trim().is_empty() {
            let list = above.read(file)?;
            group.write(file, list.trim())?;
        }
    }
    Ok(())
}

/// Version 2: gives the groups below `at` those of the wanted controllers that `at` has and does not give yet.
///
/// A refusal is no error here: whether a controller is missed is known when a limit needs it, and said then.
fn enable(at: &Dir, wanted: &[Controller]) -> rustix::io::Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let has = at.read("cgroup.controllers")?;
    let gives = at.read("cgroup.subtree_control")?;
    let missing: Vec<String> = has
        .split_whitespace()
        .filter(|name| !gives.split_whitespace().any(|given| given == *name))
        .filter(|name| Controller::from_v2(name).is_some_and(|controller| wanted.contains(&controller)))
        .map(|name| format!("+{name}"))
        .collect();
    if missing.is_empty() || at.write("cgroup.subtree_control", &missing.join(" ")).is_ok() {
        return Ok(());
    }
    // One that is refused (real-time processes forbid cpu, for one) shall not keep the others away.
    for one in &missing {
        let _ = at.write("cgroup.subtree_control", one);
    }
    Ok(())
}

/// The controllers to give to groups on the version 2 tree: all of them where it is the only tree; beside version 1
/// only what is asked for and is nowhere else, as a controller in use there cannot be mounted as version 1 any more.
pub(super) fn wanted_on_v2(host: &Host, resources: &Resources) -> Vec<Controller> {
    if host.layout == Layout::V2 {
        let all = Controller::ALL.iter().copied();
        return all
            .filter(|controller| !controller.v2_name().is_empty())
            .collect();
    }
    let cpu = resources.cpu.as_ref();
    let named = |controller: &Controller| {
        let prefix = format!("{}.", controller.v2_name());
        resources.unified.keys().any(|file| file.starts_with(&prefix))
    };
    Controller::ALL
        .iter()
        .copied()
        .filter(|controller| !controller.v2_name().is_empty() && host.v1(*controller).is_none())
        .filter(|controller| {
            named(controller)
                || match controller {
                    Controller::Cpu => {
                        cpu.is_some_and(|cpu| cpu.shares.or(cpu.period).is_some() || cpu.quota.is_some())
                    }
                    Controller::Cpuset => cpu.is_some_and(|cpu| cpu.cpus.is_some() || cpu.mems.is_some()),
                    Controller::Memory => resources.memory.is_some(),
                    Controller::Pids => resources.pids.is_some(),
                    Controller::Io => resources.block_io.is_some(),
                    Controller::Hugetlb => !resources.hugepage_limits.is_empty(),
                    Controller::Rdma => !resources.rdma.is_empty(),
                    _ => false,
                }
        })
        .collect()
}
