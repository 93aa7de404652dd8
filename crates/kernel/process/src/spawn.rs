//! A child with the namespaces and the fds it is meant to have, and no others.

use crate::handover::close_all_but;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use tare_sys::{CloneFlags, fork_with};

/// How a child is made.
#[derive(Debug)]
pub struct Fork<'a> {
    /// Which namespaces it gets of its own.
    pub flags: CloneFlags,
    /// The cgroup v2 directory it is born into.
    pub group: Option<BorrowedFd<'a>>,
    /// The fds it keeps, besides 0, 1 and 2; every other one is closed before its body runs.
    pub keep: &'a [BorrowedFd<'a>],
}

/// A child process, held by its pidfd.
#[derive(Debug)]
pub struct Child {
    /// Its pid, in this process's pid namespace; reliable until it is waited for.
    pub pid: Pid,
    /// Its pidfd: readable once it has ended.
    pub pidfd: OwnedFd,
}

/// Makes a child that runs `body` and exits with its value.
///
/// The body sees this process's memory as it is now; it must use no fd but those of [`Fork::keep`] and the three
/// standard ones, allocate nothing and take no lock.
///
/// # Errors
/// `EDEADLK` where this process has several threads, else the kernel's.
pub fn spawn(fork: &Fork<'_>, body: impl FnOnce() -> i32) -> Result<Child> {
    let mut keep: Vec<u32> = fork.keep.iter().map(|fd| fd.as_raw_fd().unsigned_abs()).collect();
    keep.extend([0, 1, 2]);
    keep.sort_unstable();
    keep.dedup();
    let forked = fork_with(fork.flags, fork.group, || match close_all_but(&keep) {
        Ok(()) => body(),
        Err(_) => 1,
    })?;
    let child = Child {
        pid: forked.pid,
        pidfd: forked.pidfd,
    };
    if let (Some(group), false) = (fork.group, forked.in_group)
        && let Err(e) = move_into(group, child.pid)
    {
        child.kill_and_reap();
        return Err(e);
    }
    Ok(child)
}

/// Moves a process into a cgroup v2 directory: the fallback for birth into it.
fn move_into(group: BorrowedFd<'_>, pid: Pid) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::openat(group, c"cgroup.procs", flags, Mode::empty())?;
    rustix::io::write(&file, pid.as_raw_nonzero().to_string().as_bytes()).map(|_| ())
}

impl Child {
    /// Sends a signal; nothing happens to a process that has ended.
    ///
    /// # Errors
    /// `ESRCH` where it has ended, else the kernel's.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        rustix::process::pidfd_send_signal(&self.pidfd, signal)
    }

    /// Its end, where it has come; reaps it. Never waits.
    ///
    /// # Errors
    /// `ECHILD` where somebody else reaped it.
    pub fn try_wait(&self) -> Result<Option<WaitIdStatus>> {
        rustix::process::waitid(
            WaitId::PidFd(self.pidfd.as_fd()),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
        )
    }

    /// Waits for its end and reaps it.
    ///
    /// # Errors
    /// `ECHILD` where somebody else reaped it.
    pub fn wait(&self) -> Result<WaitIdStatus> {
        loop {
            match rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED) {
                Ok(Some(status)) => return Ok(status),
                Ok(None) | Err(Errno::INTR) => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Ends it with `SIGKILL` and reaps it.
    pub fn kill_and_reap(&self) {
        let _ = self.signal(Signal::KILL);
        let _ = self.wait();
    }
}
