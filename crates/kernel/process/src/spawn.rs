//! A child with the namespaces and the fds it is meant to have, and no others.

use crate::handover::close_all_but;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, Result};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use tare_sys::{CloneFlags, fork_sibling, fork_whole, fork_with};

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
    let keep = numbers(fork.keep);
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

/// Makes a child that works on by itself: its body may allocate, and live as long as it likes. It gets what is `held`, which is
/// dropped here, and keeps the fds of it that `fds` names and the three standard ones, and none else; it is in no namespace
/// of its own.
///
/// # Errors
/// `EDEADLK` where this process has several threads, else the kernel's.
pub fn spawn_worker<T>(
    held: T,
    fds: impl FnOnce(&T) -> Vec<BorrowedFd<'_>>,
    body: impl FnOnce(T) -> i32,
) -> Result<Child> {
    let keep = numbers(&fds(&held));
    let forked = fork_whole(|| match close_all_but(&keep) {
        Ok(()) => body(held),
        Err(_) => 1,
    })?;
    Ok(Child {
        pid: forked.pid,
        pidfd: forked.pidfd,
    })
}

/// The numbers of fds and of the standard ones, sorted.
fn numbers(fds: &[BorrowedFd<'_>]) -> Vec<u32> {
    let mut numbers: Vec<u32> = fds.iter().map(|fd| fd.as_raw_fd().unsigned_abs()).collect();
    numbers.extend([0, 1, 2]);
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// As [`spawn`], but the child is born in namespaces that this process must not enter itself, as there is no way back
/// from a user namespace: a process between enters them by `enter`, makes the child, and ends. The child is this
/// process's own.
///
/// `enter` runs under the rules of [`spawn`]'s body; none is returned where it says that it failed (it tells whoever is
/// to know).
///
/// # Errors
/// As [`spawn`]; `ECHILD` where the process between was killed.
pub fn spawn_through(
    fork: &Fork<'_>,
    enter: impl FnOnce() -> bool,
    body: impl FnOnce() -> i32,
) -> Result<Option<Child>> {
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let mut keep = fork.keep.to_vec();
    keep.push(theirs.as_fd());
    let how = Fork {
        flags: CloneFlags::empty(),
        // The child is born where the process between is: the right to put it there may end with `enter`.
        group: fork.group,
        keep: &keep,
    };
    let between = spawn(&how, || {
        if !enter() {
            return 1;
        }
        let told = match fork_sibling(fork.flags, body) {
            Ok(child) => tell(
                theirs.as_fd(),
                child.pid.as_raw_nonzero().get(),
                Some(child.pidfd.as_fd()),
            ),
            Err(errno) => tell(theirs.as_fd(), -errno.raw_os_error(), None),
        };
        i32::from(told.is_err())
    })?;
    // Nothing is waited for but its end: it speaks before, if it speaks.
    let status = between.wait()?;
    match (hear(ours.as_fd())?, status.exit_status()) {
        (Some((number, Some(pidfd))), _) => Ok(Pid::from_raw(number).map(|pid| Child { pid, pidfd })),
        (Some((number, None)), _) => Err(Errno::from_raw_os_error(-number)),
        (None, Some(1)) => Ok(None),
        (None, _) => Err(Errno::CHILD),
    }
}

/// Tells a pid with its pidfd, or an error number below zero. Allocates nothing.
fn tell(to: BorrowedFd<'_>, number: i32, pidfd: Option<BorrowedFd<'_>>) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = pidfd.map(|fd| [fd]);
    if let Some(fds) = &fds
        && !ancillary.push(SendAncillaryMessage::ScmRights(fds))
    {
        return Err(Errno::NOBUFS);
    }
    let bytes = number.to_ne_bytes();
    sendmsg(to, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL).map(|_| ())
}

/// Hears what was told; nothing where nothing was.
fn hear(from: BorrowedFd<'_>) -> Result<Option<(i32, Option<OwnedFd>)>> {
    let mut bytes = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let heard = match recvmsg(from, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags) {
        Err(Errno::AGAIN) => return Ok(None),
        done => done?.bytes,
    };
    let pidfd = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok((heard == bytes.len()).then(|| (i32::from_ne_bytes(bytes), pidfd)))
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

    /// Whether it has ended, so that waiting for it takes no time.
    pub fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&Timespec::default())), Ok(1..))
    }

    /// Ends it with `SIGKILL` and reaps it.
    pub fn kill_and_reap(&self) {
        let _ = self.signal(Signal::KILL);
        let _ = self.wait();
    }
}
