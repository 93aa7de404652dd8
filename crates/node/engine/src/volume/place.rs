//! A volume's folder, held by its descriptor and locked.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Result};
use tare_store::Id;

/// What containers see.
pub(super) const DATA: &str = "_data";
/// That a container has used it.
const FILLED: &str = "filled";
/// `_data` in the making.
const NEW: &str = ".new";
/// What the name of a volume that is being removed begins with.
pub(super) const GONE: &str = ".gone-";

/// A volume's folder, locked against others who make its files.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    folder: OwnedFd,
}

impl Place {
    /// Makes what is missing of the folder, and waits until nobody else has it.
    pub(super) fn hold(volumes: &Path, name: &str) -> Result<Place> {
        let path = volumes.join(name);
        loop {
            for folder in [volumes, &path] {
                match rustix::fs::mkdir(folder, Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(e) => return Err(e).op("make", folder.display()),
                }
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let folder = match rustix::fs::openat(CWD, &path, flags, Mode::empty()) {
                Err(Errno::NOENT) => continue,
                opened => opened.op("open", path.display())?,
            };
            loop {
                match rustix::fs::flock(&folder, FlockOperation::LockExclusive) {
                    Err(Errno::INTR) => {}
                    locked => break locked.op("lock", path.display())?,
                }
            }
            // It may have been removed while we waited, and made anew.
            let held = rustix::fs::fstat(&folder).op("look at", path.display())?;
            match rustix::fs::lstat(&path) {
                Ok(now) if (now.st_dev, now.st_ino) == (held.st_dev, held.st_ino) => {
                    return Ok(Place { path, folder });
                }
                Ok(_) | Err(Errno::NOENT) => {}
                Err(e) => return Err(e).op("look at", path.display()),
            }
        }
    }

    /// Whether a container has used it.
    pub(super) fn is_filled(&self) -> Result<bool> {
        self.has(FILLED)
    }

    /// Whether there is anything for containers to see.
    pub(super) fn has_data(&self) -> Result<bool> {
        self.has(DATA)
    }

    fn has(&self, name: &str) -> Result<bool> {
        match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(e).op("look at", self.path.join(name).display()),
        }
    }

    /// A new empty directory that is to become `_data`; one that a dead maker left goes.
    pub(super) fn begin(&self) -> Result<OwnedFd> {
        let shown = self.path.join(NEW);
        tare_path::remove_tree(self.folder.as_fd(), c".new").op("remove", shown.display())?;
        rustix::fs::mkdirat(&self.folder, NEW, Mode::RWXU).op("make", shown.display())?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let new = rustix::fs::openat(&self.folder, NEW, flags, Mode::empty()).op("open", shown.display())?;
        rustix::fs::fchmod(&new, Mode::from_raw_mode(0o755)).op("set mode of", shown.display())?;
        Ok(new)
    }

    /// Gives the new directory its name, in place of an empty one; where there is something in that, it stays and the new one goes.
    pub(super) fn publish(&self, new: BorrowedFd<'_>) -> Result<()> {
        let shown = self.path.display();
        rustix::fs::syncfs(new).op("flush", &shown)?;
        tare_failpoint::pass("volume-flushed")?;
        match rustix::fs::renameat(&self.folder, NEW, &self.folder, DATA) {
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                tare_path::remove_tree(self.folder.as_fd(), c".new").op("remove", &shown)?;
            }
            renamed => renamed.op("publish", &shown)?,
        }
        rustix::fs::fsync(&self.folder).op("flush", &shown)?;
        tare_failpoint::pass("volume-published")
    }

    /// Says that a container uses it from now on.
    pub(super) fn set_filled(&self) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
        let shown = self.path.display();
        rustix::fs::openat(&self.folder, FILLED, flags, Mode::from_raw_mode(0o600)).op("mark", &shown)?;
        rustix::fs::fsync(&self.folder).op("flush", &shown)
    }
}

/// Takes the name away from a volume's folder, where there is one; where it is now.
pub(super) fn take_away(volumes: &Path, name: &str) -> Result<Option<PathBuf>> {
    let gone = volumes.join(format!("{GONE}{}", Id::random()?.short()));
    match std::fs::rename(volumes.join(name), &gone) {
        Ok(()) => Ok(Some(gone)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::os("remove", volumes.join(name).display(), e)),
    }
}
