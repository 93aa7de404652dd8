//! A connection of containerd: bytes of a socket, calls of ttrpc.

use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use std::time::Instant;
use tare_error::Result;
use tare_ttrpc::{Call, Limits, Server, Status};

/// What one read brings.
const READ: usize = 8192;

/// Whom to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
