//! A session keyring of one's own (`keyctl(2)`), so that the starter's keys do not pass on.

use crate::call::done;
use rustix::io::Result;
use std::ffi::CStr;

/// `KEYCTL_JOIN_SESSION_KEYRING`.
const JOIN_SESSION_KEYRING: libc::c_ulong = 1;

/// Gives this process a session keyring `name`, made where it is missing.
///
/// # Errors
/// `ENOSYS` where the kernel has no keyrings, `EPERM` behind a filter, `EDQUOT` at the user's quota.
pub fn join_session_keyring(name: &CStr) -> Result<()> {
    // SAFETY: the kernel only reads the C string.
    done(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, name.as_ptr()) })
}
