//! Look-ups in several layers as overlayfs would answer them, without a mount.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::{Errno, Result};
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use tare_layer::Flavour;
use tare_path::Root;

/// How many links one look-up may pass through, as in the kernel.
const LINKS: usize = 40;

/// Layers on each other, the top one first.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) layers: Vec<&'a Root>,
    pub(crate) flavour: Flavour,
}

/// Something found in one of the layers: a name in an open directory.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) layer: usize,
    pub(crate) dir: OwnedFd,
    pub(crate) name: CString,
    pub(crate) stat: Stat,
}

/// What one layer says about a path.
enum Walk {
    /// There, perhaps in a directory that hides lower layers.
    Found(Found, bool),
    /// Not there, perhaps in a directory that hides lower layers.
    Missing(bool),
    /// Deleted, or below something that is no directory.
    Blocked,
}

impl View<'_> {
    /// The topmost entry at `path`, in which no link is followed; hits in the first `skip` layers count only as far
    /// as they hide what is below them.
    pub(crate) fn look_up(&self, path: &Path, skip: usize) -> Result<Option<Found>> {
        for (layer, root) in self.layers.iter().enumerate() {
            let hides = match self.walk(root, layer, path)? {
                Walk::Blocked => return Ok(None),
                Walk::Found(found, _) if is_whiteout(&found.stat) => return Ok(None),
                Walk::Found(found, _) if layer >= skip => return Ok(Some(found)),
                Walk::Found(_, hides) | Walk::Missing(hides) => hides,
            };
            if hides {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// The path without links that `path` leads to; names that are nowhere stay as they are. The last name is
    /// followed too where `last` says so.
    pub(crate) fn resolve(&self, path: &Path, skip: usize, last: bool) -> Result<PathBuf> {
        let mut todo: Vec<CString> = names(path).rev().collect();
        let (mut at, mut links) = (PathBuf::new(), 0);
        while let Some(name) = todo.pop() {
            match name.as_bytes() {
                b"" | b"." => continue,
                b".." => {
                    at.pop();
                    continue;
                }
                bytes => at.push(OsStr::from_bytes(bytes)),
            }
            if todo.is_empty() && !last {
                break;
            }
            let Some(found) = self.look_up(&at, skip)? else {
                continue;
            };
            if FileType::from_raw_mode(found.stat.st_mode) != FileType::Symlink {
                continue;
            }
            links += 1;
            if links > LINKS {
                return Err(Errno::LOOP);
            }
            let target = rustix::fs::readlinkat(&found.dir, &found.name, Vec::new())?;
            at.pop();
            if target.as_bytes().starts_with(b"/") {
                at = PathBuf::new();
            }
            let target = target.as_bytes().split(|&b| b == b'/').rev();
            todo.extend(target.filter_map(|name| CString::new(name).ok()));
        }
        Ok(at)
    }

    fn walk(&self, root: &Root, layer: usize, path: &Path) -> Result<Walk> {
        let mut dir = open_dir(root.as_fd(), c".")?;
        let mut todo: Vec<CString> = names(path).collect();
        let name = todo.pop().unwrap_or_else(|| c".".to_owned());
        let mut hides = name.as_c_str() != c"." && is_opaque(dir.as_fd(), self.flavour)?;
        for part in &todo {
            match rustix::fs::statat(&dir, part, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {}
                Ok(_) => return Ok(Walk::Blocked),
                Err(Errno::NOENT) => return Ok(Walk::Missing(hides)),
                Err(e) => return Err(e),
            }
            dir = open_dir(dir.as_fd(), part)?;
            hides |= is_opaque(dir.as_fd(), self.flavour)?;
        }
        match rustix::fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Walk::Found(
                Found {
                    layer,
                    dir,
                    name,
                    stat,
                },
                hides,
            )),
            Err(Errno::NOENT) => Ok(Walk::Missing(hides)),
            Err(e) => Err(e),
        }
    }
}

/// Whether the directory hides what lower layers have in it.
pub(crate) fn is_opaque(dir: BorrowedFd<'_>, flavour: Flavour) -> Result<bool> {
    let mut value = [0_u8; 1];
    match rustix::fs::fgetxattr(dir, flavour.opaque(), &mut value) {
        Ok(n) => Ok(n == 1 && value == *b"y"),
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(false),
        Err(e) => Err(e),
    }
}

/// The form in which overlayfs keeps a deletion.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Opens a directory for reading, itself and not where a link leads.
pub(crate) fn open_dir(dir: BorrowedFd<'_>, name: &std::ffi::CStr) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// The names of a path, `.` and slashes left out.
pub(crate) fn names(path: &Path) -> impl DoubleEndedIterator<Item = CString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => CString::new(name.as_bytes()).ok(),
        Component::ParentDir => Some(c"..".to_owned()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}
