//! One end of a connection: a socket with what was read of it and what is still to be written to it.

use super::{Credit, FrameKind, MAX_CONTROL, MAX_DATA, Malformed, Parsed, parse, push};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use serde::Serialize;
use std::ops::Range;

/// How much is read from a socket at once.
const CHUNK: usize = 32 * 1024;

/// A connected stream socket with its two buffers.
///
/// The inbox holds at most one unfinished frame and one chunk; the outbox is as long as its owner lets it grow
/// ([`Wire::unsent`]). Nothing here blocks, whatever the socket's own mode is.
#[derive(Debug)]
pub struct Wire {
    socket: OwnedFd,
    inbox: Vec<u8>,
    parsed: usize,
    outbox: Vec<u8>,
    sent: usize,
    control_limit: usize,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// Bytes; perhaps there are more.
    Some,
    /// Nothing now.
    Nothing,
    /// The other side is gone.
    Closed,
}

/// A frame that lies in a wire's inbox.
#[derive(Clone, Debug)]
pub struct Received {
    /// What it carries.
    pub kind: FrameKind,
    payload: Range<usize>,
}

impl Wire {
    /// An end of which nothing was read yet; control frames are short until [`Wire::trust`].
    pub fn new(socket: OwnedFd) -> Wire {
        Wire {
            socket,
            inbox: Vec::new(),
            parsed: 0,
            outbox: Vec::new(),
            sent: 0,
            control_limit: MAX_DATA,
        }
    }

    /// The other side has said who it is: control frames may have their full length.
    pub fn trust(&mut self) {
        self.control_limit = MAX_CONTROL;
    }

    /// Reads once, at most one chunk.
    ///
    /// # Errors
    /// The kernel's. A reset connection counts as closed.
    pub fn fill(&mut self) -> rustix::io::Result<Filled> {
        self.inbox.drain(..self.parsed);
        self.parsed = 0;
        self.inbox.reserve(CHUNK);
        let room = rustix::buffer::spare_capacity(&mut self.inbox);
        match rustix::net::recv(&self.socket, room, RecvFlags::DONTWAIT) {
            Ok((_, 0)) | Err(Errno::CONNRESET | Errno::PIPE) => Ok(Filled::Closed),
            Ok(_) => Ok(Filled::Some),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Filled::Nothing),
            Err(e) => Err(e),
        }
    }

    /// The next whole frame that was read.
    ///
    /// # Errors
    /// [`Malformed`]; the connection is of no use afterwards.
    pub fn receive(&mut self) -> Result<Option<Received>, Malformed> {
        let rest = self.inbox.get(self.parsed..).unwrap_or_default();
        match parse(rest, self.control_limit)? {
            Parsed::Incomplete(_) => {
                if rest.is_empty() {
                    // An idle connection holds no memory.
                    self.inbox = Vec::new();
                    self.parsed = 0;
                }
                Ok(None)
            }
            Parsed::Frame { kind, payload, used } => {
                let end = self.parsed + used;
                let start = end - payload.len();
                self.parsed = end;
                Ok(Some(Received {
                    kind,
                    payload: start..end,
                }))
            }
        }
    }

    /// The payload of a frame received since the last [`Wire::fill`].
    pub fn payload(&self, frame: &Received) -> &[u8] {
        self.inbox.get(frame.payload.clone()).unwrap_or_default()
    }

    /// Puts a frame of raw bytes into the outbox.
    pub fn send(&mut self, kind: FrameKind, payload: &[u8]) {
        self.outbox.drain(..self.sent);
        self.sent = 0;
        push(&mut self.outbox, kind, payload);
    }

    /// Puts a control message into the outbox.
    pub fn send_message(&mut self, kind: FrameKind, message: &impl Serialize) {
        // Our messages have string keys and no maps of other kinds, so that writing them cannot fail.
        let payload = serde_json::to_vec(message).unwrap_or_default();
        self.send(kind, &payload);
    }

    /// Puts a credit into the outbox.
    pub fn send_credit(&mut self, credit: Credit) {
        self.send(FrameKind::Credit, &credit.payload());
    }

    /// Writes as much of the outbox as the socket takes.
    ///
    /// # Errors
    /// The kernel's: `EPIPE` where the other side is gone.
    pub fn flush(&mut self) -> rustix::io::Result<()> {
        while self.unsent() > 0 {
            let rest = self.outbox.get(self.sent..).unwrap_or_default();
            match rustix::net::send(&self.socket, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(n) => self.sent += n,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(e) => return Err(e),
            }
        }
        self.outbox = Vec::new();
        self.sent = 0;
        Ok(())
    }

    /// How many bytes wait in the outbox.
    pub fn unsent(&self) -> usize {
        self.outbox.len() - self.sent
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Stream;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn pair() -> (Wire, Wire) {
        let (a, b) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        (Wire::new(a), Wire::new(b))
    }

    #[test]
    fn frames_arrive_in_order_and_whole_however_they_are_cut() {
        let (mut a, mut b) = pair();
        let sizes = [0, 1, 5, 4096, MAX_DATA, 3];
        for size in sizes {
            a.send(
                FrameKind::Data(Stream::Stdout),
                &vec![u8::try_from(size % 251).unwrap(); size],
            );
        }
        let mut seen = Vec::new();
        while seen.len() < sizes.len() {
            a.flush().unwrap();
            b.fill().unwrap();
            while let Some(frame) = b.receive().unwrap() {
                seen.push(b.payload(&frame).len());
            }
        }
        assert_eq!(seen, sizes);
        assert_eq!(a.unsent(), 0);
        drop(a);
        assert_eq!(b.fill(), Ok(Filled::Closed));
    }

    #[test]
    fn before_trust_a_long_control_frame_is_refused() {
        let (mut a, mut b) = pair();
        a.send(FrameKind::Hello, &vec![b' '; MAX_DATA + 1]);
        a.flush().unwrap();
        b.fill().unwrap();
        assert!(matches!(b.receive(), Err(Malformed::TooLong { .. })));
    }

    #[test]
    fn an_idle_wire_holds_no_memory() {
        let (mut a, mut b) = pair();
        a.send(FrameKind::Hello, b"{}");
        a.flush().unwrap();
        b.fill().unwrap();
        while b.receive().unwrap().is_some() {}
        assert_eq!((a.outbox.capacity(), b.inbox.capacity()), (0, 0));
    }
}
