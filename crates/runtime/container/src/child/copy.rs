//! Copying a directory into a new tmpfs (`tmpcopyup`). Nothing here allocates; see [`crate::child`].

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat, Timespec, Timestamps};
use rustix::io::{Errno, Result};
use std::ffi::CStr;
use std::mem::MaybeUninit;

/// How deep directories may lie in each other; each level takes a few kilobytes of stack.
const DEEPEST: usize = 128;

/// The longest text of a link, with its end.
const LONGEST_LINK: usize = 4096;

/// How much of a file is asked for at once.
const PIECE: usize = 1 << 20;

/// Copies what is in `from` into the empty `to`, both directories, with owners, modes and times, and gives `to` those of
/// `from`. Links are copied, never followed.
pub(super) fn copy_directory(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    let (from, to) = (open_directory(from, c".")?, open_directory(to, c".")?);
    let found = rustix::fs::fstat(&from)?;
    copy_entries(from.as_fd(), to.as_fd(), DEEPEST)?;
    give(to.as_fd(), &found)
}

fn open_directory(at: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

fn copy_entries(from: BorrowedFd<'_>, to: BorrowedFd<'_>, deeper: usize) -> Result<()> {
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(from, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let found = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => {
                let deeper = deeper.checked_sub(1).ok_or(Errno::LOOP)?;
                rustix::fs::mkdirat(to, name, Mode::RWXU)?;
                let (inner, copy) = (open_directory(from, name)?, open_directory(to, name)?);
                copy_entries(inner.as_fd(), copy.as_fd(), deeper)?;
                give(copy.as_fd(), &found)?;
            }
            FileType::RegularFile => copy_file(from, to, name, &found)?,
            FileType::Symlink => copy_link(from, to, name, &found)?,
            kind => {
                rustix::fs::mknodat(to, name, kind, mode(&found), found.st_rdev)?;
                give_by_name(to, name, &found)?;
            }
        }
    }
    Ok(())
}

fn copy_file(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, found: &Stat) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(from, name, flags, Mode::empty())?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let copy = rustix::fs::openat(to, name, flags, Mode::RUSR | Mode::WUSR)?;
    loop {
        match rustix::fs::sendfile(&copy, &file, None, PIECE) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    give(copy.as_fd(), found)
}

fn copy_link(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, found: &Stat) -> Result<()> {
    let mut text = [MaybeUninit::uninit(); LONGEST_LINK];
    let (text, _) = rustix::fs::readlinkat_raw(from, name, &mut text)?;
    let mut ended = [0; LONGEST_LINK];
    ended
        .get_mut(..text.len())
        .ok_or(Errno::NAMETOOLONG)?
        .copy_from_slice(text);
    let text = CStr::from_bytes_until_nul(&ended).map_err(|_| Errno::NAMETOOLONG)?;
    rustix::fs::symlinkat(text, to, name)?;
    give_by_name(to, name, found)
}

/// Owner, mode and times of what was copied; the owner first, as changing it takes set-id bits away.
fn give(to: BorrowedFd<'_>, found: &Stat) -> Result<()> {
    rustix::fs::fchown(to, Some(uid(found)), Some(gid(found)))?;
    rustix::fs::fchmod(to, mode(found))?;
    rustix::fs::futimens(to, &times(found))
}

/// The same for what cannot be opened; a link has no mode.
fn give_by_name(at: BorrowedFd<'_>, name: &CStr, found: &Stat) -> Result<()> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(at, name, Some(uid(found)), Some(gid(found)), flags)?;
    rustix::fs::utimensat(at, name, &times(found), flags)
}

fn uid(found: &Stat) -> rustix::fs::Uid {
    rustix::fs::Uid::from_raw(found.st_uid)
}

fn gid(found: &Stat) -> rustix::fs::Gid {
    rustix::fs::Gid::from_raw(found.st_gid)
}

/// Its mode bits, set-id and sticky ones among them.
pub(super) fn mode(found: &Stat) -> Mode {
    Mode::from_raw_mode(found.st_mode & 0o7777)
}

fn times(found: &Stat) -> Timestamps {
    let time = |seconds: i64, nanoseconds: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
    };
    Timestamps {
        last_access: time(found.st_atime, found.st_atime_nsec),
        last_modification: time(found.st_mtime, found.st_mtime_nsec),
    }
}
