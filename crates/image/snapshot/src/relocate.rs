//! An implied directory whose name is a link in the layers below: its contents belong where the link leads.
//!
//! A layer with `lib/x` over one with `lib -> usr/lib` means `usr/lib/x` when it is unpacked on top; left alone, its
//! directory `lib` would hide the link and with it all of `usr/lib`.

use crate::attributes::keeping_times;
use crate::copy_up::make_dirs;
use crate::view::{View, is_opaque, is_whiteout, open_dir};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, Dir, FileType, RenameFlags};
use rustix::io::{Errno, Result};
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};

/// How deep directories that exist on both sides may lie.
const DEPTH: usize = 64;

/// Moves the contents of every implied directory that is a link below; the implied paths follow.
pub(crate) fn relocate(view: &View<'_>, implied: &mut BTreeSet<PathBuf>) -> Result<()> {
    let mut done: BTreeSet<PathBuf> = BTreeSet::new();
    while let Some(path) = implied.iter().find(|path| !done.contains(*path)).cloned() {
        done.insert(path.clone());
        if path.as_os_str().is_empty() {
            continue;
        }
        let Some(found) = view.look_up(&path, 1)? else {
            continue;
        };
        if FileType::from_raw_mode(found.stat.st_mode) == FileType::Symlink {
            follow(view, &path, implied)?;
        }
    }
    Ok(())
}

/// Moves one directory's contents, unless the link leads to a file or this layer has something else there.
fn follow(view: &View<'_>, path: &Path, implied: &mut BTreeSet<PathBuf>) -> Result<()> {
    let Some(layer) = view.layers.first() else {
        return Ok(());
    };
    let target = view.resolve(path, 1, true)?;
    if target.starts_with(path) || path.starts_with(&target) {
        return Ok(());
    }
    let directory = |stat| FileType::from_raw_mode(stat) == FileType::Directory;
    if view
        .look_up(&target, 1)?
        .is_some_and(|there| !directory(there.stat.st_mode))
    {
        return Ok(());
    }
    let parent = layer.entry(path)?;
    let from = match open_dir(parent.parent(), parent.name()) {
        Ok(from) => from,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
        Err(e) => return Err(e),
    };
    if is_opaque(from.as_fd(), view.flavour)? {
        return Ok(());
    }
    let to = match make_dirs(layer, &target, implied) {
        Ok(to) => to,
        Err(Errno::NOTDIR) => return Ok(()),
        Err(e) => return Err(e),
    };
    keeping_times(to.as_fd(), || merge(from.as_fd(), to.as_fd(), 0))?;
    let above = open_dir(parent.parent(), c".")?;
    keeping_times(above.as_fd(), || parent.remove_dir())?;
    let moved: Vec<PathBuf> = implied.iter().filter(|p| p.starts_with(path)).cloned().collect();
    for old in moved {
        implied.remove(&old);
        if let Ok(rest) = old.strip_prefix(path)
            && !rest.as_os_str().is_empty()
        {
            implied.insert(target.join(rest));
        }
    }
    Ok(())
}

/// Moves everything in `from` to `to`; where both have a directory their contents are joined, else `to`'s stays.
fn merge(from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: usize) -> Result<()> {
    if depth > DEPTH {
        return Err(Errno::LOOP);
    }
    let mut names: Vec<CString> = Vec::new();
    for entry in Dir::read_from(from)? {
        names.push(entry?.file_name().to_owned());
    }
    for name in names
        .iter()
        .filter(|name| name.as_c_str() != c"." && name.as_c_str() != c"..")
    {
        match rustix::fs::renameat_with(from, name, to, name, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => join(from, to, name, depth)?,
            other => other?,
        }
    }
    Ok(())
}

fn join(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<()> {
    let ours = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let there = rustix::fs::statat(to, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let directory = |mode| FileType::from_raw_mode(mode) == FileType::Directory;
    if directory(ours.st_mode) && directory(there.st_mode) {
        let (below, into) = (open_dir(from, name)?, open_dir(to, name)?);
        keeping_times(into.as_fd(), || merge(below.as_fd(), into.as_fd(), depth + 1))?;
    } else if is_whiteout(&there) {
        rustix::fs::unlinkat(to, name, AtFlags::empty())?;
        return rustix::fs::renameat_with(from, name, to, name, RenameFlags::NOREPLACE);
    }
    tare_path::remove_tree(from, name)
}
