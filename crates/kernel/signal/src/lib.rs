//! **What.** Signals as descriptors: blocked in the calling thread, read from a `signalfd(2)`, sent through a pidfd by
//! number, known by name, real-time signals included.
//!
//! **Not.** No handlers: nothing of ours runs at a signal's arbitrary moment. No policy on which signals matter.
//!
//! **Words.** *Blocked*: pending until read, instead of acted on. *Reception*: a set of signals, blocked and readable.
//!
//! **Life.** [`Reception::open`] blocks a set and opens its descriptor → poll it → [`Reception::next`] until `None` →
//! drop, which restores the mask the thread had.
//!
//! **Rules.** A mask belongs to a thread and is inherited by its children, also over exec: whoever starts a program
//! under a reception does so in [`Reception::released`]. A signal for the whole process goes to any thread that does
//! not block it, so that a reception is only sound in a process with one thread, or opened before the others.
#![expect(
    unsafe_code,
    reason = "signalfd and the thread's mask have no safe form in rustix"
)]

mod name;

pub use name::{name, number};

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, Result};
use std::mem::MaybeUninit;

/// A set of signals, blocked in this thread and readable from a descriptor.
#[derive(Debug)]
pub struct Reception {
    fd: OwnedFd,
    set: libc::sigset_t,
    before: libc::sigset_t,
}

impl Reception {
    /// Blocks the signals with these numbers in the calling thread and opens a descriptor to read them from.
    ///
    /// # Errors
    /// `EINVAL` for a number that is no signal, else the kernel's.
    pub fn open(signals: &[i32]) -> Result<Reception> {
        let set = set_of(signals)?;
        // SAFETY: the set lives across the call; -1 asks for a new descriptor, which signalfd(2) hands to us alone.
        let raw = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if raw < 0 {
            return Err(last_error());
        }
        // SAFETY: the call above succeeded, so that the number is an open descriptor that nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let before = change(libc::SIG_BLOCK, &set)?;
        Ok(Reception { fd, set, before })
    }

    /// Takes one more signal into the set.
    ///
    /// # Errors
    /// `EINVAL` for a number that is no signal, else the kernel's.
    pub fn add(&mut self, signal: i32) -> Result<()> {
        let mut set = self.set;
        // SAFETY: the set is valid; a number out of range is answered with EINVAL.
        if unsafe { libc::sigaddset(&raw mut set, signal) } != 0 {
            return Err(Errno::INVAL);
        }
        // SAFETY: the set lives across the call, and the descriptor is our own: signalfd(2) gives it the new set.
        if unsafe { libc::signalfd(self.fd.as_raw_fd(), &raw const set, 0) } < 0 {
            return Err(last_error());
        }
        change(libc::SIG_BLOCK, &set)?;
        self.set = set;
        Ok(())
    }

    /// As [`Reception::open`], in a program that was executed while an earlier reception blocked these signals: what it starts
    /// blocks none.
    ///
    /// # Errors
    /// As [`Reception::open`].
    pub fn reopen(signals: &[i32]) -> Result<Reception> {
        let mut reception = Reception::open(signals)?;
        reception.before = set_of(&[])?;
        Ok(reception)
    }

    /// The number of the next signal that arrived; `None` where there is none now.
    pub fn next(&self) -> Option<i32> {
        let mut bytes = [0_u8; size_of::<libc::signalfd_siginfo>()];
        loop {
            match rustix::io::read(&self.fd, &mut bytes) {
                // ssi_signo is the first member: signalfd(2).
                Ok(n) if n == bytes.len() => {
                    let [b0, b1, b2, b3, ..] = bytes;
                    return i32::try_from(u32::from_ne_bytes([b0, b1, b2, b3])).ok();
                }
                Err(Errno::INTR) => {}
                _ => return None,
            }
        }
    }

    /// Runs `start`, which starts a program, with the mask the thread had before, so that the program inherits that.
    ///
    /// A signal of the set that arrives meanwhile has its default effect: where that is to be ignored (`CHLD`), the
    /// caller looks for what it may have missed; where it ends the process, so be it.
    ///
    /// # Errors
    /// The kernel's, before `start` ran.
    pub fn released<T>(&self, start: impl FnOnce() -> T) -> Result<T> {
        change(libc::SIG_SETMASK, &self.before)?;
        let result = start();
        change(libc::SIG_BLOCK, &self.set)?;
        Ok(result)
    }
}

