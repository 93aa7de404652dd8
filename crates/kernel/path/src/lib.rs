//! **What.** Access below a directory that is held open, so that nothing inside can lead outside.
//!
//! **Not.** No string arithmetic on host paths, no canonicalize, no policy on who may open what.
//!
//! **Words.** *Root*: a held directory fd. *Inside path*: a path as seen from within the root; absolute or
//! relative is the same. *Entry*: a held parent directory and one final name.
//!
//! **Life.** [`Root::open_host`] or [`Root::from_fd`] → [`Root::open`] (follows links inside the root) or
//! [`Root::entry`] (parent resolved, final name untouched) → use of the fd. [`remove_tree`] ends a tree.
//!
//! **Rules.** Resolution is one `openat2(2)` (Linux 5.6) with `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS`: `..` and
//! absolute links stop at the root, `/proc/*/fd` links are refused. What was opened is used by fd; a second look-up
//! of the same path does not happen. Nothing here allocates between the caller's buffers and the system call
//! except where a function says so.

mod entry;
mod tree;

pub use entry::Entry;
pub use tree::remove_tree;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// How often a look-up is tried again when a rename elsewhere disturbed it (`openat2` says `EAGAIN`).
const ATTEMPTS: usize = 32;

/// A directory held open, below which paths are resolved as if it were `/`.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
}

impl Root {
    /// Opens a directory of the host as a root; symbolic links on the way to it are the host's own and are followed.
    ///
    /// # Errors
    /// The kernel's, among them `ENOTDIR`.
    pub fn open_host(path: &Path) -> Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Root {
            fd: rustix::fs::openat(CWD, path, flags, Mode::empty())?,
        })
    }

    /// Takes a directory that is open already.
    pub fn from_fd(fd: OwnedFd) -> Root {
        Root { fd }
    }

    /// A second handle on the same directory.
    ///
    /// # Errors
    /// `EMFILE` where the process has no fd left.
    pub fn try_clone(&self) -> Result<Root> {
        Ok(Root {
            fd: rustix::io::fcntl_dupfd_cloexec(&self.fd, 3)?,
        })
    }

    /// Opens `path` inside the root; links are followed and stay inside. `O_CLOEXEC` is always added.
    ///
    /// # Errors
    /// The kernel's; `ELOOP` for a magic link, `EXDEV` never (the root is the boundary).
    pub fn open(&self, path: impl AsRef<Path>, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        resolve(self.fd.as_fd(), path.as_ref(), flags, mode, ResolveFlags::IN_ROOT)
    }

    /// Opens `path` inside the root, refusing every symbolic link on the way, the last one included.
    ///
    /// # Errors
    /// `ELOOP` where a link stands in the way, else the kernel's.
    pub fn open_no_links(&self, path: impl AsRef<Path>, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        resolve(
            self.fd.as_fd(),
            path.as_ref(),
            flags,
            mode,
            ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS,
        )
    }

    /// Resolves the parent of `path` (following links inside) and keeps the last name as it is.
    ///
    /// # Errors
    /// `EINVAL` where the path names the root itself or ends in `..`, else the kernel's.
    pub fn entry(&self, path: impl AsRef<Path>) -> Result<Entry> {
        let (parent, name) = split(path.as_ref())?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        Ok(Entry::new(self.open(parent, flags, Mode::empty())?, name))
    }

    /// As [`Root::entry`], making the directories that are missing on the way with `mode`.
    ///
    /// A dangling link on the way is an error (`EEXIST`), never a reason to make its target.
    ///
    /// # Errors
    /// As [`Root::entry`] and [`Root::make_dirs`].
    pub fn entry_making_parents(&self, path: impl AsRef<Path>, mode: Mode) -> Result<Entry> {
        let (parent, name) = split(path.as_ref())?;
        Ok(Entry::new(self.make_dirs(parent, mode)?, name))
    }

    /// Makes the directory `path` and what is missing above it; existing directories (also through links) stay.
    ///
    /// # Errors
    /// `EEXIST` for a dangling link or a file in the way, else the kernel's.
    pub fn make_dirs(&self, path: impl AsRef<Path>, mode: Mode) -> Result<OwnedFd> {
        let path = path.as_ref();
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match self.open(path, flags, Mode::empty()) {
            Err(Errno::NOENT) => {}
            done => return done,
        }
        let mut at = self.open("/", flags, Mode::empty())?;
        let mut so_far = std::path::PathBuf::from("/");
        for component in path.components() {
            match component {
                Component::Normal(name) => {
                    so_far.push(name);
                    at = match self.open(&so_far, flags, Mode::empty()) {
                        Err(Errno::NOENT) => {
                            match rustix::fs::mkdirat(&at, name, mode) {
                                Ok(()) | Err(Errno::EXIST) => {}
                                Err(e) => return Err(e),
                            }
                            let opened = OFlags::NOFOLLOW | flags;
                            match rustix::fs::openat(&at, name, opened | OFlags::CLOEXEC, Mode::empty()) {
                                Err(Errno::NOTDIR | Errno::LOOP) => return Err(Errno::EXIST),
                                other => other?,
                            }
                        }
                        other => other?,
                    };
                }
                Component::ParentDir => {
                    so_far.push("..");
                    at = self.open(&so_far, flags, Mode::empty())?;
                }
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        Ok(at)
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// One `openat2`, tried again while a rename elsewhere makes the kernel unsure (`EAGAIN`).
fn resolve(
    root: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    mode: Mode,
    how: ResolveFlags,
) -> Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() {
        Path::new("/")
    } else {
        path
    };
    for _ in 0..ATTEMPTS {
        let how = how | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, mode, how) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done,
        }
    }
    Err(Errno::AGAIN)
}

/// Splits a path into its parent and its last name; `..` and the root have no name of their own.
fn split(path: &Path) -> Result<(&Path, CString)> {
    let name: &OsStr = path.file_name().ok_or(Errno::INVAL)?;
    let name = CString::new(name.as_bytes()).map_err(|_| Errno::INVAL)?;
    let parent = path.parent().unwrap_or(Path::new("/"));
    Ok((parent, name))
}

#[cfg(test)]
mod tests;
