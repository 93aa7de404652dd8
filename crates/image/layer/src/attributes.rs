//! Owner, mode, extended attributes and times of what was just made, in the order the kernel needs:
//! a change of owner clears setuid and capabilities, so these come after it; times come last.

use crate::Flavour;
use crate::entry::Attributes;
use crate::flavour::DEFAULT_ACL;
use crate::name::shown;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use tare_error::{Context, Error, Kind, Result};

/// What new files get without being asked, so that asking can be left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Birth {
    /// The process's own ids.
    pub(crate) fn of_process() -> Birth {
        Birth {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        }
    }

    /// Whether a file made in a directory of group `parent` has the wanted owner already.
    fn suits(self, wanted: &Attributes, parent: Option<u32>) -> bool {
        wanted.uid == self.uid && wanted.gid == self.gid && parent == Some(self.gid)
    }
}

/// What was made: an open file or directory, or a name in an open directory (a link, a node).
#[derive(Clone, Copy)]
pub(crate) enum Made<'a> {
    Open(BorrowedFd<'a>),
    Named(BorrowedFd<'a>, &'a CStr),
}

/// Sets owner, mode (not of a symbolic link) and attributes; returns how many attributes were dropped.
pub(crate) fn set(
    made: Made<'_>,
    path: &[u8],
    wanted: &Attributes,
    birth: Option<(Birth, Option<u32>)>,
    flavour: Flavour,
    mode: bool,
) -> Result<u64> {
    if !birth.is_some_and(|(birth, parent)| birth.suits(wanted, parent)) {
        let (uid, gid) = (Some(Uid::from_raw(wanted.uid)), Some(Gid::from_raw(wanted.gid)));
        let done = match made {
            Made::Open(fd) => rustix::fs::fchown(fd, uid, gid),
            Made::Named(dir, name) => rustix::fs::chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW),
        };
        done.map_err(|e| owner_error(path, wanted, e))?;
    }
    if mode {
        let mode = Mode::from(wanted.mode);
        let done = match made {
            Made::Open(fd) => rustix::fs::fchmod(fd, mode),
            Made::Named(dir, name) => held(dir, name).and_then(|fd| rustix::fs::chmod(&*via_proc(&fd), mode)),
        };
        done.op("set mode of", shown(path))?;
    }
    let mut dropped = 0;
    for (name, value) in &wanted.xattrs {
        if !flavour.takes(name) {
            dropped += 1;
        } else if name != DEFAULT_ACL {
            dropped += set_xattr(made, path, name, value)?;
        }
    }
    Ok(dropped)
}

/// Sets one attribute; 1 where the file system or the kind of file cannot have it.
fn set_xattr(made: Made<'_>, path: &[u8], name: &[u8], value: &[u8]) -> Result<u64> {
    let done = match made {
        Made::Open(fd) => rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty()),
        Made::Named(dir, at) => held(dir, at)
            .and_then(|fd| rustix::fs::setxattr(&*via_proc(&fd), name, value, XattrFlags::empty())),
    };
    match done {
        Ok(()) => Ok(0),
        // EPERM: `user.*` on a link or node (xattr(7)), or a namespace this process may not write.
        Err(Errno::OPNOTSUPP | Errno::PERM) => Ok(1),
        Err(e) => Err(Error::os(format!("set {} of", shown(name)), shown(path), e)),
    }
}

/// Sets a directory's default ACL, once nothing more is made in it.
pub(crate) fn set_default_acl(fd: BorrowedFd<'_>, path: &[u8], value: &[u8]) -> Result<u64> {
    set_xattr(Made::Open(fd), path, DEFAULT_ACL, value)
}

/// Sets the times of what was made; a link's own, never its target's.
pub(crate) fn set_times(made: Made<'_>, path: &[u8], atime: (i64, u32), mtime: (i64, u32)) -> Result<()> {
    let times = Timestamps {
        last_access: timespec(atime),
        last_modification: timespec(mtime),
    };
    let done = match made {
        Made::Open(fd) => rustix::fs::futimens(fd, &times),
        Made::Named(dir, name) => rustix::fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW),
    };
    done.op("set times of", shown(path))
}

fn timespec((seconds, nanos): (i64, u32)) -> Timespec {
    Timespec {
        tv_sec: seconds,
        tv_nsec: nanos.into(),
    }
}

/// What stands at a name itself, held: where a container runs in the directory, it may put a link there meanwhile, and
/// that is then changed itself or refused, never where it leads.
fn held(dir: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// The path of what is held, for calls that take no such descriptor on the kernels we support (`fchmodat2` is of Linux
/// 6.6, `setxattrat` of 6.13).
fn via_proc(fd: &OwnedFd) -> CString {
    CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap_or_default()
}

fn owner_error(path: &[u8], wanted: &Attributes, e: Errno) -> Error {
    let error = Error::os("set owner of", shown(path), e);
    if e != Errno::INVAL {
        return error;
    }
    // chown(2): EINVAL is an id that the user namespace does not map.
    Error::new(Kind::Unsupported, "set owner of", shown(path))
        .because(format!(
            "uid {} or gid {} is not mapped in this user namespace",
            wanted.uid, wanted.gid
        ))
        .from_source(e)
        .hint("give the user a range of 65536 ids in /etc/subuid and /etc/subgid")
}
