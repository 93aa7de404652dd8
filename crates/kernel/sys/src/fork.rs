//! A child with namespaces of its own (`clone3(2)`, Linux 5.3; `clone(2)` where a filter denies it).

use crate::call::value;
use crate::exec::exit_now;
use crate::namespace::is_single_threaded;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::{Errno, Result};
use rustix::process::Pid;

/// `CLONE_PIDFD` (Linux 5.2).
const PIDFD: u64 = 0x1000;
/// `CLONE_PARENT`.
const PARENT: u64 = 0x8000;
/// `CLONE_INTO_CGROUP` (Linux 5.7, `clone3` only).
const INTO_CGROUP: u64 = 0x2_0000_0000;

bitflags::bitflags! {
    /// What a child gets of its own, with the kernel's values.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CloneFlags: u32 {
        /// Time namespace, of children not yet made; for `unshare` alone (its bit names a signal to `clone`).
        const NEWTIME = 0x0000_0080;
        /// Mount namespace.
        const NEWNS = 0x0002_0000;
        /// Cgroup namespace.
        const NEWCGROUP = 0x0200_0000;
        /// UTS namespace.
        const NEWUTS = 0x0400_0000;
        /// IPC namespace.
        const NEWIPC = 0x0800_0000;
        /// User namespace; made first, so that it owns the others.
        const NEWUSER = 0x1000_0000;
        /// Pid namespace; the child is its first process.
        const NEWPID = 0x2000_0000;
        /// Network namespace.
        const NEWNET = 0x4000_0000;
    }
}

/// A child just made.
#[derive(Debug)]
pub struct Forked {
    /// Its pid in the caller's pid namespace.
    pub pid: Pid,
    /// A pidfd of it, close-on-exec.
    pub pidfd: OwnedFd,
    /// Whether it was born into the group asked for; if not, it must be moved there.
    pub in_group: bool,
}

/// What a parent is told by.
const SIGCHLD: u64 = libc::SIGCHLD as u64;

/// `struct clone_args` up to Linux 5.7.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Ends the process when dropped: the guard that keeps an unwinding child out of its parent's frames.
struct NeverReturn;

impl Drop for NeverReturn {
    fn drop(&mut self) {
        exit_now(101);
    }
}

/// Makes a child that runs `body` and exits with its value; the caller goes on with the child's pid and pidfd.
///
/// The child has a copy of this process's memory, so `body` sees all that the caller prepared. It should allocate
/// nothing and take no lock; it must not rely on the C library's notion of its thread id. `group` is a cgroup v2
/// directory to be born into.
///
/// # Errors
/// `EDEADLK` where this process has other threads: their locks would stay locked in the child for ever. Else the
/// kernel's; where `clone3` is denied (`ENOSYS`, `EPERM` of an old container filter) `clone` is used and
/// [`Forked::in_group`] is false.
pub fn fork_with(
    flags: CloneFlags,
    group: Option<BorrowedFd<'_>>,
    body: impl FnOnce() -> i32,
) -> Result<Forked> {
    fork_by(u64::from(flags.bits()), group, body)
}

/// As [`fork_with`], and the child is not this process's but its parent's to wait for (`CLONE_PARENT`).
///
/// For a process that exists only to enter namespaces in which the child is to be born.
///
/// # Errors
/// As [`fork_with`]; `EINVAL` in the first process of a pid namespace.
pub fn fork_sibling(flags: CloneFlags, body: impl FnOnce() -> i32) -> Result<Forked> {
    fork_by(u64::from(flags.bits()) | PARENT, None, body)
}

/// Makes a child by fork(2) of the C library, which renews its idea of the thread in the child: one that may allocate, live
/// on and even abort. A child of [`fork_with`] that aborted would signal its parent, whose thread id the library remembers.
///
/// # Errors
/// `EDEADLK` where this process has other threads, else the kernel's.
pub fn fork_whole(body: impl FnOnce() -> i32) -> Result<Forked> {
    if !is_single_threaded() {
        return Err(Errno::DEADLK);
    }
    // SAFETY: this process has one thread, so that the child lacks none; it runs its body and never returns from here.
    let returned = value(i64::from(unsafe { libc::fork() }))?;
    let Some(pid) = i32::try_from(returned).ok().and_then(Pid::from_raw) else {
        let _guard = NeverReturn;
        exit_now(body());
    };
    match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Forked {
            pid,
            pidfd,
            in_group: false,
        }),
        Err(e) => {
            // Nobody could wait for it by a pidfd; its number is its own until it is reaped.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
            Err(e)
        }
    }
}

fn fork_by(flags: u64, group: Option<BorrowedFd<'_>>, body: impl FnOnce() -> i32) -> Result<Forked> {
    if !is_single_threaded() {
        return Err(Errno::DEADLK);
    }
    let mut pidfd: RawFd = -1;
    let (returned, in_group) = match by_clone3(flags, group, &mut pidfd) {
        Err(Errno::NOSYS | Errno::PERM) => (by_clone(flags, &mut pidfd)?, false),
        done => (done?, group.is_some()),
    };
    let Some(pid) = Pid::from_raw(returned) else {
        let _guard = NeverReturn;
        exit_now(body());
    };
    // SAFETY: CLONE_PIDFD made the kernel store a new fd here that nobody else knows of.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Forked { pid, pidfd, in_group })
}

fn by_clone3(flags: u64, group: Option<BorrowedFd<'_>>, pidfd: &mut RawFd) -> Result<i32> {
    let mut args = CloneArgs {
        flags: flags | PIDFD,
        pidfd: std::ptr::from_mut(pidfd).expose_provenance() as u64,
        // A sibling has the signal of this process itself, and the kernel takes no other.
        exit_signal: if flags & PARENT == 0 { SIGCHLD } else { 0 },
        ..CloneArgs::default()
    };
    if let Some(group) = group {
        args.flags |= INTO_CGROUP;
        args.cgroup = u64::from(group.as_raw_fd().unsigned_abs());
    }
    // SAFETY: without CLONE_VM and with a null stack the child is a copy of this process, as after fork(2); this
    // process has one thread (checked by the only caller), so no lock is held by a thread that the child lacks.
    // `args` lives across the call, has the size given, and its pidfd field points to a live, writable integer.
    let returned = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    number(value(returned)?)
}

/// The fallback: the same without birth into a group. The first three arguments are in this order on all
/// architectures but s390 (clone(2)).
fn by_clone(flags: u64, pidfd: &mut RawFd) -> Result<i32> {
    let flags = flags | PIDFD | SIGCHLD;
    // SAFETY: as above; CLONE_PIDFD stores the pidfd where the third argument points (the parent tid).
    let returned = unsafe {
        libc::syscall(
            libc::SYS_clone,
            flags,
            0_usize,
            std::ptr::from_mut(pidfd),
            0_usize,
            0_usize,
        )
    };
    number(value(returned)?)
}

/// A pid as the kernel returns it; 0 in the child.
fn number(returned: libc::c_long) -> Result<i32> {
    i32::try_from(returned).map_err(|_| Errno::OVERFLOW)
}
