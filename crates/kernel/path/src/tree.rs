//! Removing a whole tree by fd: no path, no recursion, no more than a fixed number of descriptors.

use crate::resolve;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How many directories are held at once; what lies deeper is moved up before it is removed.
const HELD: usize = 48;

/// One directory on the way down.
struct Level {
    name: CString,
    dir: Dir,
    /// Whether this pass removed anything: a pass that did not, and leaves something, must not be repeated.
    progress: bool,
}

/// Removes `name` in the open directory `parent`, with everything below it; nothing there is fine.
///
/// No link is followed and no mount point is entered. The depth of the tree does not matter, nor does the length
/// of its paths: a container may have made it. Interrupted, it can be called again.
///
/// # Errors
/// `EXDEV` or `EBUSY` where something is mounted inside, else the kernel's; the rest of the tree then stays.
pub fn remove_tree(parent: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(e) => return Err(e),
    }
    let mut levels = vec![Level::open(parent, name)?];
    let mut moved = 0_u64;
    while let Some(level) = levels.last_mut() {
        match level.next_directory()? {
            Some(sub) if levels.len() < HELD => {
                let below = Level::open(fd_of(&levels, levels.len() - 1)?, &sub)?;
                levels.push(below);
            }
            Some(sub) => {
                move_up(&levels, &sub, &mut moved)?;
                // The pass over the top must see what was moved into it.
                if let Some(top) = levels.first_mut() {
                    top.progress = true;
                }
            }
            None => finish_level(&mut levels, parent)?,
        }
    }
    Ok(())
}

impl Level {
    fn open(parent: BorrowedFd<'_>, name: &CStr) -> Result<Level> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let fd: OwnedFd = resolve(
            parent,
            Path::new(OsStr::from_bytes(name.to_bytes())),
            flags,
            Mode::empty(),
            how,
        )?;
        Ok(Level {
            name: name.to_owned(),
            dir: Dir::new(fd)?,
            progress: false,
        })
    }

    /// Removes files until a directory that is not empty comes; `None` at the end of the pass.
    fn next_directory(&mut self) -> Result<Option<CString>> {
        while let Some(entry) = self.dir.read() {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let flags = if entry.file_type().is_dir() {
                AtFlags::REMOVEDIR
            } else {
                AtFlags::empty()
            };
            match rustix::fs::unlinkat(self.dir.fd()?, name, flags) {
                Ok(()) => self.progress = true,
                Err(Errno::NOENT) => {}
                // A directory that is not empty, or whose type readdir did not tell.
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ISDIR) => return Ok(Some(name.to_owned())),
                Err(Errno::PERM) if entry.file_type() == rustix::fs::FileType::Unknown => {
                    return Ok(Some(name.to_owned()));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }
}

/// Removes the deepest directory, now empty, or begins another pass over it where the last one made progress.
fn finish_level(levels: &mut Vec<Level>, parent: BorrowedFd<'_>) -> Result<()> {
    let Some(level) = levels.pop() else {
        return Ok(());
    };
    let above = match levels.len() {
        0 => parent,
        n => fd_of(levels, n - 1)?,
    };
    match rustix::fs::unlinkat(above, &level.name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => {
            if let Some(above) = levels.last_mut() {
                above.progress = true;
            }
            Ok(())
        }
        Err(Errno::NOTEMPTY | Errno::EXIST) if level.progress => {
            let again = Level::open(above, &level.name)?;
            levels.push(again);
            Ok(())
        }
        Err(e) => Err(e),
    }
}

/// Moves the directory `sub` of the deepest level into the top one, under a name that is free there.
fn move_up(levels: &[Level], sub: &CStr, moved: &mut u64) -> Result<()> {
    let (from, to) = (fd_of(levels, levels.len() - 1)?, fd_of(levels, 0)?);
    loop {
        *moved += 1;
        let name = format!(".deep-{moved}");
        match rustix::fs::renameat_with(from, sub, to, &name, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            done => return done,
        }
    }
}

fn fd_of(levels: &[Level], at: usize) -> Result<BorrowedFd<'_>> {
    let level = levels.get(at).ok_or(Errno::INVAL)?;
    level.dir.fd()
}
