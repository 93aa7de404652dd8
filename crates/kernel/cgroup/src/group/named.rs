//! Groups by the words of cgcreate and cgexec: controllers, and a path below the mounts of these alone.

use super::make::{self, Existing};
use super::{Group, unsupported};
use crate::dir::Dir;
use crate::host::{Controller, Hierarchy, Host, Layout, Version};
use crate::path::GroupPath;
use rustix::fs::{Access, AtFlags};
use rustix::io::Errno;
use std::fmt;
use std::time::Duration;
use tare_error::{Context, Error, Kind, Result};

/// How long it is waited for processes that are ending.
const ENDING: Duration = Duration::from_secs(1);

/// A group in some of the hierarchies: `CONTROLLER[,CONTROLLER...]:PATH`, where `*` is all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedGroup {
    /// None: all there are.
    controllers: Option<Vec<String>>,
    path: GroupPath,
    /// Whether the path is said from the top, or from the group that the caller may divide.
    from_top: bool,
}

/// Why a version 2 group may lack the files of its controllers (cgroup-v2.rst, "No Internal Process Constraint").
const NOT_HANDED_ON: &str = "a group of version 2 hands controllers on only while no process is right in it: move those above into a group of their own";

/// One group in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLine {
    /// The hierarchy's controllers, its name, or `unified`.
    pub controllers: String,
    /// Its path below the mount; `/` for the top.
    pub path: String,
    /// How many processes are right in it.
    pub processes: usize,
}

impl NamedGroup {
    /// Reads one.
    ///
    /// # Errors
    /// `Invalid` where one of the two is missing, and for a path that [`GroupPath::parse`] refuses.
    pub fn parse(text: &str) -> Result<NamedGroup> {
        let refuse = |why: &str| {
            Err(Error::new(Kind::Invalid, "read cgroup", format!("{text:?}"))
                .because(why)
                .hint(
                    "give controllers and a path, as in cpu,memory:/build, or *:/build for all controllers",
                ))
        };
        let Some((controllers, path)) = text.split_once(':') else {
            return refuse("there is no colon in it");
        };
        let names: Vec<String> = controllers.split(',').map(str::to_owned).collect();
        if names.iter().any(String::is_empty) {
            return refuse("the name of a controller is empty");
        }
        Ok(NamedGroup {
            controllers: (controllers != "*").then_some(names),
            path: GroupPath::parse(path)?,
            from_top: path.starts_with('/'),
        })
    }

    /// Makes the group in the hierarchies of its controllers, and the groups above it; what is there already stays as it is.
    /// Then sets what is to be set. Where that fails, a group that was made here goes again.
    ///
    /// # Errors
    /// `Unsupported` for a controller that is not here, `Denied`, and all of [`Group::set`].
    pub fn create(&self, host: &Host, settings: &[(String, String)]) -> Result<Group> {
        let (host, wanted) = self.restrict(host)?;
        let path = self.resolve(&host)?;
        let was_there = Group::open(&host, &path).is_ok();
        let made = make::make(&host, &path, &wanted, Existing::Keep).and_then(|group| {
            let set = |(file, value): &(String, String)| group.set(file, value);
            settings.iter().try_for_each(set)?;
            Ok(group)
        });
        made.map_err(|e| match Group::open(&host, &path) {
            Ok(half) if !was_there => match half.remove_within(ENDING) {
                Ok(()) => e,
                Err(also) => e.also(also),
            },
            _ => e,
        })
    }

    /// Opens the group, which is there in the hierarchy of each of its controllers.
    ///
    /// # Errors
    /// `NotFound`; as [`NamedGroup::create`] for controllers.
    pub fn open(&self, host: &Host) -> Result<Group> {
        let (host, _) = self.restrict(host)?;
        let path = self.resolve(&host)?;
        let missing = |tree: &str| {
            Error::new(Kind::NotFound, "open cgroup", format!("{path} of {tree}"))
                .because("there is none")
                .hint(format!(
                    "`tare cgroup create -g {self}` makes it, `tare cgroup ls` lists what is there"
                ))
        };
        let group = Group::open(&host, &path).map_err(|e| match e.kind() {
            Kind::NotFound => missing(&self.words()),
            _ => e,
        })?;
        let is_there = |at: &usize| group.members.iter().any(|member| member.hierarchy == *at);
        let trees = host.hierarchies.iter().enumerate();
        match trees
            .clone()
            .find(|(at, _)| self.controllers.is_some() && !is_there(at))
        {
            Some((_, tree)) => Err(missing(&tree.label())),
            None => Ok(group),
        }
    }

