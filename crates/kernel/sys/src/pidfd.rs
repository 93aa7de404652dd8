//! What a pidfd tells about its process (`PIDFD_GET_INFO`, Linux 6.13).

use crate::call::done;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Result;

/// `struct pidfd_info` in its first size, 64 bytes: later kernels fill it and keep the rest to themselves.
#[repr(C)]
#[derive(Default)]
struct RawInfo {
    mask: u64,
    cgroup_id: u64,
    pid: u32,
    thread_group: u32,
    parent: u32,
    ids: [u32; 8],
    exit_code: i32,
}

/// `_IOWR(0xff, 11, struct pidfd_info)`, of 64 bytes; computed, because its type differs between C libraries.
const PIDFD_GET_INFO: libc::Ioctl = libc::_IOWR::<RawInfo>(0xff, 11);
/// `PIDFD_INFO_PID` and `PIDFD_INFO_EXIT`.
const INFO_PID: u64 = 1;
const INFO_EXIT: u64 = 1 << 3;

/// A process, living or dead, as its pidfd knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PidfdInfo {
    /// Its pid in the caller's pid namespace; 0 once it has been reaped or where it is not in there.
    pub pid: u32,
    /// The wait status (`wait(2)`), once it has been reaped (Linux 6.15).
    pub exit_status: Option<i32>,
}

/// Asks a pidfd about its process.
///
/// # Errors
/// `ENOTTY` or `EINVAL` before Linux 6.13; `ESRCH` for one reaped, before Linux 6.15.
pub fn pidfd_info(pidfd: BorrowedFd<'_>) -> Result<PidfdInfo> {
    let mut info = RawInfo {
        mask: INFO_PID | INFO_EXIT,
        ..RawInfo::default()
    };
    // SAFETY: the number says that the kernel reads and writes 64 bytes, which is the size of this live struct.
    done(unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, &raw mut info) }.into())?;
    Ok(PidfdInfo {
        pid: info.pid,
        exit_status: (info.mask & INFO_EXIT != 0).then_some(info.exit_code),
    })
}

const _: () = assert!(size_of::<RawInfo>() == 64);

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;
    use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};

    #[test]
    fn a_process_and_its_end() {
        let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        let info = match pidfd_info(own.as_fd()) {
            Err(rustix::io::Errno::NOTTY | rustix::io::Errno::INVAL) => return,
            info => info.unwrap(),
        };
        assert_eq!(
            info,
            PidfdInfo {
                pid: std::process::id(),
                exit_status: None
            }
        );

        let mut child = std::process::Command::new("sh")
            .args(["-c", "exit 7"])
            .spawn()
            .unwrap();
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
        child.wait().unwrap();
        if let Ok(info) = pidfd_info(pidfd.as_fd()) {
            assert_eq!(info.exit_status, Some(7 << 8));
        }
    }
}
