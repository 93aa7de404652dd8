//! What goes over a terminal, both ways: one read's worth at a time, kept until it is written.

use super::Part;
use super::state::RelayState;
use crate::supervisor::handing::{Handed, Handing};
use crate::terminal;
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use tare_error::{Context, Result};

/// What one read brings; a terminal hands out no more at once.
const READ: usize = 4096;

/// A terminal's other end, and the FIFOs that lead to the client.
#[derive(Debug)]
pub(super) struct Relay {
    master: OwnedFd,
    /// Keeps the terminal from hanging up while nobody in the container has it open.
    slave: OwnedFd,
    input: Option<OwnedFd>,
    output: Option<OwnedFd>,
    to_client: Waiting,
    to_container: Waiting,
}

/// Bytes that were read, and not written yet. Holds no memory while there are none.
#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    written: usize,
}

/// What a look at a side brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    Some,
    Nothing,
    /// Its other side is gone.
    End,
}

impl Relay {
    pub(super) fn new(master: OwnedFd, input: Option<OwnedFd>, output: Option<OwnedFd>) -> Result<Relay> {
        let slave = terminal::prepare(&master)?;
        Ok(Relay {
            master,
            slave,
            input,
            output,
            to_client: Waiting::default(),
            to_container: Waiting::default(),
        })
    }

    /// As data, for the program that this one becomes.
    pub(super) fn save<'a>(&'a self, handing: &mut Handing<'a>) -> RelayState {
        RelayState {
            master: handing.hand(self.master.as_fd()),
            slave: handing.hand(self.slave.as_fd()),
            input: self.input.as_ref().map(|fd| handing.hand(fd.as_fd())),
            output: self.output.as_ref().map(|fd| handing.hand(fd.as_fd())),
            to_client: self.to_client.left().to_vec(),
            to_container: self.to_container.left().to_vec(),
        }
    }

    pub(super) fn restore(state: RelayState) -> Result<Relay> {
        Ok(Relay {
            master: state.master.take()?,
            slave: state.slave.take()?,
            input: state.input.map(Handed::take).transpose()?,
            output: state.output.map(Handed::take).transpose()?,
            to_client: Waiting::of(state.to_client),
            to_container: Waiting::of(state.to_container),
        })
    }

    /// The reading end of the client's input, where that has not ended; the terminal hangs up.
    pub(super) fn into_input(self) -> Option<OwnedFd> {
        self.input
    }

    /// Writes there from now on.
    pub(super) fn write_to(&mut self, output: OwnedFd) {
        self.output = Some(output);
    }

    pub(super) fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        terminal::resize(&self.slave, rows, columns)
    }

    /// Copies both ways as far as both sides go.
    pub(super) fn pump(&mut self) -> Result<()> {
        while self.out()? == Moved::Some {}
        while self.inwards()? == Moved::Some {}
        Ok(())
    }

    /// Copies what the container has left behind; whether all of it is with the client.
    pub(super) fn drain(&mut self) -> Result<bool> {
        while self.out()? == Moved::Some {}
        Ok(self.to_client.is_empty())
    }

    fn out(&mut self) -> Result<Moved> {
        if self.to_client.is_empty() && self.to_client.fill(&self.master)? != Moved::Some {
            return Ok(Moved::Nothing);
        }
        match &self.output {
            Some(output) => match self.to_client.write(output)? {
                Moved::End => {
                    self.output = None;
                    self.to_client = Waiting::default();
                    Ok(Moved::Some)
                }
                moved => Ok(moved),
            },
            // Nobody wants it.
            None => {
                self.to_client = Waiting::default();
                Ok(Moved::Some)
            }
        }
    }

    fn inwards(&mut self) -> Result<Moved> {
        let Some(input) = &self.input else {
            return Ok(Moved::Nothing);
        };
        if self.to_container.is_empty() {
            match self.to_container.fill(input)? {
                Moved::Some => {}
                Moved::Nothing => return Ok(Moved::Nothing),
                Moved::End => {
                    self.input = None;
                    return Ok(Moved::Nothing);
                }
            }
        }
        match self.to_container.write(&self.master)? {
            Moved::End => {
                self.input = None;
                Ok(Moved::Nothing)
            }
            moved => Ok(moved),
        }
    }

    pub(super) fn interests(&self) -> impl Iterator<Item = (Part, BorrowedFd<'_>, EventFlags)> {
        let when = |wanted: bool, flags: EventFlags| if wanted { flags } else { EventFlags::empty() };
        let terminal = when(self.to_client.is_empty(), EventFlags::IN)
            | when(!self.to_container.is_empty(), EventFlags::OUT);
        let input = when(self.to_container.is_empty(), EventFlags::IN);
        let output = when(!self.to_client.is_empty(), EventFlags::OUT);
        [
            (Part::Terminal, Some(&self.master), terminal),
            (Part::Input, self.input.as_ref(), input),
            (Part::Output, self.output.as_ref(), output),
        ]
        .into_iter()
        .filter_map(|(part, fd, flags)| Some((part, fd?.as_fd(), flags)))
    }
}

impl Waiting {
    fn of(bytes: Vec<u8>) -> Waiting {
        Waiting { bytes, written: 0 }
    }

    /// What is still to be written.
    fn left(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.written == self.bytes.len()
    }

    /// Reads once.
    fn fill(&mut self, from: &OwnedFd) -> Result<Moved> {
        let mut room = [0; READ];
        match rustix::io::read(from, &mut room) {
            Ok(0) => Ok(Moved::End),
            Ok(n) => {
                self.bytes = room.get(..n).unwrap_or_default().to_vec();
                self.written = 0;
                Ok(Moved::Some)
            }
            // EIO: a terminal that nobody has open.
            Err(Errno::AGAIN | Errno::INTR | Errno::IO) => Ok(Moved::Nothing),
            Err(e) => Err(e).op("read", "a stream of the container"),
        }
    }

    /// Writes once.
    fn write(&mut self, to: &OwnedFd) -> Result<Moved> {
        match rustix::io::write(to, self.left()) {
            Ok(n) => {
                self.written += n;
                if self.is_empty() {
                    *self = Waiting::default();
                }
                Ok(Moved::Some)
            }
            Err(Errno::AGAIN) => Ok(Moved::Nothing),
            Err(Errno::INTR) => Ok(Moved::Some),
            Err(Errno::PIPE | Errno::IO) => Ok(Moved::End),
            Err(e) => Err(e).op("write", "a stream of the container"),
        }
    }
}
