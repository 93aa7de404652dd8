//! Attributes and propagation of a mount that exists.

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::fs::StatVfsMountFlags;
use rustix::io::{Errno, Result};
use rustix::mount::{MountAttrFlags, MountFlags, MountPropagationFlags};
use tare_sys::{MountAttributes, mount_setattr};

/// How mounts made at one place appear at others (mount_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// Both ways.
    Shared,
    /// Inwards only.
    Slave,
    /// Not at all.
    Private,
    /// Not at all, nor by bind mounts.
    Unbindable,
}

impl Propagation {
    /// The kernel's flag.
    pub fn flag(self) -> MountPropagationFlags {
        match self {
            Propagation::Shared => MountPropagationFlags::SHARED,
            Propagation::Slave => MountPropagationFlags::DOWNSTREAM,
            Propagation::Private => MountPropagationFlags::PRIVATE,
            Propagation::Unbindable => MountPropagationFlags::UNBINDABLE,
        }
    }

    /// Sets it on the mount open at `mount`, which must be attached, by `mount(2)` on `/proc/self/fd`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn apply(self, mount: BorrowedFd<'_>, recursive: bool) -> Result<()> {
        let attributes = MountAttributes {
            propagation: u64::from(self.flag().bits()),
            ..MountAttributes::default()
        };
        match mount_setattr(mount, recursive, &attributes) {
            Err(Errno::NOSYS) => {
                let flag = if recursive {
                    self.flag() | MountPropagationFlags::REC
                } else {
                    self.flag()
                };
                rustix::mount::mount_change(FdPath::of(mount).as_cstr(), flag)
            }
            done => done,
        }
    }
}

/// Attributes to set and to clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// To set.
    pub set: MountAttrFlags,
    /// To clear.
    pub clear: MountAttrFlags,
}

impl Default for Attributes {
    fn default() -> Attributes {
        Attributes {
            set: MountAttrFlags::empty(),
            clear: MountAttrFlags::empty(),
        }
    }
}

/// Maps the owners of the files of a detached mount that nobody has seen yet by the maps of a user namespace: from the ids
/// inside to those outside (`MOUNT_ATTR_IDMAP`, Linux 5.12).
///
/// # Errors
/// `EINVAL` for a file system without the feature, a mount that was attached before or has a map, or the initial user
/// namespace; `EPERM` without `CAP_SYS_ADMIN` in the user namespace of the file system; `ENOSYS`.
pub fn map_owners(mount: BorrowedFd<'_>, recursive: bool, namespace: BorrowedFd<'_>) -> Result<()> {
    let attributes = MountAttributes {
        set: u64::from(MountAttrFlags::MOUNT_ATTR_IDMAP.bits()),
        user_namespace: u64::from(namespace.as_raw_fd().unsigned_abs()),
        ..MountAttributes::default()
    };
    mount_setattr(mount, recursive, &attributes)
}

/// Whether attributes are in force now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// They are.
    Yes,
    /// This kernel lacks `mount_setattr`: [`Attributes::remount`] must follow once the mount is attached.
    AfterAttach,
}