    /// Removes the group.
    ///
    /// # Errors
    /// As [`NamedGroup::open`]; `Conflict` where processes are in it, or groups below and `with_those_below` is not asked for.
    pub fn remove(&self, host: &Host, with_those_below: bool) -> Result<()> {
        let group = self.open(host)?;
        let has_below = |member: &super::Member| member.dir.has_children() == Ok(true);
        if !with_those_below && group.members.iter().any(has_below) {
            return Err(Error::new(Kind::Conflict, "remove cgroup", &group.path)
                .because("groups are below it")
                .hint(format!("`tare cgroup rm -r -g {self}` removes them with it")));
        }
        group.remove_within(ENDING)
    }

    /// The group itself, and all below it.
    ///
    /// # Errors
    /// As [`NamedGroup::open`].
    pub fn list(&self, host: &Host) -> Result<Vec<GroupLine>> {
        let group = self.open(host)?;
        let mut lines = Vec::new();
        for member in &group.members {
            let Some(tree) = group.host.hierarchies.get(member.hierarchy) else {
                continue;
            };
            add_lines(&mut lines, &tree.label(), &group.path.to_string(), &member.dir)
                .op("list the groups below", &group.path)?;
        }
        Ok(lines)
    }

    fn words(&self) -> String {
        let all = || "all controllers".to_owned();
        self.controllers
            .as_ref()
            .map_or_else(all, |names| names.join(","))
    }

    /// The machine as far as these controllers go, and those of them that version 2 has to hand on.
    fn restrict(&self, host: &Host) -> Result<(Host, Vec<Controller>)> {
        let unified = host
            .v2()
            .map(unified_controllers)
            .transpose()?
            .unwrap_or_default();
        let Some(names) = &self.controllers else {
            return Ok((host.clone(), unified));
        };
        let (mut trees, mut wanted) = (Vec::new(), Vec::new());
        for name in names {
            let controller = controller(name);
            let tree = match controller.and_then(|controller| host.v1(controller)) {
                Some(tree) => Some(tree),
                None => host.hierarchies.iter().find(|tree| match controller {
                    Some(found) => {
                        tree.version == Version::V2 && (unified.contains(&found) || is_core(found))
                    }
                    None => {
                        tree.label() == *name
                            || name
                                .strip_prefix("name=")
                                .is_some_and(|name| tree.name.as_deref() == Some(name))
                    }
                }),
            };
            let Some(tree) = tree else {
                return Err(self.not_here(host, name, &unified));
            };
            wanted.extend(controller.filter(|found| unified.contains(found)));
            if !trees.contains(tree) {
                trees.push(tree.clone());
            }
        }
        let is = |version| trees.iter().any(|tree: &Hierarchy| tree.version == version);
        let layout = match (is(Version::V1), is(Version::V2)) {
            (true, true) => Layout::Hybrid,
            (false, true) => Layout::V2,
            _ => Layout::V1,
        };
        let host = Host {
            layout,
            hierarchies: trees,
            in_user_namespace: host.in_user_namespace,
        };
        Ok((host, wanted))
    }

    fn not_here(&self, host: &Host, name: &str, unified: &[Controller]) -> Error {
        let mut here: Vec<String> = host.hierarchies.iter().map(Hierarchy::label).collect();
        here.extend(unified.iter().map(|controller| controller.v2_name().to_owned()));
        unsupported("find controller", &self.path)
            .because(format!("there is no controller {name} on this machine"))
            .hint(format!("there are {}", here.join(", ")))
    }

    /// The path from the top. One that is not said from there begins at the group that an ordinary user may divide: the highest
    /// one above the user's own process that this user may write to.
    fn resolve(&self, host: &Host) -> Result<GroupPath> {
        let Some(tree) = host.hierarchies.first().filter(|_| !self.from_top) else {
            return Ok(self.path.clone());
        };
        let top = Dir::open_mount(&tree.mount_point).op("open", tree.mount_point.display())?;
        let may_write =
            |dir: &Dir| rustix::fs::accessat(dir, ".", Access::WRITE_OK, AtFlags::EACCESS).is_ok();
        let own = tree.own_group.as_deref().unwrap_or("/").trim_matches('/');
        if may_write(&top) || own.is_empty() {
            return Ok(self.path.clone());
        }
        let ends = own.match_indices('/').map(|(at, _)| at).chain([own.len()]);
        let above = ends.filter_map(|end| own.get(..end));
        let mut allowed = above.filter(|path| top.child(path).is_ok_and(|dir| may_write(&dir)));
        match allowed.next() {
            Some(base) => GroupPath::parse(base)?.join(&self.path.to_string()),
            None => Ok(self.path.clone()),
        }
    }
}

