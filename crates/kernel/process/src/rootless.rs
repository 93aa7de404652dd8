//! An ordinary user's program inside a user namespace of its own, where it is root over its subordinate ids.
//!
//! ```text
//! uid 1000 ── enter ──> unshare(user, mount) ── newuidmap, newgidmap ──> execute again, as uid 0 inside
//!                              (own id -> 0, /etc/subuid ranges -> 1...; without them the own id alone)
//! ```
//! Nothing of it outlives the program: the next command makes a namespace with the same maps, so that files keep
//! their owners.

use crate::seal;
use crate::spawn::{Child, Fork, spawn};
use crate::user_namespace::map_text;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::ffi::CString;
use std::path::Path;
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::IdMapping;
use tare_sys::{CStrings, CloneFlags, exec, unshare};

/// What this process is on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Root of the host, or of a namespace that maps all ids.
    Root,
    /// Root of a user namespace that maps this many ids.
    Inside {
        /// How many; 1 means that only root exists inside.
        ids: u64,
    },
}

/// Where the programs that map subordinate ids are looked for (shadow-utils' `uidmap`).
const PROGRAMS: &[&str] = &["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin"];

/// Returns at once for root, be it of the host or of a user namespace; for an ordinary user executes this program
/// again inside a user and mount namespace of its own, with the same arguments and environment, sealed.
///
/// Call it first in `main`, before [`seal::enter`], threads, files or output.
///
/// # Errors
/// `Denied` where the host forbids user namespaces to users, `Unsupported` where it has none, else the kernel's.
pub fn enter() -> Result<Standing> {
    if rustix::process::geteuid().is_root() {
        return standing();
    }
    let (uids, gids) = own_maps()?;
    enter_namespace(&uids, &gids)?;
    Err(seal::execute_again())
}

/// As [`enter`], but into the user namespace of a process of the same user's, instead of one of its own: what that process sees
/// can be looked at there. Where the process has gone meanwhile, as [`enter`].
///
/// # Errors
/// As [`enter`].
pub fn join(pid: u32) -> Result<Standing> {
    if rustix::process::geteuid().is_root() {
        return standing();
    }
    let path = format!("/proc/{pid}/ns/user");
    let Ok(namespace) = std::fs::File::open(&path) else {
        return enter();
    };
    // Whoever is outside of a user namespace and has made it is all-powerful in it (user_namespaces(7)).
    match move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User)) {
        Err(_) => return enter(),
        Ok(()) => unshare(CloneFlags::NEWNS).op("make mounts of its own in", &path)?,
    }
    Err(seal::execute_again())
}

/// What this process is on the host, by the map of its user namespace.
///
/// # Errors
/// Where `/proc` cannot be read.
pub fn standing() -> Result<Standing> {
    let path = "/proc/self/uid_map";
    let text = std::fs::read_to_string(path).op("read", path)?;
    let sizes = text
        .lines()
        .filter_map(|l| l.split_whitespace().nth(2)?.parse::<u64>().ok());
    match sizes.sum() {
        ids if ids >= u64::from(u32::MAX) => Ok(Standing::Root),
        ids => Ok(Standing::Inside { ids }),
    }
}

/// The maps of this user: its own id as 0, its subordinate ids from 1 on.
fn own_maps() -> Result<(Vec<IdMapping>, Vec<IdMapping>)> {
    let (uid, gid) = (
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    );
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let name = user_name(&read("/etc/passwd"), uid);
    let of = |path: &str| subordinate(&read(path), uid, name.as_deref());
    let (mut uids, mut gids) = (
        with_own(uid, &of("/etc/subuid")),
        with_own(gid, &of("/etc/subgid")),
    );
    if uids.len() == 1 || gids.len() == 1 || program("newuidmap").is_none() || program("newgidmap").is_none()
    {
        uids.truncate(1);
        gids.truncate(1);
    }
    Ok((uids, gids))
}

/// The name of a user in the text of `/etc/passwd`.
pub(crate) fn user_name(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    let line = passwd.lines().find(|l| l.split(':').nth(2) == Some(&uid))?;
    line.split(':').next().map(str::to_owned)
}

/// Ranges of a user (by name or number) in the text of `/etc/subuid` or `/etc/subgid`: first id and how many.
pub(crate) fn subordinate(text: &str, uid: u32, name: Option<&str>) -> Vec<(u32, u32)> {
    let number = uid.to_string();
    let ranges = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let range = (fields.next()?.parse().ok()?, fields.next()?.trim().parse().ok()?);
        (owner == number || Some(owner) == name).then_some(range)
    });
    ranges.filter(|(_, count)| *count > 0).collect()
}

/// A map that starts with the own id and goes on with ranges, as far as ids inside last.
fn with_own(own: u32, ranges: &[(u32, u32)]) -> Vec<IdMapping> {
    let mut map = vec![IdMapping {
        container_id: 0,
        host_id: own,
        size: 1,
    }];
    let mut next = 1_u32;
    for (first, count) in ranges {
        let Some(after) = next.checked_add(*count) else {
            break;
        };
        map.push(IdMapping {
            container_id: next,
            host_id: *first,
            size: *count,
        });
        next = after;
    }
    map
}