impl Attributes {
    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.clear.is_empty()
    }

    /// Adds one option: it wins over what was said before.
    pub(crate) fn change(&mut self, set: MountAttrFlags, clear: MountAttrFlags) {
        self.set = (self.set - clear) | set;
        self.clear = (self.clear - set) | clear;
        // The mask of access times is a field of two bits, not flags: setting one value clears the field first.
        if clear.contains(MountAttrFlags::MOUNT_ATTR__ATIME) {
            self.clear |= MountAttrFlags::MOUNT_ATTR__ATIME;
        }
    }

    /// Changes the mount open at `mount`, attached or not.
    ///
    /// # Errors
    /// The kernel's; `ENOSYS` where all mounts below must change too and the kernel has no call for it.
    pub fn apply(&self, mount: BorrowedFd<'_>, recursive: bool) -> Result<Applied> {
        if self.is_empty() {
            return Ok(Applied::Yes);
        }
        let attributes = MountAttributes {
            set: u64::from(self.set.bits()),
            clear: u64::from(self.clear.bits()),
            ..MountAttributes::default()
        };
        match mount_setattr(mount, recursive, &attributes) {
            Ok(()) => Ok(Applied::Yes),
            Err(Errno::NOSYS) if !recursive => Ok(Applied::AfterAttach),
            Err(e) => Err(e),
        }
    }

    /// The fallback: remounts the attached mount open at `mount`, keeping the attributes that are not named.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remount(&self, mount: BorrowedFd<'_>) -> Result<()> {
        let now = rustix::fs::fstatvfs(mount)?.f_flag;
        let mut flags = MountFlags::BIND;
        for (attribute, kept, flag) in REMOUNT {
            let kept = now.contains(*kept) && !self.clear.contains(*attribute);
            flags.set(
                *flag,
                kept || (!attribute.is_empty() && self.set.contains(*attribute)),
            );
        }
        rustix::mount::mount_remount(FdPath::of(mount).as_cstr(), flags, c"")
    }
}

/// The same attribute in the three notations of the kernel.
const REMOUNT: &[(MountAttrFlags, StatVfsMountFlags, MountFlags)] = &[
    (
        MountAttrFlags::MOUNT_ATTR_RDONLY,
        StatVfsMountFlags::RDONLY,
        MountFlags::RDONLY,
    ),
    (
        MountAttrFlags::MOUNT_ATTR_NOSUID,
        StatVfsMountFlags::NOSUID,
        MountFlags::NOSUID,
    ),
    (
        MountAttrFlags::MOUNT_ATTR_NODEV,
        StatVfsMountFlags::NODEV,
        MountFlags::NODEV,
    ),
    (
        MountAttrFlags::MOUNT_ATTR_NOEXEC,
        StatVfsMountFlags::NOEXEC,
        MountFlags::NOEXEC,
    ),
    (
        MountAttrFlags::MOUNT_ATTR_NOATIME,
        StatVfsMountFlags::NOATIME,
        MountFlags::NOATIME,
    ),
    (
        MountAttrFlags::MOUNT_ATTR_NODIRATIME,
        StatVfsMountFlags::NODIRATIME,
        MountFlags::NODIRATIME,
    ),
];

/// `/proc/self/fd/N` in a buffer of its own, so that a path exists where a call takes no fd.
pub(crate) struct FdPath([u8; 32]);

impl FdPath {
    /// The path of an open fd.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> FdPath {
        let mut path = [0; 32];
        let prefix = b"/proc/self/fd/";
        path[..prefix.len()].copy_from_slice(prefix);
        write_number(&mut path[prefix.len()..], fd.as_raw_fd().unsigned_abs());
        FdPath(path)
    }

    /// As a C string.
    pub(crate) fn as_cstr(&self) -> &std::ffi::CStr {
        std::ffi::CStr::from_bytes_until_nul(&self.0).unwrap_or(c"")
    }
}

/// Writes a decimal number at the start of `to` and says how long it is.
pub fn write_number(to: &mut [u8], number: u32) -> usize {
    let mut digits = [0; 10];
    let mut rest = number;
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let digits = &digits[at..];
    let length = digits.len().min(to.len());
    to[..length].copy_from_slice(&digits[..length]);
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, 10, 4_294_967_295] {
            let mut to = [0; 12];
            let length = write_number(&mut to, number);
            assert_eq!(std::str::from_utf8(&to[..length]).unwrap(), number.to_string());
        }
    }

    #[test]
    fn path_of_an_fd_leads_to_it() {
        let file = std::fs::File::open("/proc/self/maps").unwrap();
        let path = FdPath::of(file.as_fd());
        let link = std::fs::read_link(path.as_cstr().to_str().unwrap()).unwrap();
        assert!(link.ends_with("maps"), "{link:?}");
    }
}
