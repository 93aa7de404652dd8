//! Where and as what a program runs: NUMA memory policy (`set_mempolicy(2)`) and execution domain (`personality(2)`).

use crate::call::done;
use rustix::io::Result;

/// Sets the memory policy of this thread, which survives exec. `mode` is one of `MPOL_*` with its `MPOL_F_*` flags;
/// `nodes` holds one bit per node, the lowest first, and may be empty.
///
/// # Errors
/// `EINVAL` for a mode that does not fit the nodes, or for nodes that are not online or not allowed here; `ENOSYS` in a
/// kernel without NUMA or behind a filter.
pub fn set_memory_policy(mode: i32, nodes: &[usize]) -> Result<()> {
    // The kernel takes one less than it is told (set_mempolicy(2), "BUGS" of get_mempolicy).
    let bits = if nodes.is_empty() {
        0
    } else {
        nodes.len() * usize::BITS as usize + 1
    };
    let mask = if nodes.is_empty() {
        std::ptr::null()
    } else {
        nodes.as_ptr()
    };
    // SAFETY: the kernel reads `bits - 1` bits, which is the length of the borrowed slice, and nothing for a null mask.
    done(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask, bits) })
}

/// Sets the execution domain of this process, which survives exec.
///
/// # Errors
/// `EPERM` behind a filter.
pub fn set_personality(domain: u32) -> Result<()> {
    // SAFETY: one integer.
    done(unsafe { libc::syscall(libc::SYS_personality, domain) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn policies_of_nodes_that_exist_and_that_do_not() {
        // Kernels without NUMA say so.
        match set_memory_policy(2, &[1]) {
            Ok(()) => {
                assert_eq!(set_memory_policy(2, &[0]), Err(Errno::INVAL));
                assert_eq!(set_memory_policy(0, &[]), Ok(()));
            }
            Err(e) => assert!(matches!(e, Errno::NOSYS | Errno::INVAL), "{e}"),
        }
    }

    #[test]
    fn the_domain_of_this_process_can_be_set_again() {
        assert_eq!(set_personality(0), Ok(()));
    }
}
