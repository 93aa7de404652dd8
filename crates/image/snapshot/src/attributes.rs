//! Owner, mode, extended attributes and times, from one entry to another.

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::{Errno, Result};
use std::ffi::{CStr, CString};
use tare_layer::Flavour;

/// A name in an open directory, itself and not where a link leads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a>(pub(crate) BorrowedFd<'a>, pub(crate) &'a CStr);

impl At<'_> {
    pub(crate) fn stat(self) -> Result<Stat> {
        rustix::fs::statat(self.0, self.1, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// The path of the name, for calls that have no form by directory fd on the kernels we support.
    fn via_proc(self) -> CString {
        let mut path = format!("/proc/self/fd/{}/", self.0.as_raw_fd()).into_bytes();
        path.extend_from_slice(self.1.to_bytes());
        // Neither part holds a NUL: the name came out of a CStr.
        CString::new(path).unwrap_or_default()
    }
}

/// Gives `to` everything of `from` but its data; owner first, because that clears setuid and capabilities.
pub(crate) fn copy(from: At<'_>, to: At<'_>, flavour: Flavour) -> Result<()> {
    let stat = from.stat()?;
    let (uid, gid) = (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    rustix::fs::chownat(to.0, to.1, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        rustix::fs::chmodat(to.0, to.1, Mode::from_raw_mode(stat.st_mode), AtFlags::empty())?;
    }
    copy_xattrs(from, to, flavour)?;
    set_times(to, &stat)
}

/// Sets the times that `stat` holds.
pub(crate) fn set_times(to: At<'_>, stat: &Stat) -> Result<()> {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: stat.st_atime,
            tv_nsec: stat.st_atime_nsec.cast_signed(),
        },
        last_modification: Timespec {
            tv_sec: stat.st_mtime,
            tv_nsec: stat.st_mtime_nsec.cast_signed(),
        },
    };
    rustix::fs::utimensat(to.0, to.1, &times, AtFlags::SYMLINK_NOFOLLOW)
}

/// Runs `change` on a directory's contents and puts its times back.
pub(crate) fn keeping_times<T>(dir: BorrowedFd<'_>, change: impl FnOnce() -> Result<T>) -> Result<T> {
    let stat = At(dir, c".").stat()?;
    let done = change()?;
    set_times(At(dir, c"."), &stat)?;
    Ok(done)
}

fn copy_xattrs(from: At<'_>, to: At<'_>, flavour: Flavour) -> Result<()> {
    let (from, to) = (from.via_proc(), to.via_proc());
    let mut names = vec![0_u8; 1 << 16];
    let length = match rustix::fs::llistxattr(&*from, &mut names) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(e) => return Err(e),
    };
    let mut value = Vec::new();
    for name in names[..length]
        .split(|&b| b == 0)
        .filter(|name| flavour.takes(name) && !name.is_empty())
    {
        value.resize(1 << 16, 0);
        let length = rustix::fs::lgetxattr(&*from, name, &mut value)?;
        match rustix::fs::lsetxattr(&*to, name, &value[..length], XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
