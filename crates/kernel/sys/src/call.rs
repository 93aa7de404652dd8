//! Turning a raw return value into a result.

use rustix::io::{Errno, Result};

/// The value of a system call made through libc, or its error number.
pub(crate) fn value(returned: libc::c_long) -> Result<libc::c_long> {
    if returned == -1 {
        // SAFETY: errno is this thread's own, and reading it has no precondition.
        let location = unsafe { libc::__errno_location() };
        // SAFETY: the C library guarantees that the location is valid and aligned for this thread.
        return Err(Errno::from_raw_os_error(unsafe { *location }));
    }
    Ok(returned)
}

/// As [`value`], for calls that return nothing of interest.
pub(crate) fn done(returned: libc::c_long) -> Result<()> {
    value(returned).map(|_| ())
}
