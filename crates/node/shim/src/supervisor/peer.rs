//! A client as the supervisor sees it.

use crate::protocol::{
    Answer, Failure, FrameKind, Hello, Notice, Received, Reply, Request, VERSION, WINDOW, Wire,
};
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use serde::de::DeserializeOwned;
use std::time::Instant;
use tare_error::{Error, Kind, Result};

/// How much may wait to be sent to a client: both windows, and replies. One that lets more pile up is dropped.
const MOST_UNSENT: usize = 4 * WINDOW as usize;

/// One client's connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) number: u32,
    pub(super) wire: Wire,
    pub(super) greeted: bool,
    pub(super) since: Instant,
}

/// What is wrong with a client; it is dropped.
pub(super) type Fault = String;

impl Peer {
    pub(super) fn new(number: u32, socket: OwnedFd) -> Peer {
        Peer {
            number,
            wire: Wire::new(socket),
            greeted: false,
            since: Instant::now(),
        }
    }

    /// What to wait for.
    pub(super) fn flags(&self) -> EventFlags {
        if self.wire.unsent() > 0 {
            EventFlags::IN | EventFlags::OUT
        } else {
            EventFlags::IN
        }
    }

    /// Checks a client's greeting.
    pub(super) fn greet(&mut self, frame: &Received) -> Result<(), Fault> {
        if frame.kind != FrameKind::Hello {
            return Err("it spoke before it greeted".to_owned());
        }
        let hello: Hello = self.read(frame)?;
        if hello.version != VERSION {
            let reason = format!(
                "client {} speaks version {}, this supervisor {VERSION}",
                hello.program, hello.version
            );
            let error = Error::new(Kind::Unsupported, "greet", "the supervisor").because(&reason);
            self.reply(0, Err(&error));
            return Err(reason);
        }
        self.greeted = true;
        self.wire.trust();
        Ok(())
    }

    /// Says who we are.
    pub(super) fn say_hello(&mut self, warnings: Vec<String>) {
        let hello = Hello {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            warnings,
        };
        self.wire.send_message(FrameKind::Hello, &hello);
    }

    pub(super) fn request(&self, frame: &Received) -> Result<Request, Fault> {
        self.read(frame)
    }

    pub(super) fn reply(&mut self, id: u32, outcome: Result<Answer, &Error>) {
        let outcome = outcome.map_err(Failure::from);
        self.wire.send_message(FrameKind::Reply, &Reply { id, outcome });
    }

    pub(super) fn notify(&mut self, notice: &Notice) {
        self.wire.send_message(FrameKind::Notice, notice);
    }

    /// Sends what the socket takes.
    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        self.wire.flush().map_err(|e| format!("write: {e}"))?;
        if self.wire.unsent() > MOST_UNSENT {
            return Err("it does not read".to_owned());
        }
        Ok(())
    }

    fn read<T: DeserializeOwned>(&self, frame: &Received) -> Result<T, Fault> {
        serde_json::from_slice(self.wire.payload(frame)).map_err(|e| format!("{:?}: {e}", frame.kind))
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }
}
