//! Namespaces of the calling process (`unshare(2)`) and the question whether it has one thread.

use crate::call::done;
use crate::fork::CloneFlags;
use rustix::io::Result;

/// Moves this thread into new namespaces.
///
/// # Errors
/// The kernel's: `EPERM`, `EINVAL` (a user or mount namespace from a process with several threads), `ENOSPC`,
/// `EUSERS`.
pub fn unshare(flags: CloneFlags) -> Result<()> {
    // SAFETY: the flags are namespaces only; CLONE_FILES, the one that could part fd tables, is not among them.
    done(unsafe { libc::syscall(libc::SYS_unshare, flags.bits()) })
}

/// Whether this process has exactly one thread.
///
/// `unshare(CLONE_THREAD)` does nothing in a process of one thread and is `EINVAL` in any other (unshare(2)).
pub fn is_single_threaded() -> bool {
    // SAFETY: the call either does nothing or fails.
    done(unsafe { libc::syscall(libc::SYS_unshare, libc::CLONE_THREAD) }).is_ok()
}
