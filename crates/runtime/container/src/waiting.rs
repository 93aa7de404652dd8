//! A created container that waits at its gate, seen by the process that starts it.

use crate::failure;
use crate::plan::Plan;
use crate::report::{self, Message, Received};
use crate::step::Signal;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::path::Path;
use tare_error::{Context, Error, Kind, Result};

/// A container that waits to be started.
#[derive(Debug)]
pub struct Waiting(OwnedFd);

impl Waiting {
    /// Goes to the gate whose socket lies at `path`; at most 107 bytes.
    ///
    /// # Errors
    /// `Conflict` where nobody waits there: it was started already, or its process is gone.
    pub fn at(path: &Path) -> Result<Waiting> {
        let socket = socket_with(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .op("make a socket for", path.display())?;
        let address = SocketAddrUnix::new(path).op("use", path.display())?;
        match connect(&socket, &address) {
            Ok(()) => Ok(Waiting(socket)),
            Err(Errno::CONNREFUSED | Errno::NOENT) => {
                Err(Error::new(Kind::Conflict, "start", "the container")
                    .because("its process does not wait to be started"))
            }
            Err(e) => Err(Error::os("connect to", path.display(), e)),
        }
    }

    /// Starts it. Nothing here waits.
    ///
    /// # Errors
    /// `Conflict` where its process is gone.
    pub fn begin(self) -> Result<Starting> {
        let lost = |e| match e {
            Errno::PIPE | Errno::CONNRESET => {
                Error::new(Kind::Conflict, "start", "the container").because("its process is gone")
            }
            e => Error::os("speak to", "the container's process", e),
        };
        rustix::net::send(&self.0, &[Signal::Start as u8], SendFlags::NOSIGNAL).map_err(lost)?;
        Ok(Starting(self.0))
    }

    /// Starts it, and waits until its program runs. `plan` makes the plan once more where a step failed, for what is
    /// said of it.
    ///
    /// # Errors
    /// The step that failed, as [`crate::Creation::advance`]; the container's process is gone then.
    pub fn start(self, plan: impl Fn() -> Result<Plan>) -> Result<()> {
        let starting = self.begin()?;
        while !starting.advance(&plan)? {
            match poll(&mut [PollFd::new(&starting, PollFlags::IN)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(Error::os("wait for", "the container's process", e)),
            }
        }
        Ok(())
    }
}

/// A container that was told to start: an fd to poll, readable when [`Starting::advance`] has something to say.
#[derive(Debug)]
pub struct Starting(OwnedFd);

impl Starting {
    /// Whether its program runs. Does not wait.
    ///
    /// # Errors
    /// As [`Waiting::start`].
    pub fn advance(&self, plan: impl FnOnce() -> Result<Plan>) -> Result<bool> {
        loop {
            match report::receive(&self.0).op("hear from", "the container's process")? {
                Received::Message(Message::Failed { step, failure, head }) => {
                    return Err(failure::describe(&plan()?, step, failure, &head));
                }
                Received::Message(_) => {}
                Received::Nothing => return Ok(false),
                Received::End => return Ok(true),
            }
        }
    }
}

impl AsFd for Starting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
