//! The directory of snapshots: open, list, measure, sweep.

use crate::ChainId;
use crate::removal;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result};
use tare_layer::Flavour;

/// The snapshots below one directory. Several processes may have it open at once.
#[derive(Debug)]
pub struct Snapshots {
    pub(crate) path: PathBuf,
    pub(crate) dir: OwnedFd,
    pub(crate) flavour: Flavour,
}

/// What a snapshot takes on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Allocated bytes; a file with several names counts once.
    pub bytes: u64,
    /// Files, directories, links and nodes.
    pub inodes: u64,
}

impl Snapshots {
    /// Opens the snapshots at `path` (`<data>/snapshots`, absolute), making the directory where it is missing.
    ///
    /// # Errors
    /// `Invalid` for a path that is relative (mounts are made from elsewhere) or not UTF-8, else the file system's.
    pub fn open(path: &Path, flavour: Flavour) -> Result<Snapshots> {
        if !path.is_absolute() {
            return Err(
                Error::new(Kind::Invalid, "open snapshots", path.display()).because("path is not absolute")
            );
        }
        if path.to_str().is_none() {
            return Err(Error::new(Kind::Invalid, "open snapshots", path.display())
                .because("path is not UTF-8, which mount options have to be"));
        }
        match rustix::fs::mkdir(path, Mode::from(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(Error::os("create snapshots", path.display(), e)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(CWD, path, flags, Mode::empty()).op("open snapshots", path.display())?;
        Ok(Snapshots {
            path: path.to_owned(),
            dir,
            flavour,
        })
    }

    /// Where the snapshots are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the layer is there, whole.
    ///
    /// # Errors
    /// The file system's.
    pub fn has(&self, chain: &ChainId) -> Result<bool> {
        exists(self.dir.as_fd(), &chain.name()).op("look up layer", chain)
    }

    /// All whole layers, in no order.
    ///
    /// # Errors
    /// The file system's.
    pub fn layers(&self) -> Result<Vec<ChainId>> {
        Ok(self
            .names()?
            .iter()
            .filter_map(|name| ChainId::of_name(name))
            .collect())
    }

    /// The ids of all tops, in no order.
    ///
    /// # Errors
    /// The file system's.
    pub fn tops(&self) -> Result<Vec<String>> {
        let mut names = self.names()?;
        names.retain(|name| !name.starts_with('.') && ChainId::of_name(name).is_none());
        Ok(names)
    }

    /// Whose overlay marks are made here.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// What the layer's files take on disk.
    ///
    /// # Errors
    /// `NotFound`, else the file system's.
    pub fn layer_usage(&self, chain: &ChainId) -> Result<Usage> {
        self.usage_of(&chain.name()).op("measure layer", chain)
    }

    /// What a container has written, on disk.
    ///
    /// # Errors
    /// `NotFound`, else the file system's.
    pub fn usage(&self, id: &str) -> Result<Usage> {
        crate::top::check(id)?;
        self.usage_of(id).op("measure snapshot", id)
    }

    /// Removes a layer; `false` where it is not there. Tops over it must be gone.
    ///
    /// # Errors
    /// `Conflict` where something is mounted inside, else the file system's; call again or sweep to go on.
    pub fn remove_layer(&self, chain: &ChainId) -> Result<bool> {
        removal::remove(self.dir.as_fd(), &chain.name()).op("remove layer", chain)
    }

    /// Removes a top, which must not be mounted; `false` where it is not there.
    ///
    /// # Errors
    /// As [`Snapshots::remove_layer`].
    pub fn remove(&self, id: &str) -> Result<bool> {
        crate::top::check(id)?;
        removal::remove(self.dir.as_fd(), id).op("remove snapshot", id)
    }

    /// Removes what the dead left behind: staging directories, unfinished tops and removals. Returns how many.
    ///
    /// # Errors
    /// The first of the file system's, after trying everything.
    pub fn sweep(&self) -> Result<usize> {
        let (mut swept, mut first) = (0, None);
        for name in self.names()?.iter().filter(|name| removal::is_temporary(name)) {
            match removal::sweep(self.dir.as_fd(), name).op("sweep", self.path.join(name).display()) {
                Ok(true) => swept += 1,
                Ok(false) => {}
                Err(e) => {
                    first = Some(match first {
                        None => e,
                        Some(first) => Error::also(first, e),
                    });
                }
            }
        }
        first.map_or(Ok(swept), Err)
    }

    fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.dir).op("list snapshots", self.path.display())? {
            let entry = entry.op("list snapshots", self.path.display())?;
            if let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn usage_of(&self, name: &str) -> rustix::io::Result<Usage> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let snapshot = rustix::fs::openat(&self.dir, name, flags, Mode::empty())?;
        let fs = rustix::fs::openat(&snapshot, "fs", flags, Mode::empty())?;
        walk(fs)
    }
}

/// Whether `name` is there.
pub(crate) fn exists(dir: BorrowedFd<'_>, name: &str) -> rustix::io::Result<bool> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(e),
    }
}

/// What the files below a folder take on disk.
///
/// # Errors
/// `NotFound`, else the file system's.
pub fn measure(folder: &Path) -> Result<Usage> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(folder, flags, Mode::empty()).op("measure", folder.display())?;
    walk(fd).op("measure", folder.display())
}

/// Walks a tree breadth first by fd; what vanishes meanwhile is not counted.
fn walk(fs: OwnedFd) -> rustix::io::Result<Usage> {
    let (mut usage, mut linked) = (Usage::default(), HashSet::new());
    let mut todo = vec![PathBuf::new()];
    let root = tare_path::Root::from_fd(fs);
    while let Some(path) = todo.pop() {
        let fd = match root.open_no_links(&path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()) {
            Ok(fd) => fd,
            // Deeper than a path can say: rather a little less than no answer.
            Err(Errno::NOENT | Errno::NAMETOOLONG) => continue,
            Err(e) => return Err(e),
        };
        for entry in Dir::read_from(&fd)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c".." || (name == c"." && !path.as_os_str().is_empty()) {
                continue;
            }
            let stat = match rustix::fs::statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => continue,
                Err(e) => return Err(e),
            };
            let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if !directory && stat.st_nlink > 1 && !linked.insert(stat.st_ino) {
                continue;
            }
            usage.inodes += 1;
            usage.bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
            if directory && name != c"." {
                todo.push(
                    path.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(
                        name.to_bytes(),
                    )),
                );
            }
        }
    }
    Ok(usage)
}
