//! Loading a seccomp filter (`seccomp(2)`).

use crate::call::value;
use rustix::fd::{FromRawFd, OwnedFd, RawFd};
use rustix::io::{Errno, Result};

/// Bytes of one instruction, `struct sock_filter`.
const INSTRUCTION: usize = 8;

bitflags::bitflags! {
    /// Flags of `SECCOMP_SET_MODE_FILTER`, with the kernel's values.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct FilterFlags: u32 {
        /// All threads get the filter.
        const TSYNC = 1;
        /// Every action but allow is logged.
        const LOG = 1 << 1;
        /// No mitigation of speculative store bypass.
        const SPEC_ALLOW = 1 << 2;
        /// The load gives a listener, which decides on calls (Linux 5.0).
        const NEW_LISTENER = 1 << 3;
        /// A thread that cannot be synchronised is an error, so that `TSYNC` goes with a listener (Linux 5.7).
        const TSYNC_ESRCH = 1 << 4;
        /// Only fatal signals end the wait for a listener (Linux 5.19).
        const WAIT_KILLABLE_RECV = 1 << 5;
    }
}

/// Loads a filter for this thread: classic BPF instructions in the kernel's own layout, 8 bytes each.
///
/// # Errors
/// `EINVAL` for a program the kernel refuses or of a wrong length, `EACCES` without `no_new_privs` and
/// `CAP_SYS_ADMIN`, else the kernel's.
pub fn load_filter(program: &[u8], flags: FilterFlags) -> Result<()> {
    load(program, flags - FilterFlags::NEW_LISTENER).map(|_| ())
}

/// As [`load_filter`], and gives the listener that decides on calls whose action is to ask (`SECCOMP_RET_USER_NOTIF`);
/// it is close-on-exec.
///
/// # Errors
/// As [`load_filter`]; `EBUSY` where a filter of this thread has a listener already.
pub fn load_filter_with_listener(program: &[u8], flags: FilterFlags) -> Result<OwnedFd> {
    let returned = load(program, flags | FilterFlags::NEW_LISTENER)?;
    let fd = RawFd::try_from(returned).map_err(|_| Errno::BADF)?;
    // SAFETY: with this flag the kernel returns a new fd that nobody else knows of.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn load(program: &[u8], flags: FilterFlags) -> Result<libc::c_long> {
    let count = u16::try_from(program.len() / INSTRUCTION).map_err(|_| Errno::INVAL)?;
    if !program.len().is_multiple_of(INSTRUCTION) {
        return Err(Errno::INVAL);
    }
    let program = libc::sock_fprog {
        len: count,
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: the kernel copies `len` instructions of 8 bytes each, which lie inside the borrowed slice, writes
    // nothing, and accepts any alignment (copy_from_user).
    value(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags.bits(),
            &raw const program,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_lengths_and_empty_programs_are_refused() {
        for length in [0, 7, 12] {
            assert_eq!(
                load_filter(&vec![0; length], FilterFlags::empty()),
                Err(Errno::INVAL)
            );
        }
    }
}
