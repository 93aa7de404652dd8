//! Loading a seccomp filter (`seccomp(2)`).

use crate::call::done;
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
    done(unsafe {
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