impl AsFd for Reception {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Reception {
    fn drop(&mut self) {
        let _ = change(libc::SIG_SETMASK, &self.before);
    }
}

/// Lets every signal through in the calling thread: for a process that inherited a mask it knows nothing of.
///
/// # Errors
/// The kernel's; none is known.
pub fn unblock_all() -> Result<()> {
    change(libc::SIG_SETMASK, &set_of(&[])?).map(drop)
}

/// Sends the signal with this number to the process behind a pidfd (`pidfd_send_signal(2)`, Linux 5.1).
///
/// # Errors
/// `ESRCH` where the process has ended and was reaped, `EINVAL` for a number that is no signal, `EPERM`.
pub fn send(pidfd: impl AsFd, signal: i32) -> Result<()> {
    let raw = pidfd.as_fd().as_raw_fd();
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null info is allowed and makes the signal look as from kill(2); the descriptor is borrowed and open.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, raw, signal, info, 0) };
    if sent == 0 { Ok(()) } else { Err(last_error()) }
}

/// The numbers of all real-time signals a program may use (signal(7)).
pub fn real_time() -> impl Iterator<Item = i32> {
    libc::SIGRTMIN()..=libc::SIGRTMAX()
}

fn set_of(signals: &[i32]) -> Result<libc::sigset_t> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset(3) writes a whole set through the pointer, which is to memory of ours.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the line above wrote it.
    let mut set = unsafe { set.assume_init() };
    for signal in signals {
        // SAFETY: the set is valid; a number out of range is answered with EINVAL.
        if unsafe { libc::sigaddset(&raw mut set, *signal) } != 0 {
            return Err(Errno::INVAL);
        }
    }
    Ok(set)
}

/// Changes the calling thread's mask and returns what it was.
fn change(how: i32, set: &libc::sigset_t) -> Result<libc::sigset_t> {
    let mut before = MaybeUninit::uninit();
    // SAFETY: both sets live across the call, and the second is written as a whole where the call succeeds.
    match unsafe { libc::pthread_sigmask(how, set, before.as_mut_ptr()) } {
        // SAFETY: the call succeeded and has written it.
        0 => Ok(unsafe { before.assume_init() }),
        error => Err(Errno::from_raw_os_error(error)),
    }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

    fn child(program: &str, argument: &str) -> std::process::Child {
        std::process::Command::new(program).arg(argument).spawn().unwrap()
    }

    #[test]
    fn a_signal_is_read_instead_of_acted_on_and_the_mask_returns() {
        let set = [Signal::USR2.as_raw()];
        let before = change(libc::SIG_BLOCK, &set_of(&[]).unwrap()).unwrap();
        let mut reception = Reception::open(&set).unwrap();
        assert_eq!(reception.next(), None);
        // To this very thread: the test harness has others.
        // SAFETY: raise(3) of a blocked signal.
        assert_eq!(unsafe { libc::raise(libc::SIGUSR2) }, 0);
        assert_eq!(reception.next(), Some(libc::SIGUSR2));
        assert_eq!(reception.next(), None);
        reception.add(libc::SIGWINCH).unwrap();
        assert_eq!(reception.add(-1), Err(Errno::INVAL));
        // SAFETY: raise(3) of a blocked signal.
        assert_eq!(unsafe { libc::raise(libc::SIGWINCH) }, 0);
        assert_eq!(reception.next(), Some(libc::SIGWINCH));
        drop(reception);
        let after = change(libc::SIG_BLOCK, &set_of(&[]).unwrap()).unwrap();
        // SAFETY: both sets are whole.
        let blocked = |set: &libc::sigset_t| unsafe { libc::sigismember(set, libc::SIGUSR2) };
        assert_eq!((blocked(&before), blocked(&after)), (0, 0));
    }

    #[test]
    fn a_program_started_released_blocks_nothing() {
        let reception = Reception::open(&[libc::SIGTERM]).unwrap();
        let script = "sleep 100";
        let start = || {
            std::process::Command::new("sh")
                .args(["-c", script])
                .spawn()
                .unwrap()
        };
        let mut child = reception.released(start).unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        send(&pidfd, libc::SIGTERM).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(libc::SIGTERM)
        );
        assert_eq!(send(&pidfd, libc::SIGTERM), Err(Errno::SRCH));
    }

    #[test]
    fn real_time_signals_can_be_sent_and_nonsense_cannot() {
        let mut sleeper = child("sleep", "100");
        let pid = Pid::from_raw(i32::try_from(sleeper.id()).unwrap()).unwrap();
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        assert_eq!(send(&pidfd, 1000), Err(Errno::INVAL));
        let last = real_time().last().unwrap();
        send(&pidfd, last).unwrap();
        let status = sleeper.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(last));
        assert!(matches!(Reception::open(&[-1]), Err(Errno::INVAL)));
    }
}
