//! Descriptors that go over to the program which this process executes next, by their numbers.

use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use serde::{Deserialize, Serialize};
use tare_error::{Context, Result};

/// Those that are to go over.
#[derive(Debug, Default)]
pub(super) struct Handing<'a> {
    fds: Vec<BorrowedFd<'a>>,
}

/// One that went over, until it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Handed(RawFd);

impl<'a> Handing<'a> {
    /// Adds one; what the other program knows it by.
    pub(super) fn hand(&mut self, fd: BorrowedFd<'a>) -> Handed {
        self.fds.push(fd);
        Handed(fd.as_raw_fd())
    }

    /// Leaves all of them open at the next exec, or none after all.
    pub(super) fn leave_open(&self, open: bool) -> Result<()> {
        for fd in &self.fds {
            tare_process::leave_open(*fd, open).op("hand over descriptor", fd.as_raw_fd())?;
        }
        Ok(())
    }
}

impl Handed {
    /// The one of this number.
    pub(super) fn numbered(number: RawFd) -> Handed {
        Handed(number)
    }

    pub(super) fn number(self) -> RawFd {
        self.0
    }

    /// Takes it; it can be taken once.
    pub(super) fn take(self) -> Result<OwnedFd> {
        tare_process::take_left(self.0).op("take over descriptor", self.0)
    }
}
