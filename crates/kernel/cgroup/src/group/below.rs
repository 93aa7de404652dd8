//! A place below a group, in all of its hierarchies or in some.

use super::{Group, Member};
use crate::host::{Controller, Layout, Version};
use crate::path::GroupPath;
use rustix::io::Errno;
use tare_error::{Error, Kind, Result};

/// What the caller does with the group, for errors; runc's words in it are looked for.
const ENTERING: &str = "enter by adding pid to";

/// Where below a container's group a process is to be: `PATH`, or `CONTROLLER[,CONTROLLER...]:PATH` where version 1 has a
/// tree for each (runc's notation).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubGroup {
    /// None: all of them.
    controllers: Vec<String>,
    path: String,
}

impl SubGroup {
    /// Reads one.
    ///
    /// # Errors
    /// `Invalid` for an empty name of a controller.
    pub fn parse(text: &str) -> Result<SubGroup> {
        let (controllers, path) = match text.split_once(':') {
            Some((controllers, path)) => (controllers.split(',').map(str::to_owned).collect(), path),
            None => (Vec::new(), text),
        };
        if controllers.iter().any(String::is_empty) {
            return Err(Error::new(Kind::Invalid, "read sub cgroup", text)
                .because("the name of a controller is empty"));
        }
        Ok(SubGroup {
            controllers,
            path: path.to_owned(),
        })
    }

    /// The path, where it is the same for all controllers.
    pub fn everywhere(&self) -> Option<&str> {
        self.controllers.is_empty().then_some(&self.path)
    }

    fn is_top(&self) -> bool {
        self.path.trim_matches('/').is_empty()
    }
}

impl Group {
    /// The group itself, but groups below it in the hierarchies that `places` name; all of them exist.
    ///
    /// # Errors
    /// `Invalid` for a path that leads out, for a controller that the group is not in, and for one that is named twice;
    /// `NotFound` where there is no such group.
    pub fn below(mut self, places: &[SubGroup]) -> Result<Group> {
        let top = self.path.clone();
        let invalid = |why: String| Error::new(Kind::Invalid, "enter a group below", &top).because(why);
        let names = || places.iter().flat_map(|place| &place.controllers);
        if let Some(twice) = names().find(|name| names().filter(|other| other == name).count() > 1) {
            return Err(invalid(format!("controller {twice} specified multiple times")));
        }
        if places.len() > 1 && places.iter().any(|place| place.controllers.is_empty()) {
            return Err(invalid("of several places, each has its controllers".to_owned()));
        }
        if let Some(unknown) = names().find(|name| !self.members.iter().any(|member| self.has(member, name)))
        {
            return Err(invalid(format!("unknown controller {unknown}")));
        }
        for place in places.iter().filter(|place| !place.is_top()) {
            let path = top.join(&place.path);
            let path =
                path.map_err(|e| invalid(format!("bad sub cgroup path: {}", place.path)).from_source(e))?;
            self.descend(place, &path)?;
        }
        Ok(self)
    }

    fn descend(&mut self, place: &SubGroup, path: &GroupPath) -> Result<()> {
        let below = path.below().strip_prefix(self.path.below()).unwrap_or_default();
        let below = below.trim_start_matches('/').to_owned();
        for index in 0..self.members.len() {
            let Some(member) = self.members.get(index) else {
                continue;
            };
            let is_named = place.controllers.iter().any(|name| self.has(member, name));
            if !place.controllers.is_empty() && !is_named {
                continue;
            }
            match member.dir.child(&below) {
                Ok(dir) => {
                    if let Some(member) = self.members.get_mut(index) {
                        member.dir = dir;
                    }
                }
                // A tree without limits beside those of version 1: nobody makes groups there by hand.
                Err(Errno::NOENT) if member.version == Version::V2 && self.host.layout() != Layout::V2 => {}
                Err(e) => return Err(Error::os(ENTERING, path, e)),
            }
        }
        Ok(())
    }

    /// Whether one of the group's hierarchies goes by this name of a controller.
    fn has(&self, member: &Member, name: &str) -> bool {
        let is_named = |tree: &crate::Hierarchy| {
            tree.name
                .as_deref()
                .is_some_and(|own| name.strip_prefix("name=") == Some(own))
        };
        Controller::from_v1(name).is_some_and(|named| member.controllers.contains(&named))
            || self.host.hierarchies.get(member.hierarchy).is_some_and(is_named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_runc_reads_them() {
        for (text, controllers, path) in [
            ("sub", &[][..], "sub"),
            ("/", &[], "/"),
            ("cpu,cpuacct:/a/b", &["cpu", "cpuacct"], "/a/b"),
            ("name=systemd:a:b", &["name=systemd"], "a:b"),
        ] {
            let read = SubGroup::parse(text).unwrap();
            assert_eq!(read.controllers, controllers, "{text}");
            assert_eq!(read.path, path, "{text}");
            assert_eq!(read.everywhere().is_some(), controllers.is_empty(), "{text}");
        }
        for text in [":a", "cpu,:a"] {
            assert!(SubGroup::parse(text).is_err(), "{text}");
        }
    }
}
