//! One file of a lower layer made again in a layer above it, for a hard link that leads there.

use crate::attributes::{self, At};
use crate::view::{Found, names, open_dir};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, SeekFrom};
use rustix::io::{Errno, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tare_layer::Flavour;
use tare_path::Root;

/// Opens the directory `path` of the layer, making what is missing; what was made is noted as implied.
///
/// # Errors
/// `ENOTDIR` where the layer has something else on the way.
pub(crate) fn make_dirs(layer: &Root, path: &Path, implied: &mut BTreeSet<PathBuf>) -> Result<OwnedFd> {
    let mut dir = open_dir(layer.as_fd(), c".")?;
    let mut at = PathBuf::new();
    for (name, part) in names(path).zip(path.components()) {
        at.push(part);
        let below = match open_dir(dir.as_fd(), &name) {
            Err(Errno::NOENT) => {
                attributes::keeping_times(dir.as_fd(), || {
                    rustix::fs::mkdirat(&dir, &name, Mode::from(0o700))
                })?;
                rustix::fs::chmodat(&dir, &name, Mode::from(0o755), AtFlags::empty())?;
                implied.insert(at.clone());
                open_dir(dir.as_fd(), &name)?
            }
            Err(Errno::LOOP) => return Err(Errno::NOTDIR),
            other => other?,
        };
        dir = below;
    }
    Ok(dir)
}

/// Makes `found`, which is no directory, again as `to`; everything about it but its other names is kept.
pub(crate) fn copy_up(found: &Found, to: At<'_>, flavour: Flavour) -> Result<()> {
    match FileType::from_raw_mode(found.stat.st_mode) {
        FileType::RegularFile => copy_data(found, to)?,
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(&found.dir, &found.name, Vec::new())?;
            rustix::fs::symlinkat(&target, to.0, to.1)?;
        }
        kind => rustix::fs::mknodat(to.0, to.1, kind, Mode::from(0o600), found.stat.st_rdev)?,
    }
    attributes::copy(At(found.dir.as_fd(), &found.name), to, flavour)
}

/// Shares the blocks where the file system can, else copies the data and leaves the holes.
fn copy_data(found: &Found, to: At<'_>) -> Result<()> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let from = rustix::fs::openat(&found.dir, &found.name, read, Mode::empty())?;
    let to = rustix::fs::openat(to.0, to.1, write, Mode::from(0o600))?;
    if rustix::fs::ioctl_ficlone(&to, &from).is_ok() {
        return Ok(());
    }
    let size = u64::try_from(found.stat.st_size).unwrap_or(0);
    rustix::fs::ftruncate(&to, size)?;
    let mut at = 0;
    while at < size {
        let start = match rustix::fs::seek(&from, SeekFrom::Data(at)) {
            Err(Errno::NXIO) => break,
            other => other?,
        };
        let end = rustix::fs::seek(&from, SeekFrom::Hole(start))?;
        copy_range(&from, &to, start, end)?;
        at = end;
    }
    Ok(())
}

fn copy_range(from: &OwnedFd, to: &OwnedFd, start: u64, end: u64) -> Result<()> {
    let (mut read_at, mut write_at) = (start, start);
    while read_at < end {
        let length = usize::try_from(end - read_at).unwrap_or(usize::MAX).min(1 << 30);
        match rustix::fs::copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), length) {
            // The file became shorter: layers do not change, so somebody damaged it.
            Ok(0) => return Err(Errno::IO),
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
