//! Ranges of file descriptors (`close_range(2)`, Linux 5.9).

use crate::call::done;
use rustix::io::Result;

/// `CLOSE_RANGE_CLOEXEC` (Linux 5.11).
const ON_EXEC: libc::c_uint = 1 << 2;

/// Closes every fd from `first` to `last`, both included; those that are not open do not matter.
///
/// # Errors
/// `ENOSYS` before Linux 5.9 or behind a filter.
///
/// # Safety
/// The caller owns every fd in the range, as a process does that is about to exec, or is a child that has just been
/// forked and uses none of them again: closing an fd that a living `OwnedFd` still names breaks I/O safety.
pub unsafe fn close_range(first: u32, last: u32) -> Result<()> {
    // SAFETY: the caller promises that nobody uses these fds again.
    done(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })
}

/// Marks every fd from `first` to `last` to be closed at exec.
///
/// # Errors
/// `EINVAL` before Linux 5.11, `ENOSYS` before 5.9 or behind a filter.
pub fn close_range_on_exec(first: u32, last: u32) -> Result<()> {
    // SAFETY: nothing is closed now; the call sets a flag on open fds and ignores the others.
    done(unsafe { libc::syscall(libc::SYS_close_range, first, last, ON_EXEC) })
}
