//! Changing attributes of a mount or a tree of mounts (`mount_setattr(2)`, Linux 5.12).

use crate::call::done;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Result;

/// `struct mount_attr`: what to set, what to clear, which propagation (0 keeps it), which user namespace to map by.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MountAttributes {
    /// `MOUNT_ATTR_*` to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` to clear.
    pub clear: u64,
    /// One of `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`, or 0.
    pub propagation: u64,
    /// The fd of a user namespace, read where `MOUNT_ATTR_IDMAP` is set.
    pub user_namespace: u64,
}

/// Changes the mount open at `mount`, and with `recursive` all mounts below it, in one step or not at all.
///
/// # Errors
/// `ENOSYS` before Linux 5.12 or behind a filter, `EPERM` for attributes locked by another user namespace, `EINVAL`
/// where `mount` is not the root of a mount.
pub fn mount_setattr(mount: BorrowedFd<'_>, recursive: bool, attributes: &MountAttributes) -> Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the kernel reads one struct of the size given and writes nothing; the path is the empty C string.
    done(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attributes),
            size_of::<MountAttributes>(),
        )
    })
}