impl fmt::Display for NamedGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string();
        let path = if self.from_top {
            &path
        } else {
            path.trim_start_matches('/')
        };
        match &self.controllers {
            Some(names) => write!(f, "{}:{path}", names.join(",")),
            None => write!(f, "*:{path}"),
        }
    }
}

impl Host {
    /// Every group in every hierarchy.
    ///
    /// # Errors
    /// The kernel's.
    pub fn groups(&self) -> Result<Vec<GroupLine>> {
        let mut lines = Vec::new();
        for tree in &self.hierarchies {
            let at = tree.mount_point.display();
            let top = Dir::open_mount(&tree.mount_point).op("open", &at)?;
            add_lines(&mut lines, &tree.label(), "", &top).op("list the groups below", &at)?;
        }
        Ok(lines)
    }
}

impl Group {
    /// Writes a value to a control file of the group, in the hierarchy that has it: `memory.max`, `cpu.shares`.
    ///
    /// # Errors
    /// `Invalid` for a name that is not of a controller's file, and for a value that the kernel does not take; `NotFound` where
    /// the group has no such file; `Denied`.
    pub fn set(&self, file: &str, value: &str) -> Result<()> {
        let error =
            |kind, why: String| Err(Error::new(kind, "set", format!("{file} of {}", self.path)).because(why));
        let of_controller = file
            .split_once('.')
            .is_some_and(|(name, rest)| controller(name).is_some() && !rest.is_empty());
        if !of_controller || file.contains('/') || value.contains('\0') {
            return error(Kind::Invalid, "that is no limit of a controller".to_owned());
        }
        let Some(member) = self.members.iter().find(|member| member.dir.has(file)) else {
            let missing = error(
                Kind::NotFound,
                "none of its controllers has such a file".to_owned(),
            );
            return match self.v2() {
                Some(_) => missing.map_err(|e| e.hint(NOT_HANDED_ON)),
                None => missing,
            };
        };
        match member.dir.write(file, value) {
            Err(Errno::INVAL | Errno::RANGE | Errno::NOSPC) => error(
                Kind::Invalid,
                format!("the kernel does not take the value {value:?}"),
            ),
            done => done.map_err(|e| self.file_error("set", file, e)),
        }
    }
}

fn controller(name: &str) -> Option<Controller> {
    Controller::from_v1(name).or_else(|| Controller::from_v2(name))
}

/// What each version 2 group does without a controller.
fn is_core(controller: Controller) -> bool {
    matches!(controller, Controller::Cpuacct | Controller::Freezer)
}

/// The controllers that the version 2 tree has to give.
fn unified_controllers(tree: &Hierarchy) -> Result<Vec<Controller>> {
    let at = tree.mount_point.display();
    let text = Dir::open_mount(&tree.mount_point)
        .and_then(|top| top.read("cgroup.controllers"))
        .op("read the controllers of", at)?;
    Ok(text.split_whitespace().filter_map(Controller::from_v2).collect())
}

/// Adds a line for the group and one for each below it; those that vanish meanwhile are left out.
fn add_lines(lines: &mut Vec<GroupLine>, controllers: &str, path: &str, dir: &Dir) -> rustix::io::Result<()> {
    let mut add = |path: &str, dir: &Dir| {
        // A threaded group of version 2 does not tell its processes.
        let processes = dir.read("cgroup.procs").map_or(0, |text| text.lines().count());
        let shown = path.chars().map(|c| if c.is_control() { '?' } else { c });
        lines.push(GroupLine {
            controllers: controllers.to_owned(),
            path: if path.is_empty() {
                "/".to_owned()
            } else {
                shown.collect()
            },
            processes,
        });
    };
    add(path, dir);
    let mut below = dir.descendants()?;
    below.sort();
    for name in below {
        if let Ok(dir) = dir.open_below(&name) {
            add(&format!("{path}/{}", name.to_string_lossy()), &dir);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cgcreates() {
        for (text, shown) in [
            ("cpu,memory:/a/b", "cpu,memory:/a/b"),
            ("cpu:a//b/", "cpu:a/b"),
            ("*:/a", "*:/a"),
            ("name=systemd:/a:b", "name=systemd:/a:b"),
        ] {
            assert_eq!(NamedGroup::parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "cpu",
            ":/a",
            "cpu,:/a",
            "cpu:",
            "cpu:/",
            "cpu:/..",
            "cpu:/a/../../b",
            "cpu:/cgroup.x",
            "cpu:/a\nb",
        ] {
            let e = NamedGroup::parse(text).unwrap_err();
            assert_eq!(e.kind(), Kind::Invalid, "{text:?}");
            assert!(e.first_hint().is_some(), "{text:?}");
        }
    }
}