/// Where a program that maps ids is.
pub(crate) fn program(name: &str) -> Option<String> {
    let mut paths = PROGRAMS.iter().map(|folder| format!("{folder}/{name}"));
    paths.find(|path| Path::new(path).exists())
}

/// Enters new user and mount namespaces and has the maps written.
fn enter_namespace(uids: &[IdMapping], gids: &[IdMapping]) -> Result<()> {
    let single = uids.len() == 1;
    // The programs that map must be children of a process outside, so they wait before the namespace is made.
    let mappers = if single {
        Vec::new()
    } else {
        vec![
            Mapper::start("newuidmap", uids)?,
            Mapper::start("newgidmap", gids)?,
        ]
    };
    unshare(CloneFlags::NEWUSER | CloneFlags::NEWNS).map_err(forbidden)?;
    if single {
        let write = |name: &str, text: &str| {
            let path = format!("/proc/self/{name}");
            std::fs::write(&path, text).op("write", &path)
        };
        // An ordinary user may map only itself, and only where groups cannot be dropped (user_namespaces(7)).
        write("setgroups", "deny")?;
        write("uid_map", &map_text(uids))?;
        return write("gid_map", &map_text(gids));
    }
    mappers.into_iter().try_for_each(Mapper::finish)
}

fn forbidden(errno: Errno) -> Error {
    let error = Error::os("make a user namespace for", "this user", errno);
    match errno {
        Errno::PERM | Errno::ACCESS => error.hint(
            "the host forbids it: look at sysctl kernel.unprivileged_userns_clone, \
             kernel.apparmor_restrict_unprivileged_userns and at seccomp filters around this process",
        ),
        Errno::NOSPC | Errno::USERS => error.hint("raise sysctl user.max_user_namespaces"),
        _ => error,
    }
}

/// `newuidmap` or `newgidmap`, forked and waiting for the namespace.
struct Mapper {
    name: &'static str,
    child: Child,
    gate: OwnedFd,
}

impl Mapper {
    fn start(name: &'static str, maps: &[IdMapping]) -> Result<Mapper> {
        let c = |s: String| CString::new(s).map_err(|_| Error::new(Kind::Internal, "use", name));
        let path = program(name).ok_or_else(|| Error::new(Kind::NotFound, "find", name))?;
        let path = c(path)?;
        let mut words = vec![
            name.to_owned(),
            rustix::process::getpid().as_raw_nonzero().to_string(),
        ];
        words.extend(map_text(maps).split_whitespace().map(str::to_owned));
        let words: Result<Vec<CString>> = words.into_iter().map(c).collect();
        let (arguments, environment) = (CStrings::new(words?), CStrings::new(Vec::new()));
        let (theirs, gate) = pipe_with(PipeFlags::CLOEXEC).op("make a pipe to", name)?;
        let keep = [theirs.as_fd()];
        let how = Fork {
            flags: CloneFlags::empty(),
            group: None,
            keep: &keep,
        };
        let child = spawn(&how, || {
            let mut word = [0];
            match rustix::io::read(&theirs, &mut word) {
                Ok(1) => {
                    exec(&path, &arguments, &environment);
                    127
                }
                // The namespace was never made.
                _ => 1,
            }
        });
        let child = child.op("start", name)?;
        Ok(Mapper { name, child, gate })
    }

    fn finish(self) -> Result<()> {
        rustix::io::write(&self.gate, b"g").op("speak to", self.name)?;
        let status = self.child.wait().op("wait for", self.name)?;
        match status.exit_status() {
            Some(0) => Ok(()),
            _ => Err(Error::new(Kind::Denied, "map subordinate ids with", self.name)
                .because("it refused")
                .hint("look at /etc/subuid and /etc/subgid, and whether the program is setuid root")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_a_user_by_name_and_number() {
        let text = "root:100000:65536\nann:200000:65536\n1000:300000:10\nann:bad:1\nann:5:0\n";
        assert_eq!(
            subordinate(text, 1000, Some("ann")),
            [(200_000, 65536), (300_000, 10)]
        );
        assert_eq!(subordinate(text, 7, None), []);
    }

    #[test]
    fn maps_start_with_the_own_id() {
        let map = with_own(1000, &[(200_000, 65536), (300_000, 10)]);
        assert_eq!(map_text(&map), "0 1000 1\n1 200000 65536\n65537 300000 10\n");
        assert_eq!(with_own(1000, &[(1, u32::MAX)]).len(), 1);
    }

    #[test]
    fn names_are_found() {
        assert_eq!(
            user_name("root:x:0:0::/:\nann:x:1000:1000::/:/bin/sh\n", 1000).as_deref(),
            Some("ann")
        );
        assert_eq!(user_name("root:x:0:0::/:\n", 1000), None);
    }
}
