//! A group below another one for a single process and all that this starts: so that they are known, and end together.
//!
//! ```text
//! version 2, hybrid   GROUP/tare-exec-ID in the version 2 tree: no controller is given to it, so that limits and accounting
//!                     stay GROUP's, and GROUP may hold processes as before (cgroup-v2.rst, "No Internal Process Constraint")
//! version 1           GROUP/tare-exec-ID in the freezer's hierarchy alone
//! ```

use super::{Group, Member, is_gone, processes_below};
use crate::control::{allow_missing, kill_stopped};
use crate::dir::Dir;
use crate::host::{Controller, Version};
use rustix::fs::{AtFlags, CWD};
use rustix::io::Errno;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Result};

/// What the names of such groups begin with; no file of the kernel's does (`cgroup.`, `memory.`, `tasks`, ...).
const PREFIX: &str = "tare-exec-";
/// The longest part of a name that is the process's own.
const ID_MOST: usize = 200;
/// How many names are tried: one may be taken by what an earlier process of this name has left, or by the container.
const NAMES: u32 = 8;
/// The longest `/proc/PID/cgroup`.
const GROUPS_LONGEST: usize = 256 << 10;

/// The group of one process and of what that starts. It is known by where it is, so that it costs no open file; a name in
/// there means the same for as long as the group above lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OwnGroup(PathBuf);

impl Group {
    /// The group as it is to be entered by a process `id` that gets a group of its own below it, and that group.
    ///
    /// There is none where nobody may make it, or on version 1 where the freezer is not in a hierarchy of its own. A
    /// version 2 group that others have divided (it has groups below that are not ours) is left as it is: the process goes to
    /// the side of `first`, where that is below.
    #[must_use]
    pub fn lodge(mut self, id: &str, first: Pid) -> (Group, Option<OwnGroup>) {
        let unified = self.members.iter().position(|m| m.version == Version::V2);
        let freezer = || {
            let alone = |m: &Member| m.controllers == [Controller::Freezer];
            self.members.iter().position(alone)
        };
        let Some(member) = unified.or_else(freezer) else {
            return (self, None);
        };
        let own = match unified.is_some() && self.is_divided(member) {
            true => {
                self.go_beside(member, first);
                None
            }
            false => self.make_own(member, id).ok(),
        };
        (self, own)
    }

    /// The groups right below it that were made for single processes.
    #[must_use]
    pub fn own_groups(&self) -> Vec<OwnGroup> {
        let of = |member: &Member| {
            let names = member.dir.children().unwrap_or_default();
            let own = names.iter().filter_map(|name| name.to_str().ok());
            let own = own.filter(|name| name.starts_with(PREFIX));
            own.filter_map(|name| self.own_at(member, name))
                .collect::<Vec<_>>()
        };
        let unified = self.v2().into_iter();
        unified.chain(self.v1(Controller::Freezer)).flat_map(of).collect()
    }

    /// Whether there are groups below that are not ours.
    fn is_divided(&self, member: usize) -> bool {
        let Some(Member { dir, .. }) = self.members.get(member) else {
            return false;
        };
        // Mostly there is none, and this is one system call.
        if dir.has_children() == Ok(false) {
            return false;
        }
        let names = dir.children().unwrap_or_default();
        names
            .iter()
            .any(|name| !name.to_bytes().starts_with(PREFIX.as_bytes()))
    }

    fn make_own(&mut self, index: usize, id: &str) -> rustix::io::Result<OwnGroup> {
        for turn in 1..=NAMES {
            let name = name(id, turn);
            let member = self.members.get(index).ok_or(Errno::NOENT)?;
            match member.dir.make(&name) {
                Err(Errno::EXIST) => continue,
                made => made?,
            }
            let own = self.own_at(member, &name).ok_or(Errno::NOENT);
            match (member.dir.child(&name), own) {
                (Ok(dir), Ok(own)) => {
                    if let Some(member) = self.members.get_mut(index) {
                        member.dir = dir;
                    }
                    return Ok(own);
                }
                (Err(e), _) | (_, Err(e)) => {
                    let _ = member.dir.remove(&name);
                    return Err(e);
                }
            }
        }
        Err(Errno::EXIST)
    }

    fn own_at(&self, member: &Member, name: &str) -> Option<OwnGroup> {
        let tree = self.host.hierarchies.get(member.hierarchy)?;
        let at = tree.mount_point.join(self.path.below()).join(name);
        Some(OwnGroup(at))
    }

