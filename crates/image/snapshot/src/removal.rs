//! Removal that may stop anywhere: out of sight by one rename, then bit by bit.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, Result};
use std::ffi::CString;

/// Whether a name belongs to something unfinished.
pub(crate) fn is_temporary(name: &str) -> bool {
    [".stage-", ".new-", ".trash-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Removes the snapshot `name`; `false` where it is not there.
pub(crate) fn remove(dir: BorrowedFd<'_>, name: &str) -> Result<bool> {
    let held = match open(dir, name) {
        Ok(held) => held,
        Err(Errno::NOENT) => return Ok(false),
        Err(e) => return Err(e),
    };
    // Held by who has just made it, for an instant, or by who removes it too: of two that remove, one does.
    lock(&held)?;
    if !still_there(dir, name, held.as_fd())? {
        return Ok(false);
    }
    remove_held(dir, name).map(|()| true)
}

/// Waits for the lock of an open directory; a signal handler does not end the wait.
pub(crate) fn lock(held: &OwnedFd) -> Result<()> {
    loop {
        match rustix::fs::flock(held, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// Removes a directory whose lock the caller holds.
pub(crate) fn remove_held(dir: BorrowedFd<'_>, name: &str) -> Result<()> {
    let trash = random_name(".trash-")?;
    match rustix::fs::renameat_with(dir, name, dir, &trash, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(()),
        Err(e) => return Err(e),
    }
    empty(dir, &trash)
}

/// Removes something temporary unless a living process holds it; whether it did.
pub(crate) fn sweep(dir: BorrowedFd<'_>, name: &str) -> Result<bool> {
    let held = match open(dir, name) {
        Ok(held) => held,
        Err(Errno::NOENT) => return Ok(false),
        Err(e) => return Err(e),
    };
    match rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) if !still_there(dir, name, held.as_fd())? => Ok(false),
        Ok(()) if name.starts_with(".trash-") => empty(dir, name).map(|()| true),
        Ok(()) => remove_held(dir, name).map(|()| true),
        Err(Errno::AGAIN) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Whether `name` still stands for the open directory `held`.
pub(crate) fn still_there(dir: BorrowedFd<'_>, name: &str, held: BorrowedFd<'_>) -> Result<bool> {
    let open = rustix::fs::fstat(held)?;
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) => Ok((there.st_dev, there.st_ino) == (open.st_dev, open.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Opens a snapshot's own directory.
pub(crate) fn open(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// `prefix` and 16 random hexadecimal digits.
pub(crate) fn random_name(prefix: &str) -> Result<String> {
    let mut random = [0_u8; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    Ok(format!("{prefix}{:016x}", u64::from_ne_bytes(random)))
}

fn empty(dir: BorrowedFd<'_>, name: &str) -> Result<()> {
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    tare_path::remove_tree(dir, &name)
}
