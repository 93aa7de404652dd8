//! Removal of a tree by fd: no link is followed, no mount is crossed, no depth exhausts the fds.

use crate::file::open_folder;
use crate::id::{hex, random_bytes};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tare_error::{Error, Kind, Result};

/// Folders held open at once; what lies deeper is first moved up to the top.
const DEPTH: usize = 32;

/// Removes the file or folder at `path` with all below it; nothing there is success.
///
/// # Errors
/// `Conflict` where something is mounted below it (what was removed until then stays removed), else the kernel's.
pub fn remove_tree(path: &Path) -> Result<()> {
    let invalid = || Error::new(Kind::Invalid, "remove", path.display()).because("not a path with a name");
    let name = path.file_name().ok_or_else(invalid)?;
    let name = CString::new(name.as_bytes()).map_err(|_| invalid())?;
    let parent = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = match rustix::fs::openat(rustix::fs::CWD, parent, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened.map_err(|e| failed(path, e))?,
    };
    match rustix::fs::unlinkat(&parent, &name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // EISDIR on Linux; EPERM is what POSIX says for a folder.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(e) => return Err(failed(path, e)),
    }
    match descend(parent.as_fd(), &name) {
        // Somebody else removes it too.
        Err(Errno::NOENT) => return Ok(()),
        opened => empty(opened.map_err(|e| failed(path, e))?, &[]).map_err(|e| failed(path, e))?,
    }
    match rustix::fs::unlinkat(&parent, &name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(failed(path, e)),
    }
}

/// Removes everything in the folder at `path`, but keeps it and its direct entries named in `keep`.
///
/// # Errors
/// As [`remove_tree`].
pub fn remove_contents(path: &Path, keep: &[&str]) -> Result<()> {
    let opened = open_folder(rustix::fs::CWD, path).map_err(|e| failed(path, e))?;
    empty(opened, keep).map_err(|e| failed(path, e))
}

fn failed(path: &Path, e: Errno) -> Error {
    match e {
        Errno::XDEV | Errno::BUSY => Error::new(Kind::Conflict, "remove", path.display())
            .because("something is mounted below it")
            .hint("findmnt shows what; unmount it and try again"),
        e => Error::os("remove", path.display(), e),
    }
}

/// Opens a folder to empty it; a mount point is `EXDEV`.
fn descend(parent: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let how = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(parent, name, flags, Mode::empty(), how) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            done => return done,
        }
    }
}

/// One folder on the way down: its fd, its name in the one above, and what is still to be removed in it.
struct Level {
    fd: OwnedFd,
    name: CString,
    entries: Vec<(CString, FileType)>,
}

impl Level {
    fn open(fd: OwnedFd, name: CString, keep: &[&str]) -> rustix::io::Result<Level> {
        let mut entries = Vec::new();
        let listing = match Dir::read_from(&fd) {
            // It was removed since it was opened.
            Err(Errno::NOENT) => return Ok(Level { fd, name, entries }),
            listing => listing?,
        };
        for entry in listing {
            let entry = match entry {
                Err(Errno::NOENT) => break,
                entry => entry?,
            };
            let bytes = entry.file_name().to_bytes();
            if bytes != b"." && bytes != b".." && !keep.iter().any(|k| k.as_bytes() == bytes) {
                entries.push((entry.file_name().to_owned(), entry.file_type()));
            }
        }
        Ok(Level { fd, name, entries })
    }
}

/// Removes everything in the folder `top` except its direct entries in `keep`.
fn empty(top: OwnedFd, keep: &[&str]) -> rustix::io::Result<()> {
    let mut levels = vec![Level::open(top, CString::default(), keep)?];
    loop {
        let depth = levels.len();
        let Some(level) = levels.last_mut() else {
            return Ok(());
        };
        let Some((name, kind)) = level.entries.pop() else {
            if let (Some(done), Some(above)) = (levels.pop(), levels.last()) {
                match rustix::fs::unlinkat(&above.fd, &done.name, AtFlags::REMOVEDIR) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(e) => return Err(e),
                }
            }
            continue;
        };
        if kind != FileType::Directory {
            match rustix::fs::unlinkat(&level.fd, &name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                // Some file systems do not tell types in a listing (DT_UNKNOWN): then this is how a folder shows.
                Err(Errno::ISDIR | Errno::PERM) if kind == FileType::Unknown => {}
                Err(e) => return Err(e),
            }
        }
        if depth >= DEPTH {
            move_up(&mut levels, &name)?;
            continue;
        }
        let below = match descend(level.fd.as_fd(), &name) {
            Err(Errno::NOENT) => continue,
            opened => opened?,
        };
        levels.push(Level::open(below, name, &[])?);
    }
}

/// Moves the folder `name` from the deepest level to the top one, to be removed from there.
fn move_up(levels: &mut [Level], name: &CStr) -> rustix::io::Result<()> {
    let random = random_bytes::<16>().map_err(|_| Errno::IO)?;
    let new = CString::new(format!(".removed-{}", hex(&random))).map_err(|_| Errno::INVAL)?;
    let (Some(top), Some(deepest)) = (levels.first(), levels.last()) else {
        return Ok(());
    };
    rustix::fs::renameat(&deepest.fd, name, &top.fd, &new)?;
    if let Some(top) = levels.first_mut() {
        top.entries.push((new, FileType::Directory));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_tree_goes_and_what_links_lead_to_stays() {
        let scratch = Scratch::new("tree");
        let (tree, other) = (scratch.path().join("tree"), scratch.path().join("other"));
        std::fs::create_dir_all(tree.join("a/b/c")).unwrap();
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("kept"), "").unwrap();
        std::fs::write(tree.join("a/file"), "").unwrap();
        std::os::unix::fs::symlink(&other, tree.join("a/b/link")).unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
        assert!(other.join("kept").exists());
        remove_tree(&tree).unwrap();
        std::os::unix::fs::symlink(&other, &tree).unwrap();
        remove_tree(&tree).unwrap();
        assert!(other.join("kept").exists());
    }

    #[test]
    fn many_may_remove_the_same() {
        let scratch = Scratch::new("same");
        for round in 0..50 {
            let tree = scratch.path().join(round.to_string());
            (0..20).for_each(|n| std::fs::create_dir_all(tree.join(format!("{n}/below"))).unwrap());
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| remove_tree(&tree).unwrap());
                }
            });
            assert!(!tree.exists());
        }
    }

    #[test]
    fn a_tree_deeper_than_the_fds_goes_too() {
        let scratch = Scratch::new("deep");
        let tree = scratch.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut at = rustix::fs::open(&tree, flags, Mode::empty()).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = rustix::fs::openat(&at, "d", flags, Mode::empty()).unwrap();
        }
        drop(at);
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn contents_go_and_the_kept_names_stay() {
        let scratch = Scratch::new("contents");
        for name in ["keep", "a", "b"] {
            std::fs::create_dir_all(scratch.path().join(name).join("keep")).unwrap();
        }
        remove_contents(scratch.path(), &["keep"]).unwrap();
        let left: Vec<_> = std::fs::read_dir(scratch.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["keep"]);
        assert!(scratch.path().join("keep/keep").exists());
    }
}
