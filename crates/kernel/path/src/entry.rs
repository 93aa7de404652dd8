//! A held parent directory and one name in it: what creating, removing and changing without following needs.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Result;
use std::ffi::{CStr, CString};

/// One name in a directory that is held open. No operation here follows a link at that name.
#[derive(Debug)]
pub struct Entry {
    parent: OwnedFd,
    name: CString,
}

impl Entry {
    /// The name `name` in the open directory `parent`; the name holds no slash and is not `.` or `..`.
    pub(crate) fn new(parent: OwnedFd, name: CString) -> Entry {
        Entry { parent, name }
    }

    /// The held parent directory.
    pub fn parent(&self) -> BorrowedFd<'_> {
        self.parent.as_fd()
    }

    /// The name in the parent.
    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// The entry's own metadata.
    ///
    /// # Errors
    /// The kernel's, `ENOENT` where nothing is there.
    pub fn stat(&self) -> Result<Stat> {
        rustix::fs::statat(&self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Opens the entry itself; a link is refused (`ELOOP`) unless `flags` has `O_PATH`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(&self, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        rustix::fs::openat(
            &self.parent,
            &self.name,
            flags | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            mode,
        )
    }

    /// Makes a new regular file; anything at the name already is an error (`EEXIST`).
    ///
    /// # Errors
    /// The kernel's.
    pub fn create_file(&self, mode: Mode) -> Result<OwnedFd> {
        self.open(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, mode)
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// The kernel's.
    pub fn make_dir(&self, mode: Mode) -> Result<()> {
        rustix::fs::mkdirat(&self.parent, &self.name, mode)
    }

    /// Removes a file, link or node.
    ///
    /// # Errors
    /// The kernel's, `EISDIR` for a directory.
    pub fn remove_file(&self) -> Result<()> {
        rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::empty())
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove_dir(&self) -> Result<()> {
        rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR)
    }
}
