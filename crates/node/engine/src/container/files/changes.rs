//! `diff` and `export`: what a container has written, and all of its files, from what is on disk.

use crate::Engine;
use crate::container::look::ImageView;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::{CString, OsStr};
use std::fmt;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result, While};
use tare_layer::{Packed, Packer, Packing};
use tare_path::Root;

/// How many directories may lie in each other.
const DEEPEST: usize = 512;

/// One difference between a container and its image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Inside.
    pub path: PathBuf,
    /// What became of it.
    pub kind: ChangeKind,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It was there, and is another now.
    Changed,
    /// It is gone.
    Deleted,
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChangeKind::Added => "A",
            ChangeKind::Changed => "C",
            ChangeKind::Deleted => "D",
        })
    }
}

impl Engine {
    /// What a container has written, by path.
    ///
    /// # Errors
    /// `NotFound` where there is no such container; `Exhausted` for directories that lie too deep; the file system's.
    pub fn changes_of(&self, typed: &str) -> Result<Vec<Change>> {
        let id = self.find_container(typed)?.id;
        let layers = self.snapshots().chain_of(&id)?;
        let below = match layers.is_empty() {
            true => None,
            false => Some(ImageView::open(&self.snapshots().view(&layers)?)?.into_root()),
        };
        let compare = Compare {
            below,
            opaque: self.snapshots().flavour().opaque(),
            ours: self.made_by_us(&id)?,
            most: self.config().layers.entries,
        };
        compare
            .run(&self.snapshots().top(&id)?)
            .during("compare container", typed)
    }

    /// Writes an archive of all of a container's files; volumes and what else is mounted are not among them.
    ///
    /// # Errors
    /// `NotFound` where there is no such container; `Exhausted` for a limit; the file system's and the writer's.
    pub fn export_container(&self, typed: &str, to: &mut dyn Write) -> Result<Packed> {
        let id = self.find_container(typed)?.id;
        let root = ImageView::open(&self.snapshots().whole(&id)?)?.into_root();
        let packing = Packing::whole(self.config().layers.clone(), self.snapshots().flavour());
        let mut packer = Packer::new(to, packing);
        packer.add(root.as_fd(), b"").during("export container", typed)?;
        packer.finish()
    }

    /// What we make in every container's top for the mounts that every one has: names as in an archive.
    pub(super) fn made_by_us(&self, id: &str) -> Result<BTreeSet<Vec<u8>>> {
        let own = self.container_folder(id);
        let spec = self.spec_of(id)?;
        let ours = spec.mounts.iter().filter(|mount| {
            let of_kernel = ["/proc", "/dev", "/sys"].map(Path::new);
            of_kernel.contains(&mount.destination.as_path())
                || mount
                    .source
                    .as_deref()
                    .is_some_and(|source| source.starts_with(&own))
        });
        let names = ours.map(|mount| mount.destination.as_os_str().as_bytes());
        Ok(names
            .map(|name| name.strip_prefix(b"/").unwrap_or(name).to_vec())
            .collect())
    }
}

/// A top held against what lies below it.
struct Compare {
    below: Option<Root>,
    /// The attribute of a directory that hides what is below it.
    opaque: &'static str,
    ours: BTreeSet<Vec<u8>>,
    most: u64,
}

/// A directory of the top on the way down.
struct Level {
    dir: OwnedFd,
    path: PathBuf,
    names: Vec<CString>,
    /// It is a directory below too, and nothing else about it has changed: shown where something in it is.
    pending: bool,
}

