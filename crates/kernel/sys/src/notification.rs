//! What the listener of a seccomp filter is asked, and its answers (`seccomp_unotify(2)`, Linux 5.0).

use crate::call::done;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::{Errno, Result};

/// `SECCOMP_IOCTL_NOTIF_RECV`.
const RECEIVE: u64 = 0xc050_2100;
/// `SECCOMP_IOCTL_NOTIF_SEND`.
const SEND: u64 = 0xc018_2101;

/// `struct seccomp_notif`: a call that waits for an answer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// What the answer must name.
    pub id: u64,
    /// Who calls, in the pid namespace of the listener's holder; 0 where it is not seen there.
    pub pid: u32,
    flags: u32,
    /// The number of the call.
    pub call: i32,
    /// `AUDIT_ARCH_*` of the interface it came by.
    pub architecture: u32,
    /// Where the calling program stands.
    pub instruction: u64,
    /// The arguments; what they point at may change at any time.
    pub arguments: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
struct Answer {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

const _: () = assert!(size_of::<Notification>() == 80 && size_of::<Answer>() == 24);

/// Waits until a call asks, and takes it in.
///
/// # Errors
/// `ENOENT` where the caller was killed meanwhile, `EINTR`.
pub fn receive_notification(listener: BorrowedFd<'_>) -> Result<Notification> {
    // The kernel wants it all zero.
    let mut asked = Notification::default();
    // SAFETY: the request writes one structure of this layout, which lives across the call.
    done(unsafe { libc::syscall(libc::SYS_ioctl, listener.as_raw_fd(), RECEIVE, &raw mut asked) })?;
    Ok(asked)
}

/// Has a call fail.
///
/// # Errors
/// `ENOENT` where the call is over: its process was killed, or a signal broke it off.
pub fn refuse_call(listener: BorrowedFd<'_>, id: u64, error: Errno) -> Result<()> {
    let answer = Answer {
        id,
        value: 0,
        error: -error.raw_os_error(),
        flags: 0,
    };
    // SAFETY: the request reads one structure of this layout.
    done(unsafe { libc::syscall(libc::SYS_ioctl, listener.as_raw_fd(), SEND, &raw const answer) })
}
