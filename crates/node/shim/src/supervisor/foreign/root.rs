//! The root of a foreign container, which its runtime expects below the bundle: mounted, and unmounted, by a short-lived
//! child that is this very program, as whatever is mounted may stall.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use std::ffi::CString;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tare_error::{Context, Error, Kind, Result};
use tare_mount::{Applied, Bind, FileSystem, Options, Overlay, attach, clone_tree_at};
use tare_spec_oci::Mount;

/// The largest list of mounts.
const LARGEST: usize = 1 << 20;
/// How many mounts may lie on top of each other at one place.
const DEEPEST: usize = 64;

/// The command that mounts a list.
pub(super) fn mounting(list: &Path, at: &Path) -> Command {
    let mut command = own("mount-root");
    command.arg("--list").arg(list).arg("--at").arg(at);
    command
}

/// The command that unmounts what is there.
pub(super) fn unmounting(at: &Path) -> Command {
    let mut command = own("unmount-root");
    command.arg("--at").arg(at);
    command
}

fn own(verb: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(verb).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Mounts a list, in its order, on the folder `at`, which is made where it is missing. What was mounted stays where a later
/// one fails.
///
/// # Errors
/// The kernel's, of the mount that it names; `Unsupported` for mapped owners, which the library alone can do.
pub fn mount_root(list: &Path, at: &Path) -> Result<()> {
    let text = tare_store::read(list, LARGEST).op("read", list.display())?;
    let mounts: Vec<Mount> = serde_json::from_slice(&text)
        .map_err(|e| Error::new(Kind::Corrupt, "read", list.display()).from_source(e))?;
    match DirBuilder::new().mode(0o711).create(at) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e).op("make folder", at.display()),
        _ => {}
    }
    mounts.iter().try_for_each(|mount| mount_one(mount, at))
}

/// Unmounts everything that is mounted on the folder `at`, which need not be there.
///
/// # Errors
/// The kernel's.
pub fn unmount_root(at: &Path) -> Result<()> {
    for _ in 0..DEEPEST {
        match unmount(at, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(e) => return Err(e).op("unmount", at.display()),
        }
    }
    Ok(())
}

fn mount_one(mount: &Mount, at: &Path) -> Result<()> {
    let source = mount.source.as_deref().unwrap_or(Path::new("none"));
    let kind = mount.kind.as_deref().unwrap_or("none");
    let failed = |e: Errno| Error::os("mount the root from", source.display(), e);
    let options = Options::parse(&mount.options);
    let mapped = |key: &str| matches!(key, "uidmap" | "gidmap");
    if options.parameters.iter().any(|parameter| mapped(&parameter.key)) {
        return Err(
            Error::new(Kind::Unsupported, "mount the root from", source.display())
                .because("it is to have mapped owners, which foreign runtimes cannot be given")
                .hint("leave BinaryName out of the runtime's options"),
        );
    }
    let place = open_below(at, &mount.destination)?;
    let made = if options.bind.is_some() || kind == "bind" || kind == "rbind" {
        bound(source, kind, &options).map_err(failed)?
    } else if kind == "overlay" {
        match overlay(&options, place.as_fd()).map_err(failed)? {
            Some(made) => made,
            // It is there already.
            None => return Ok(()),
        }
    } else {
        let source = source.to_string_lossy();
        let prepared = FileSystem::prepare(kind, Some(&source), &options).map_err(failed)?;
        prepared.make().map_err(|refused| failed(refused.errno))?
    };
    attach(made.as_fd(), place.as_fd()).map_err(failed)
}

fn bound(source: &Path, kind: &str, options: &Options) -> Result<OwnedFd, Errno> {
    let path = CString::new(source.as_os_str().as_bytes()).map_err(|_| Errno::INVAL)?;
    let recursive = options.bind == Some(Bind::Recursive) || kind == "rbind";
    let copy = clone_tree_at(CWD, &path, recursive)?;
    for (attributes, recursive) in [(&options.attributes, false), (&options.recursive, true)] {
        match attributes.apply(copy.as_fd(), recursive)? {
            Applied::Yes => {}
            // Before Linux 5.12 a detached mount cannot be changed: a root that is to be read-only is made so by the
            // container's configuration too.
            Applied::AfterAttach => {}
        }
    }
    Ok(copy)
}

/// None where an old kernel has mounted it at its place.
fn overlay(options: &Options, place: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Errno> {
    let overlay = Overlay::prepare(options)?;
    match overlay.make() {
        Ok(made) => Ok(Some(made)),
        Err(refused) if refused.errno == Errno::NOSYS => {
            overlay.make_old(place).map_err(|refused| refused.errno)?;
            Ok(None)
        }
        Err(refused) => Err(refused.errno),
    }
}

fn open_below(at: &Path, target: &Path) -> Result<OwnedFd> {
    let target: PathBuf = target.components().skip(1).collect();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, at, flags, Mode::empty()).op("open folder", at.display())?;
    if target.as_os_str().is_empty() {
        return Ok(root);
    }
    let path = CString::new(target.as_os_str().as_bytes())
        .map_err(|_| Error::new(Kind::Invalid, "open folder", target.display()))?;
    tare_mount::open_beneath(root.as_fd(), &path, OFlags::PATH | OFlags::DIRECTORY)
        .op("open folder", target.display())
}
