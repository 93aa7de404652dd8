//! What a layer gets from the layers below it, although it was unpacked without them.

use crate::attributes::{self, At, keeping_times};
use crate::copy_up::{copy_up, make_dirs};
use crate::relocate::relocate;
use crate::view::{Found, View, is_whiteout, open_dir};
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result};
use tare_layer::{Link, Options, Unpacked};
use tare_path::Root;

/// Settles `layer` on `lowers` (nearest first, settled themselves).
///
/// Implied directories that are links below are followed, hard links that lead below are made with a copy of their
/// target (its other names stay with the lower layer, as when overlayfs copies up), and implied directories take over owner, mode, attributes and times of what they lie on.
///
/// # Errors
/// `Corrupt` for a hard link to nothing or to a directory, `Exhausted` for too much to copy, else the file system's.
pub(crate) fn settle(layer: &Root, lowers: &[Root], unpacked: &Unpacked, options: &Options) -> Result<()> {
    let layers = std::iter::once(layer).chain(lowers).collect();
    let view = View {
        layers,
        flavour: options.flavour,
    };
    let mut implied: BTreeSet<PathBuf> = unpacked.implied.iter().cloned().collect();
    relocate(&view, &mut implied).op("follow links below", "")?;
    let mut copied = 0_u64;
    for link in &unpacked.links {
        hard_link(&view, layer, link, &mut implied, &mut copied, options)?;
    }
    for path in &implied {
        adopt(&view, layer, path).op("take over attributes of", path.display())?;
    }
    Ok(())
}

/// Gives an implied directory what the directory below it has.
fn adopt(view: &View<'_>, layer: &Root, path: &Path) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let dir = match layer.open_no_links(path, flags, Mode::empty()) {
        Ok(dir) => dir,
        // A later entry of the archive took its place.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
        Err(e) => return Err(e),
    };
    match view.look_up(path, 1)? {
        Some(found) if FileType::from_raw_mode(found.stat.st_mode) == FileType::Directory => {
            let from = At(found.dir.as_fd(), &found.name);
            attributes::copy(from, At(dir.as_fd(), c"."), view.flavour)
        }
        _ => {
            let mut stat = rustix::fs::fstat(&dir)?;
            (
                stat.st_mtime,
                stat.st_mtime_nsec,
                stat.st_atime,
                stat.st_atime_nsec,
            ) = (0, 0, 0, 0);
            attributes::set_times(At(dir.as_fd(), c"."), &stat)
        }
    }
}

/// Makes one hard link whose target the layer did not have when the entry came.
fn hard_link(
    view: &View<'_>,
    layer: &Root,
    link: &Link,
    implied: &mut BTreeSet<PathBuf>,
    copied: &mut u64,
    options: &Options,
) -> Result<()> {
    let shown = || format!("{} to {}", link.name.display(), link.target.display());
    let wrong = |reason: &str| Err(Error::new(Kind::Corrupt, "link", shown()).because(reason));
    let (name_path, name) = place(view, &link.name).op("link", shown())?;
    let (target_path, target) = place(view, &link.target).op("link", shown())?;
    let into = make_dirs(layer, &name_path, implied).op("link", shown())?;
    match rustix::fs::statat(&into, &name, AtFlags::SYMLINK_NOFOLLOW) {
        // A later entry of the archive took the name.
        Ok(stat) if !is_whiteout(&stat) => return Ok(()),
        Ok(_) => rustix::fs::unlinkat(&into, &name, AtFlags::empty()).op("link", shown())?,
        Err(Errno::NOENT) => {}
        Err(e) => return Err(Error::os("link", shown(), e)),
    }
    let full = target_path.join(std::ffi::OsStr::from_bytes(target.as_bytes()));
    let Some(found) = view.look_up(&full, 0).op("link", shown())? else {
        return wrong("its target is in no layer below");
    };
    if FileType::from_raw_mode(found.stat.st_mode) == FileType::Directory {
        return wrong("its target is a directory");
    }
    let from = make_dirs(layer, &target_path, implied).op("link", shown())?;
    if found.layer > 0 {
        count(&found, copied, options.limits.copied, &shown)?;
        keeping_times(from.as_fd(), || {
            copy_up(&found, At(from.as_fd(), &target), view.flavour)
        })
        .op("copy up for link", shown())?;
    }
    let again = open_dir(into.as_fd(), c".").op("link", shown())?;
    keeping_times(again.as_fd(), || {
        rustix::fs::linkat(&from, &target, &into, &name, AtFlags::empty())
    })
    .op("link", shown())
}

/// The directory a path leads to, links followed through all layers, and the last name.
fn place(view: &View<'_>, path: &Path) -> rustix::io::Result<(PathBuf, CString)> {
    let name = path.file_name().ok_or(Errno::INVAL)?;
    let name = CString::new(name.as_bytes()).map_err(|_| Errno::INVAL)?;
    let parent = path.parent().unwrap_or(Path::new(""));
    Ok((view.resolve(parent, 0, true)?, name))
}

/// Adds what a copy takes on disk, within the limit.
fn count(found: &Found, copied: &mut u64, limit: u64, shown: &dyn Fn() -> String) -> Result<()> {
    *copied = copied.saturating_add(
        u64::try_from(found.stat.st_blocks)
            .unwrap_or(0)
            .saturating_mul(512),
    );
    if *copied > limit {
        return Err(Error::new(Kind::Exhausted, "copy up for link", shown())
            .because(format!("limit copied = {limit} reached"))
            .hint("if this image is trusted, raise the limit in the configuration"));
    }
    Ok(())
}
