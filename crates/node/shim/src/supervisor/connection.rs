//! A connection of containerd: bytes of a socket, calls of ttrpc.

use super::handing::Handing;
use super::upgrade::{Bytes, ConnectionState};
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use serde::{Deserialize, Serialize};
use std::time::Instant;
use tare_error::{Error, Kind, Result};
use tare_ttrpc::{Call, Limits, Saved, Server, Status};

/// What one read brings.
const READ: usize = 8192;

/// Whom to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// The connection's number.
    pub(super) connection: u32,
    /// The call's own.
    pub(super) stream: u32,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) number: u32,
    socket: OwnedFd,
    server: Server,
}

impl Connection {
    pub(super) fn new(number: u32, socket: OwnedFd) -> Connection {
        Connection {
            number,
            socket,
            server: Server::new(Limits::default()),
        }
    }

    /// As data, for the program that this one becomes.
    pub(super) fn save<'a>(&'a self, now: Instant, handing: &mut Handing<'a>) -> ConnectionState {
        let saved = self.server.save(now);
        ConnectionState {
            number: self.number,
            socket: handing.hand(self.socket.as_fd()),
            input: Bytes(saved.input),
            skip: saved.skip,
            output: Bytes(saved.output),
            in_flight: saved.in_flight,
            last: saved.last,
        }
    }

    pub(super) fn restore(state: ConnectionState, now: Instant) -> Result<Connection> {
        let saved = Saved {
            input: state.input.0,
            skip: state.skip,
            output: state.output.0,
            in_flight: state.in_flight,
            last: state.last,
        };
        let server = Server::restore(saved, Limits::default(), now).ok_or_else(|| {
            Error::new(Kind::Corrupt, "take over connection", state.number).because("no connection is so")
        })?;
        Ok(Connection {
            number: state.number,
            socket: state.socket.take()?,
            server,
        })
    }

    /// What to wait for: one that does not read its answers is not read from.
    pub(super) fn flags(&self) -> EventFlags {
        let mut flags = EventFlags::empty();
        if self.server.ready() {
            flags |= EventFlags::IN;
        }
        if !self.server.output().is_empty() {
            flags |= EventFlags::OUT;
        }
        flags
    }

    /// Reads once; the calls that are whole now, or nothing where the connection has ended.
    pub(super) fn receive(&mut self) -> Option<Vec<Call>> {
        let mut room = [0; READ];
        let length = match rustix::net::recv(&self.socket, &mut room, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return None,
            Ok((length, _)) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Some(Vec::new()),
            Err(_) => return None,
        };
        let mut bytes = room.get(..length).unwrap_or_default();
        let now = Instant::now();
        Some(std::iter::from_fn(|| self.server.next(&mut bytes, now)).collect())
    }

    /// Answers a call; one that nobody waits for any more is passed over.
    pub(super) fn answer(&mut self, stream: u32, outcome: Result<Vec<u8>, Status>) {
        match outcome {
            Ok(message) => self.server.answer(stream, Ok(&message)),
            Err(status) => self.server.answer(stream, Err(status)),
        };
    }

    /// Writes what can be written; false where the connection has ended.
    pub(super) fn flush(&mut self) -> bool {
        while !self.server.output().is_empty() {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match rustix::net::send(&self.socket, self.server.output(), flags) {
                Ok(length) => self.server.sent(length),
                Err(Errno::AGAIN) => return true,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Answers the calls whose time is over, and says which.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| self.server.expire(now)).collect()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.server.deadline()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
