//! Running from an image that nobody can open for writing (architecture, invariant 6; CVE-2019-5736).

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, SealFlags, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags};
use rustix::process::DumpableBehavior;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use tare_error::{Context, Error, Kind, Result};
use tare_sys::{CStrings, MountAttributes, exec_fd, mount_setattr};

/// The path under which the kernel shows this process's image.
const OWN_IMAGE: &str = "/proc/self/exe";

/// The environment variable in which a program that was executed again finds the path it was started from.
pub const PROGRAM: &str = "TARE_PROGRAM";

/// All seals that keep a memfd as it is.
const SEALS: SealFlags = SealFlags::SEAL
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE);

/// Returns in a process that runs from a read-only image and is not dumpable; re-executes this program once, with
/// the same arguments and environment, where it does not.
///
/// The image is a read-only detached clone of its own mount (`open_tree`, `mount_setattr`: Linux 5.12), or a sealed
/// copy in memory where that is denied. Afterwards `/proc/self/exe` still leads to the program; its path is in the
/// environment ([`PROGRAM`]).
/// Call it first in `main`, after `rootless::enter`, before threads, files or output.
///
/// # Errors
/// `Internal` where neither way works.
pub fn enter() -> Result<()> {
    if is_sealed().op("look at", "/proc/self/exe")? {
        let off = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
        return off.op("forbid tracing of", "this process");
    }
    Err(execute_again())
}

/// Executes this program again from a sealed image, with the same arguments and, but for [`PROGRAM`], environment; returns only where that
/// failed.
pub(crate) fn execute_again() -> Error {
    let program = std::env::current_exe().unwrap_or_default();
    match image(Path::new(OWN_IMAGE)) {
        Ok(image) => execute(image.as_fd(), &program, std::env::args_os()),
        Err(e) => e,
    }
}

/// A program's image that nobody can open for writing.
///
/// # Errors
/// The kernel's: there is no such program, no memory for a copy.
pub fn image(program: &Path) -> Result<OwnedFd> {
    match read_only_clone(program) {
        Ok(image) if is_read_only(image.as_fd()).unwrap_or(false) => Ok(image),
        _ => sealed_copy(program).op("copy into memory", program.display()),
    }
}

/// Executes a sealed image in place of this program, with this program's environment, but for [`PROGRAM`], which is `program`
/// then; returns only where that failed.
pub fn execute(image: BorrowedFd<'_>, program: &Path, arguments: impl Iterator<Item = OsString>) -> Error {
    let strings = c_strings(arguments).and_then(|arguments| {
        let pairs = std::env::vars_os().map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name
        });
        let mut path = OsString::from(format!("{PROGRAM}="));
        path.push(program);
        let pairs = pairs.filter(|pair| !pair.as_encoded_bytes().starts_with(b"TARE_PROGRAM="));
        Ok((arguments, c_strings(pairs.chain([path]))?))
    });
    match strings {
        Ok((arguments, environment)) => {
            let errno = exec_fd(image, &arguments, &environment);
            Error::os("execute", program.display(), errno)
        }
        Err(e) => e,
    }
}

/// Whether this process's image cannot be opened for writing: its mount is read-only, or it is a sealed memfd.
///
/// # Errors
/// The kernel's.
pub fn is_sealed() -> rustix::io::Result<bool> {
    let image = rustix::fs::openat(CWD, OWN_IMAGE, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    if is_read_only(image.as_fd())? {
        return Ok(true);
    }
    // EINVAL: not a file of memory.
    Ok(rustix::fs::fcntl_get_seals(&image).is_ok_and(|seals| seals.contains(SEALS)))
}

fn is_read_only(image: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    let flags = rustix::fs::fstatvfs(image)?.f_flag;
    Ok(flags.contains(StatVfsMountFlags::RDONLY))
}

/// A detached, read-only mount of an image alone; it lives as long as something runs from it.
fn read_only_clone(program: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let image = rustix::mount::open_tree(CWD, program, flags)?;
    let read_only = MountAttributes {
        set: u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits()),
        ..MountAttributes::default()
    };
    mount_setattr(image.as_fd(), false, &read_only)?;
    Ok(image)
}

/// The fallback: a copy of an image in memory, sealed.
fn sealed_copy(program: &Path) -> rustix::io::Result<OwnedFd> {
    let image = rustix::fs::openat(CWD, program, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Linux 6.3 wants to be told that it will be executed; older ones do not know the flag.
    let copy = match rustix::fs::memfd_create(c"tare", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => rustix::fs::memfd_create(c"tare", flags)?,
        done => done?,
    };
    let mut left = u64::try_from(rustix::fs::fstat(&image)?.st_size).map_err(|_| Errno::FBIG)?;
    while left > 0 {
        match rustix::fs::sendfile(&copy, &image, None, usize::try_from(left).unwrap_or(usize::MAX))? {
            0 => return Err(Errno::IO),
            n => left = left.saturating_sub(n as u64),
        }
    }
    rustix::fs::fcntl_add_seals(&copy, SEALS)?;
    Ok(copy)
}

/// C strings for exec.
fn c_strings(strings: impl Iterator<Item = OsString>) -> Result<CStrings> {
    let strings: Result<Vec<CString>> = strings
        .map(|s| {
            CString::new(s.into_vec())
                .map_err(|_| Error::new(Kind::Invalid, "read", "arguments").because("a NUL byte"))
        })
        .collect();
    Ok(CStrings::new(strings?))
}