impl Compare {
    fn run(&self, top: &Root) -> Result<Vec<Change>> {
        let fd = top.open("/", OFlags::PATH, Mode::empty()).op("open", "/")?;
        let mut levels = vec![self.level(&fd, PathBuf::from("/"), false)?];
        let mut changes: Vec<Change> = Vec::new();
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.names.pop() else {
                levels.pop();
                continue;
            };
            let path = level.path.join(OsStr::from_bytes(name.to_bytes()));
            if self.is_ours(&path) {
                continue;
            }
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = match rustix::fs::openat(&level.dir, &name, flags, Mode::empty()) {
                Err(Errno::NOENT) => continue,
                opened => opened.op("open", path.display())?,
            };
            let below = self.one(&fd, &path, &mut levels, &mut changes)?;
            levels.extend(below);
            if changes.len() as u64 > self.most || levels.len() > DEEPEST {
                return Err(too_much(&path));
            }
        }
        changes.sort();
        Ok(changes)
    }

    fn is_ours(&self, path: &Path) -> bool {
        let name = path.as_os_str().as_bytes().get(1..).unwrap_or_default();
        self.ours.contains(name)
    }

    /// Compares one entry of the top; a directory is given back to be walked.
    fn one(
        &self,
        fd: &OwnedFd,
        path: &Path,
        levels: &mut [Level],
        changes: &mut Vec<Change>,
    ) -> Result<Option<Level>> {
        let about = rustix::fs::fstat(fd).op("look at", path.display())?;
        let before = self.before(path)?;
        let alike = before.is_some_and(|before| same(&about, &before));
        if let Some(kind) = kind(&about, before.as_ref()).filter(|_| !alike) {
            show(changes, levels, path.to_owned(), kind);
        }
        if !is_directory(&about) {
            return Ok(None);
        }
        let level = self.level(fd, path.to_owned(), alike)?;
        let hidden = self.hidden(&level)?;
        let mut level = level;
        if !hidden.is_empty() {
            show_all(changes, levels, std::slice::from_mut(&mut level));
        }
        for path in hidden {
            changes.push(Change {
                path,
                kind: ChangeKind::Deleted,
            });
        }
        Ok(Some(level))
    }

    fn level(&self, fd: &OwnedFd, path: PathBuf, pending: bool) -> Result<Level> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(fd, c".", flags, Mode::empty()).op("open", path.display())?;
        Ok(Level {
            names: list(&dir, self.most).op("list", path.display())?,
            dir,
            path,
            pending,
        })
    }

    /// What stood there before.
    fn before(&self, path: &Path) -> Result<Option<Stat>> {
        let Some(below) = &self.below else {
            return Ok(None);
        };
        match below.entry(path).and_then(|entry| entry.stat()) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(e) => Err(e).op("look below at", path.display()),
        }
    }

    /// What a directory hides that was made anew in the place of one of the same name.
    fn hidden(&self, level: &Level) -> Result<Vec<PathBuf>> {
        let (Some(below), path) = (&self.below, &level.path) else {
            return Ok(Vec::new());
        };
        let mut value = [0; 2];
        match rustix::fs::fgetxattr(&level.dir, self.opaque, &mut value[..]) {
            Ok(1) if value[0] == b'y' => {}
            _ => return Ok(Vec::new()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let was = match below.open_no_links(path, flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Vec::new()),
            opened => opened.op("look below at", path.display())?,
        };
        let now: BTreeSet<&CString> = level.names.iter().collect();
        let gone = list(&was, self.most).op("list", path.display())?;
        let gone = gone.into_iter().filter(|name| !now.contains(name));
        Ok(gone
            .map(|name| path.join(OsStr::from_bytes(name.to_bytes())))
            .collect())
    }
}

fn kind(about: &Stat, before: Option<&Stat>) -> Option<ChangeKind> {
    let whiteout = FileType::from_raw_mode(about.st_mode) == FileType::CharacterDevice && about.st_rdev == 0;
    match (whiteout, before) {
        (true, None) => None,
        (true, Some(_)) => Some(ChangeKind::Deleted),
        (false, None) => Some(ChangeKind::Added),
        (false, Some(_)) => Some(ChangeKind::Changed),
    }
}

/// Adds a change, and the directories above it that have not been shown.
fn show(changes: &mut Vec<Change>, levels: &mut [Level], path: PathBuf, kind: ChangeKind) {
    show_all(changes, levels, &mut []);
    changes.push(Change { path, kind });
}

/// Adds the directories that wait to be shown.
fn show_all(changes: &mut Vec<Change>, levels: &mut [Level], more: &mut [Level]) {
    for level in levels.iter_mut().chain(more).filter(|level| level.pending) {
        level.pending = false;
        changes.push(Change {
            path: level.path.clone(),
            kind: ChangeKind::Changed,
        });
    }
}

fn is_directory(about: &Stat) -> bool {
    FileType::from_raw_mode(about.st_mode) == FileType::Directory
}

/// Whether two are one directory about which nothing has changed but what is in it.
fn same(now: &Stat, before: &Stat) -> bool {
    is_directory(now)
        && is_directory(before)
        && (now.st_mode, now.st_uid, now.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
}

fn list(dir: &OwnedFd, most: u64) -> rustix::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir.as_fd())? {
        let name = entry?.file_name().to_owned();
        if name.as_c_str() != c"." && name.as_c_str() != c".." {
            names.push(name);
        }
        if names.len() as u64 > most {
            return Err(Errno::OVERFLOW);
        }
    }
    Ok(names)
}

fn too_much(path: &Path) -> Error {
    Error::new(Kind::Exhausted, "compare", path.display()).because("there is too much in it, or too deep")
}
