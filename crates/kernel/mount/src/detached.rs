//! Mounts that hang nowhere yet: new ones (`fsopen(2)`, Linux 5.2) and copies of existing ones (`open_tree(2)`).

use crate::{Options, Parameter};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::Mode;
use rustix::io::{Errno, Result};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags};
use std::ffi::{CStr, CString};

/// Why a file system could not be mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The kernel's error.
    pub errno: Errno,
    /// Which parameter it refused, as an index into [`FileSystem::parameters`].
    pub parameter: Option<usize>,
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Refused {
        Refused {
            errno,
            parameter: None,
        }
    }
}

/// A file system to mount, as C strings ready for the kernel.
#[derive(Debug)]
pub struct FileSystem {
    kind: CString,
    source: Option<CString>,
    parameters: Vec<(CString, Option<CString>)>,
    attributes: MountAttrFlags,
}

/// File systems without a device: read-only is an attribute of their mount alone, as their superblock may be shared.
const WITHOUT_DEVICE: &[&str] = &[
    "proc",
    "sysfs",
    "tmpfs",
    "devpts",
    "mqueue",
    "cgroup",
    "cgroup2",
    "overlay",
    "ramfs",
    "bpf",
    "securityfs",
];

impl FileSystem {
    /// Prepares a file system of `kind` from `source` with `options`.
    ///
    /// # Errors
    /// `EINVAL` for a NUL byte in any string.
    pub fn prepare(kind: &str, source: Option<&str>, options: &Options) -> Result<FileSystem> {
        let c = |s: &str| CString::new(s).map_err(|_| Errno::INVAL);
        let mut parameters = Vec::new();
        for flag in &options.superblock {
            parameters.push((c(flag)?, None));
        }
        let attributes = options.attributes.set | options.recursive.set;
        if attributes.contains(MountAttrFlags::MOUNT_ATTR_RDONLY) && !WITHOUT_DEVICE.contains(&kind) {
            parameters.push((c("ro")?, None));
        }
        for Parameter { key, value } in &options.parameters {
            parameters.push((c(key)?, value.as_deref().map(c).transpose()?));
        }
        Ok(FileSystem {
            kind: c(kind)?,
            source: source.map(c).transpose()?,
            parameters,
            attributes,
        })
    }

    /// Names of the parameters, in the order in which they are set.
    pub fn parameters(&self) -> impl Iterator<Item = &CStr> {
        self.parameters.iter().map(|(key, _)| key.as_c_str())
    }

    /// Makes the mount, detached, with its attributes. Allocates nothing.
    ///
    /// # Errors
    /// The kernel's: `ENODEV` for an unknown kind, `EINVAL` for a refused parameter, `EPERM`, `ENOENT`.
    pub fn make(&self) -> std::result::Result<OwnedFd, Refused> {
        self.make_with_mode(None)
    }

    /// As [`FileSystem::make`]; a tmpfs whose top directory has this mode, where one is given.
    ///
    /// # Errors
    /// As [`FileSystem::make`].
    pub fn make_with_mode(&self, mode: Option<Mode>) -> std::result::Result<OwnedFd, Refused> {
        let context = rustix::mount::fsopen(self.kind.as_c_str(), FsOpenFlags::FSOPEN_CLOEXEC)?;
        if let Some(source) = &self.source {
            rustix::mount::fsconfig_set_string(context.as_fd(), c"source", source.as_c_str())?;
        }
        for (index, (key, value)) in self.parameters.iter().enumerate() {
            set(context.as_fd(), key, value.as_deref()).map_err(|errno| Refused {
                errno,
                parameter: Some(index),
            })?;
        }
        if let Some(mode) = mode {
            set(context.as_fd(), c"mode", Some(octal(mode, &mut [0; 8])?))?;
        }
        Ok(finish(context.as_fd(), self.attributes)?)
    }
}

/// A mode as the option of a file system, in room for it.
fn octal(mode: Mode, room: &mut [u8; 8]) -> Result<&CStr> {
    let mut rest = mode.bits() & 0o7777;
    let digits = room.split_last_mut().map_or(&mut [][..], |(_, digits)| digits);
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest & 7).unwrap_or(0);
        rest >>= 3;
    }
    // The kernel takes leading noughts.
    CStr::from_bytes_until_nul(room).map_err(|_| Errno::INVAL)
}

/// Sets one parameter of a file system context.
pub(crate) fn set(context: BorrowedFd<'_>, key: &CStr, value: Option<&CStr>) -> Result<()> {
    match value {
        Some(value) => rustix::mount::fsconfig_set_string(context, key, value),
        None => rustix::mount::fsconfig_set_flag(context, key),
    }
}

/// Makes the superblock and the mount of a context that has all its parameters.
pub(crate) fn finish(context: BorrowedFd<'_>, attributes: MountAttrFlags) -> Result<OwnedFd> {
    rustix::mount::fsconfig_create(context)?;
    rustix::mount::fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A detached copy of the mount that holds what is open at `of`, from there downwards.
///
/// # Errors
/// `EINVAL` where `of` is not in this mount namespace, or is unbindable; `EPERM` without `CAP_SYS_ADMIN`.
pub fn clone_tree(of: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd> {
    clone_tree_at(of, c"", recursive)
}

/// As [`clone_tree`], of `path` below the directory `at`; links are followed, this is for paths of the host.
///
/// # Errors
/// As [`clone_tree`], and those of the look-up.
pub fn clone_tree_at(at: BorrowedFd<'_>, path: &CStr, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_EMPTY_PATH, path.is_empty());
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    rustix::mount::open_tree(at, path, flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_options() {
        for (mode, text) in [(0o710, c"0000710"), (0o1777, c"0001777"), (0, c"0000000")] {
            assert_eq!(octal(Mode::from_raw_mode(mode), &mut [0; 8]), Ok(text));
        }
    }
}
