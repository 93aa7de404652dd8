//! The directories an archive is being unpacked into, held open from the root down, so that files beside each other
//! cost no look-up; and the making of directories that entries imply.

use crate::Flavour;
use crate::name::{hostile, shown, split};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tare_error::{Context, Result};
use tare_path::Root;

/// How many directories are held at once.
const HELD: usize = 24;
/// How many links one look-up may pass through, as in the kernel.
const LINKS: usize = 40;
/// Flags of a directory that only serves for look-ups below it.
const PLACE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

/// One directory held open.
#[derive(Debug)]
pub(crate) struct Level {
    path: Vec<u8>,
    pub(crate) fd: OwnedFd,
    /// The group that a setgid directory, or a file system mounted `grpid`, gives to what is made in it.
    pub(crate) gid: u32,
}

/// The held directories; the root is always the first.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    root: &'a Root,
    flavour: Flavour,
    levels: Vec<Level>,
    /// A directory or link was removed, so paths may lead elsewhere now.
    stale: bool,
    /// Directories that were made because an entry implied them: inode and path from the root.
    pub(crate) made: Vec<(u64, Vec<u8>)>,
}

impl<'a> Held<'a> {
    pub(crate) fn new(root: &'a Root, flavour: Flavour) -> Result<Held<'a>> {
        let fd = root
            .open("/", PLACE, Mode::empty())
            .op("open", "the layer's root")?;
        let level = Level::new(Vec::new(), fd)?;
        Ok(Held {
            root,
            flavour,
            levels: vec![level],
            stale: false,
            made: Vec::new(),
        })
    }

    /// The directory that was entered last.
    pub(crate) fn top(&self) -> BorrowedFd<'_> {
        // The root is never removed.
        self.levels
            .last()
            .map_or(self.root.as_fd(), |level| level.fd.as_fd())
    }

    /// The group that files made in the top directory may inherit.
    pub(crate) fn gid(&self) -> Option<u32> {
        self.levels.last().map(|level| level.gid)
    }

    /// Makes `path` the top directory, making what is missing on the way.
    ///
    /// Links on the way are followed inside the root, dangling ones too: their targets may come from lower layers.
    pub(crate) fn enter(&mut self, path: &[u8]) -> Result<()> {
        if std::mem::take(&mut self.stale) {
            self.levels.truncate(1);
        }
        while let [_, .., top] = &self.levels[..]
            && !within(path, &top.path)
        {
            self.levels.pop();
        }
        if self.levels.last().is_some_and(|top| top.path == path) {
            return Ok(());
        }
        let fd = match self.root.open(as_path(path), PLACE, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => self.make(path)?,
            Err(Errno::LOOP) => return Err(hostile(path, "links on the way lead in a circle")),
            Err(e) => return Err(tare_error::Error::os("open", shown(path), e)),
        };
        self.push(Level::new(path.to_vec(), fd)?);
        Ok(())
    }

    /// Makes an open directory the top one; `path` is below the present top.
    pub(crate) fn push(&mut self, level: Level) {
        if self.levels.len() >= HELD {
            self.levels.remove(1);
        }
        self.levels.push(level);
    }

