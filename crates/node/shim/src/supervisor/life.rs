//! A process that lives: a child of ours, or one that a supervisor before us left, which can only be watched.

use crate::exit::{self, Exit};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::cell::Cell;
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Kind, Result};
use tare_process::{Child, Stamp};

/// How long whoever reaps a process that is not ours may take for it: the kernel tells its status only then.
const REAPING: Duration = Duration::from_secs(2);
/// How long it is asked again that has been reaped, and of which nothing is known: between a look for the status and one for
/// the process, both of the kernel's, it may be reaped (seen on Linux 6.18, once in some hundred).
const REAPED: Duration = Duration::from_millis(100);
/// How long the end of a process that was killed is waited for.
const DYING: Duration = Duration::from_secs(10);

/// A process that lives, or whose end was not taken yet.
#[derive(Debug)]
pub(super) struct Life {
    /// What a successor knows it by.
    pub(super) stamp: Stamp,
    hold: Hold,
}

/// How a process is held.
#[derive(Debug)]
enum Hold {
    /// It is ours to wait for.
    Child(Child),
    /// It was another supervisor's child, and is pid 1's now: its pidfd tells its end (Linux 6.15), or nobody does.
    Adopted {
        pidfd: OwnedFd,
        /// Since when it has ended, where its status is still to come.
        ended: Cell<Option<Instant>>,
    },
}

impl Life {
    /// A child of ours.
    pub(super) fn of_child(child: Child, stamp: Stamp) -> Life {
        Life {
            stamp,
            hold: Hold::Child(child),
        }
    }

    /// As the program before this one had it, in the same process.
    pub(super) fn restore(stamp: Stamp, pidfd: OwnedFd, is_child: bool) -> Result<Life> {
        let hold = match is_child {
            true => {
                let pid = Pid::from_raw(stamp.pid).ok_or_else(|| {
                    Error::new(Kind::Corrupt, "take over process", stamp.pid).because("it is no pid")
                })?;
                Hold::Child(Child { pid, pidfd })
            }
            false => Hold::Adopted {
                pidfd,
                ended: Cell::new(None),
            },
        };
        Ok(Life { stamp, hold })
    }

    /// Whether it is ours to wait for.
    pub(super) fn is_child(&self) -> bool {
        matches!(self.hold, Hold::Child(_))
    }

    /// Takes over a process that another supervisor left; none where it runs no more.
    pub(super) fn adopt(stamp: &Stamp) -> Result<Option<Life>> {
        Ok(stamp.running()?.map(|pidfd| Life {
            stamp: stamp.clone(),
            hold: Hold::Adopted {
                pidfd,
                ended: Cell::new(None),
            },
        }))
    }

    pub(super) fn pid(&self) -> i32 {
        self.stamp.pid
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: i32) -> rustix::io::Result<()> {
        tare_signal::send(self.as_fd(), signal)
    }

    /// Its end, where that has come.
    pub(super) fn end(&self) -> Result<Option<Exit>> {
        match &self.hold {
            Hold::Child(child) => {
                let status = child.try_wait().op("wait for process", self.pid())?;
                Ok(status.as_ref().map(exit::of_status))
            }
            Hold::Adopted { pidfd, ended } => Ok(end_of_adopted(pidfd, ended)),
        }
    }

    /// Whether it has ended; its end may be still to be taken.
    pub(super) fn has_ended(&self) -> bool {
        let (Hold::Child(Child { pidfd, .. }) | Hold::Adopted { pidfd, .. }) = &self.hold;
        crate::pod::has_ended(pidfd)
    }

    /// Whether it has ended and its status is still to come, which nothing announces.
    pub(super) fn is_to_be_looked_at(&self) -> bool {
        matches!(&self.hold, Hold::Adopted { ended, .. } if ended.get().is_some())
    }

    /// Ends it with `SIGKILL`, and waits for that.
    pub(super) fn kill_and_reap(&self) {
        match &self.hold {
            Hold::Child(child) => child.kill_and_reap(),
            Hold::Adopted { pidfd, .. } => {
                let _ = self.signal(Signal::KILL.as_raw());
                let _ = crate::clock::wait_readable(pidfd, Some(Instant::now() + DYING));
            }
        }
    }
}

impl AsFd for Life {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.hold {
            Hold::Child(child) => child.pidfd.as_fd(),
            Hold::Adopted { pidfd, .. } => pidfd.as_fd(),
        }
    }
}

/// The end of a process that is not ours to wait for.
fn end_of_adopted(pidfd: &OwnedFd, ended: &Cell<Option<Instant>>) -> Option<Exit> {
    if !crate::pod::has_ended(pidfd) {
        return None;
    }
    let since = ended.get().unwrap_or_else(Instant::now);
    ended.set(Some(since));
    match tare_sys::pidfd_info(pidfd.as_fd()).map(|info| info.exit_status) {
        Ok(Some(status)) => Some(exit::of_wait(status)),
        Ok(None) if since + REAPING > Instant::now() => None,
        Ok(None) => Some(exit::unknown(
            "its supervisor died, and whose child it became has not reaped it",
        )),
        Err(Errno::SRCH) if since + REAPED > Instant::now() => None,
        Err(Errno::SRCH | Errno::NOTTY | Errno::INVAL) => Some(exit::unknown(
            "its supervisor died, and this kernel tells the end of a process to its parent alone (before Linux 6.15)",
        )),
        Err(e) => Some(exit::unknown(format!(
            "its supervisor died, and the kernel does not tell its end: {e}"
        ))),
    }
}