    /// Goes down to where a process is in the version 2 tree; nowhere, where that is not below.
    fn go_beside(&mut self, index: usize, process: Pid) {
        let file = format!("/proc/{}/cgroup", process.as_raw_pid());
        let text = tare_store::read(file, GROUPS_LONGEST).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let own = format!("{}/", self.path);
        let below = text
            .lines()
            .find_map(|line| line.strip_prefix("0::")?.strip_prefix(&own));
        let Some((below, member)) = below.zip(self.members.get_mut(index)) else {
            return;
        };
        if let Ok(dir) = member.dir.child(below) {
            member.dir = dir;
        }
    }
}

impl OwnGroup {
    /// Kills every process in it, frozen or not, and never waits: they end when they are let.
    ///
    /// By `cgroup.kill` (Linux 5.14), else each by its pidfd while the group is told to freeze.
    ///
    /// # Errors
    /// The kernel's; `Unavailable` where processes came faster than they were killed. A group that is gone has none.
    pub fn kill(&self) -> Result<()> {
        let dir = match Dir::open_mount(&self.0) {
            Err(e) if is_gone(e) => return Ok(()),
            dir => dir.op("open", self.0.display())?,
        };
        match dir.write("cgroup.kill", "1") {
            // Version 1, Linux before 5.14, a threaded group. And no group any more: then the look below finds nobody.
            Err(Errno::NOENT | Errno::OPNOTSUPP | Errno::NODEV) => self.kill_each(&dir),
            done => done.op("kill", self.0.display()),
        }
    }

    fn kill_each(&self, dir: &Dir) -> Result<()> {
        let (file, stopped, going) = match dir.has("freezer.state") {
            true => ("freezer.state", "FROZEN", "THAWED"),
            false => ("cgroup.freeze", "1", "0"),
        };
        let list = || {
            let found = processes_below(dir).op("list the processes of", self.0.display())?;
            Ok(found.into_iter().filter_map(Pid::from_raw).collect())
        };
        let stop = || {
            let _ = dir.write(file, stopped);
        };
        let go_on = || allow_missing(dir.write(file, going)).op("thaw", self.0.display());
        kill_stopped(&self.0.display(), &list, &stop, &go_on)
    }

    /// Removes it, where nobody is in it any more; whether it is gone. It is tried once.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove(&self) -> Result<bool> {
        match remove(&self.0) {
            Err(Errno::BUSY) => {}
            done => return done.map(|()| true).op("remove cgroup", self.0.display()),
        }
        // What was in it may have made groups.
        let below = Dir::open_mount(&self.0).and_then(|dir| {
            let mut below = dir.descendants()?;
            let some = !below.is_empty();
            while let Some(path) = below.pop() {
                dir.remove_below(&path)?;
            }
            Ok(some)
        });
        match below {
            Ok(true) => match remove(&self.0) {
                Err(Errno::BUSY) => Ok(false),
                done => done.map(|()| true).op("remove cgroup", self.0.display()),
            },
            Err(e) if is_gone(e) => Ok(true),
            Ok(false) | Err(Errno::BUSY) => Ok(false),
            Err(e) => Err(Error::os("remove cgroup", self.0.display(), e)),
        }
    }
}

/// Removes a directory of the kernel's; one that is gone is no error. Whatever else had come to be there would stay: only a
/// directory without anything in it is removed.
fn remove(at: &Path) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(CWD, at, AtFlags::REMOVEDIR) {
        Err(e) if is_gone(e) => Ok(()),
        done => done,
    }
}

fn name(id: &str, turn: u32) -> String {
    let safe = |c: char| match c.is_ascii_alphanumeric() || "_+-.".contains(c) {
        true => c,
        false => '_',
    };
    let id: String = id.chars().take(ID_MOST).map(safe).collect();
    match turn {
        1 => format!("{PREFIX}{id}"),
        turn => format!("{PREFIX}{id}.{turn}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_directory_each() {
        let long = "x".repeat(300);
        for (id, turn, wanted) in [
            ("a-1", 1, "tare-exec-a-1"),
            ("a-1", 2, "tare-exec-a-1.2"),
            ("../..", 1, "tare-exec-.._.."),
            ("a\nb\0", 1, "tare-exec-a_b_"),
            ("", 1, "tare-exec-"),
        ] {
            assert_eq!(name(id, turn), wanted, "{id:?}");
        }
        assert!(name(&long, 8).len() <= 255);
    }

    #[test]
    fn another_place_is_neither_killed_nor_removed() {
        let folder = std::env::temp_dir().join(format!("tare-own-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("below")).unwrap();
        let own = OwnGroup(folder.clone());
        assert!(own.kill().is_err());
        assert!(own.remove().is_err());
        assert!(folder.join("below").exists());
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(own.kill().is_ok());
        assert!(own.remove().unwrap());
    }
}