    /// The directory `path` for one look-up, without entering it; `None` where it is not there.
    pub(crate) fn peek(&self, path: &[u8]) -> rustix::io::Result<Option<Peek<'_>>> {
        if let Some(level) = self.levels.iter().find(|level| level.path == path) {
            return Ok(Some(Peek::Held(level.fd.as_fd())));
        }
        match self.root.open(as_path(path), PLACE, Mode::empty()) {
            Ok(fd) => Ok(Some(Peek::Opened(fd))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Forgets all but the root when the next directory is entered; the top one serves until then.
    pub(crate) fn forget(&mut self) {
        self.stale = true;
    }

    /// Walks `path` name by name, following links by hand, and makes what is missing.
    fn make(&mut self, path: &[u8]) -> Result<OwnedFd> {
        let mut todo: Vec<Vec<u8>> = path.split(|&b| b == b'/').rev().map(<[u8]>::to_vec).collect();
        let (mut at, mut links) = (Vec::new(), 0);
        while let Some(part) = todo.pop() {
            match &part[..] {
                b"" | b"." => continue,
                b".." => {
                    at = split(&at).0.to_vec();
                    continue;
                }
                _ => {}
            }
            let dir = self.directory(&at)?;
            let name = CString::new(part.clone()).map_err(|_| hostile(path, "name holds a NUL byte"))?;
            let kind = match rustix::fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if is_whiteout(&stat) => None,
                Ok(stat) => Some(FileType::from_raw_mode(stat.st_mode)),
                Err(Errno::NOENT) => {
                    at = joined(&at, &part);
                    self.implied(dir.as_fd(), &name, &at)?;
                    continue;
                }
                Err(e) => return Err(tare_error::Error::os("look at", shown(&joined(&at, &part)), e)),
            };
            match kind {
                Some(FileType::Directory) => at = joined(&at, &part),
                Some(FileType::Symlink) => {
                    links += 1;
                    if links > LINKS {
                        return Err(hostile(path, "links on the way lead in a circle"));
                    }
                    let target =
                        rustix::fs::readlinkat(&dir, &name, Vec::new()).op("read link", shown(path))?;
                    if target.as_bytes().starts_with(b"/") {
                        at.clear();
                    }
                    todo.extend(target.as_bytes().split(|&b| b == b'/').rev().map(<[u8]>::to_vec));
                }
                Some(_) => return Err(hostile(path, "a file stands where a directory is needed")),
                None => {
                    // Deleted below by this same layer and filled again: a new directory that hides the old one.
                    at = joined(&at, &part);
                    rustix::fs::unlinkat(&dir, &name, AtFlags::empty()).op("remove whiteout", shown(&at))?;
                    make_dir(dir.as_fd(), &name, &at)?;
                    let fd = self.directory(&at)?;
                    self.flavour
                        .set_opaque(fd.as_fd())
                        .op("mark as opaque", shown(&at))?;
                }
            }
        }
        self.directory(&at)
    }

    /// A directory by its real path.
    fn directory(&self, path: &[u8]) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        self.root
            .open_no_links(as_path(path), flags, Mode::empty())
            .op("open", shown(path))
    }

    fn implied(&mut self, dir: BorrowedFd<'_>, name: &CString, path: &[u8]) -> Result<()> {
        let stat = make_dir(dir, name, path)?;
        self.made.push((stat.st_ino, path.to_vec()));
        Ok(())
    }
}

/// A directory that is held anyway, or was opened for the occasion.
pub(crate) enum Peek<'a> {
    Held(BorrowedFd<'a>),
    Opened(OwnedFd),
}

impl AsFd for Peek<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Peek::Held(fd) => *fd,
            Peek::Opened(fd) => fd.as_fd(),
        }
    }
}

impl Level {
    pub(crate) fn new(path: Vec<u8>, fd: OwnedFd) -> Result<Level> {
        let gid = rustix::fs::fstat(&fd).op("look at", shown(&path))?.st_gid;
        Ok(Level { path, fd, gid })
    }

    /// A level whose group the caller has just set.
    pub(crate) fn with_gid(path: Vec<u8>, fd: OwnedFd, gid: u32) -> Level {
        Level { path, fd, gid }
    }
}

/// A directory with the mode that implied directories have, whatever the process's umask is.
fn make_dir(dir: BorrowedFd<'_>, name: &CString, path: &[u8]) -> Result<Stat> {
    rustix::fs::mkdirat(dir, name, Mode::from(0o700)).op("create directory", shown(path))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, name, flags, Mode::empty()).op("open", shown(path))?;
    rustix::fs::fchmod(&fd, Mode::from(0o755)).op("set mode of", shown(path))?;
    rustix::fs::fstat(&fd).op("look at", shown(path))
}

/// The form in which overlayfs keeps a whiteout. No other such device gets into a layer.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// `path` from the root, as the resolver takes it.
pub(crate) fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

fn joined(dir: &[u8], name: &[u8]) -> Vec<u8> {
    match dir {
        b"" => name.to_vec(),
        _ => [dir, b"/", name].concat(),
    }
}

/// Whether `path` is `dir` or below it.
fn within(path: &[u8], dir: &[u8]) -> bool {
    dir.is_empty()
        || path
            .strip_prefix(dir)
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn prefixes_end_at_a_name() {
        for (path, dir, expected) in [
            ("a/b", "a", true),
            ("a", "a", true),
            ("ab", "a", false),
            ("a", "a/b", false),
            ("a", "", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(
                within(path.as_bytes(), dir.as_bytes()),
                expected,
                "{path} in {dir}"
            );
        }
    }
}
