//! Bytes between the client's own descriptors and the wire, one bounded buffer a stream.
//!
//! The client's descriptors are shared with whoever started it: they keep their blocking mode, and a read or write
//! follows a poll that promised it will not block.

use crate::protocol::{Stream, WINDOW};
use rustix::event::PollFlags;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

/// What one write may hold: a pipe that polls writable takes `PIPE_BUF` bytes without blocking (pipe(7)).
const WRITE: usize = 4096;
/// What one read from stdin may bring.
const READ: usize = 16 * 1024;
/// A credit is sent when so much was consumed, or all there was.
const CREDIT_STEP: u32 = WINDOW / 4;

/// An output of the client.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    fd: BorrowedFd<'a>,
    pub(super) stream: Stream,
    pending: Vec<u8>,
    written: usize,
    consumed: u32,
    /// Nobody reads the other end any more; what comes is thrown away.
    pub(super) broken: bool,
}

impl<'a> Sink<'a> {
    pub(super) fn new(fd: BorrowedFd<'a>, stream: Stream) -> Sink<'a> {
        Sink {
            fd,
            stream,
            pending: Vec::new(),
            written: 0,
            consumed: 0,
            broken: false,
        }
    }

    /// Takes bytes from the wire; `false` where the supervisor sends more than it may.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        if self.broken {
            self.consume(bytes.len());
            return true;
        }
        // What was written makes room first: a reader that is slow, but never still, would let the buffer grow for ever.
        self.pending.drain(..self.written);
        self.written = 0;
        self.pending.extend_from_slice(bytes);
        self.pending.len() <= WINDOW as usize
    }

    /// What to poll for, while there is something to write.
    pub(super) fn wanted(&self) -> Option<(BorrowedFd<'a>, PollFlags)> {
        (!self.is_empty()).then_some((self.fd, PollFlags::OUT))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.written == self.pending.len()
    }

    /// Writes once, after a poll.
    pub(super) fn write(&mut self) {
        let rest = self.pending.get(self.written..).unwrap_or_default();
        let now = rest.get(..WRITE).unwrap_or(rest);
        match rustix::io::write(self.fd, now) {
            Ok(n) => {
                self.written += n;
                self.consume(n);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            // EPIPE, or a disk that is full, or a terminal that hung up: nobody gets these bytes.
            Err(_) => {
                self.consume(self.pending.len() - self.written);
                self.written = self.pending.len();
                self.broken = true;
            }
        }
        if self.is_empty() {
            self.pending.clear();
            self.written = 0;
        }
    }

    /// The credit that is due to the supervisor.
    pub(super) fn credit(&mut self) -> Option<u32> {
        let due = self.consumed >= CREDIT_STEP || (self.consumed > 0 && self.is_empty());
        due.then(|| std::mem::take(&mut self.consumed))
    }

    fn consume(&mut self, bytes: usize) {
        self.consumed = self
            .consumed
            .saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }
}

/// The client's stdin.
#[derive(Debug)]
pub(super) struct Source<'a> {
    fd: BorrowedFd<'a>,
    credit: u32,
    /// The end was reached and passed on.
    pub(super) ended: bool,
}

impl<'a> Source<'a> {
    pub(super) fn new(fd: BorrowedFd<'a>) -> Source<'a> {
        Source {
            fd,
            credit: WINDOW,
            ended: false,
        }
    }

    /// What to poll for, while the supervisor takes more.
    pub(super) fn wanted(&self) -> Option<(BorrowedFd<'a>, PollFlags)> {
        (!self.ended && self.credit > 0).then_some((self.fd, PollFlags::IN))
    }

    pub(super) fn grant(&mut self, bytes: u32) {
        self.credit = self.credit.saturating_add(bytes).min(WINDOW);
    }

    /// Reads once, after a poll, into `buffer`; `Some(0)` is the end.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Option<usize> {
        let most = READ.min(self.credit as usize);
        buffer.clear();
        buffer.resize(most, 0);
        let read = match rustix::io::read(self.fd, buffer.as_mut_slice()) {
            Ok(n) => n,
            Err(Errno::AGAIN | Errno::INTR) => return None,
            // A closed stdin, or a terminal that hung up, ends like an empty file.
            Err(_) => 0,
        };
        buffer.truncate(read);
        self.credit -= u32::try_from(read).unwrap_or(self.credit);
        self.ended = read == 0;
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;

    #[test]
    fn a_slow_reader_lets_no_buffer_grow() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let mut sink = Sink::new(write.as_fd(), Stream::Stdout);
        let mut credit = WINDOW;
        let mut page = [0; WRITE];
        for _ in 0..1000 {
            let chunk = vec![1; credit as usize];
            credit = 0;
            assert!(sink.push(&chunk));
            assert!(sink.pending.capacity() <= 2 * WINDOW as usize);
            sink.write();
            assert_eq!(rustix::io::read(&read, &mut page).unwrap(), WRITE);
            credit += sink.credit().unwrap_or(0);
        }
        assert!(!sink.is_empty());
        assert!(
            !sink.push(&vec![1; WINDOW as usize]),
            "more than the window was taken"
        );
    }

    #[test]
    fn a_broken_output_takes_and_credits_everything() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        drop(read);
        let mut sink = Sink::new(write.as_fd(), Stream::Stdout);
        assert!(sink.push(b"hello"));
        sink.write();
        assert!(sink.broken && sink.is_empty());
        assert_eq!(sink.credit(), Some(5));
        assert!(sink.push(b"more"));
        assert_eq!((sink.wanted().is_none(), sink.credit()), (true, Some(4)));
    }

    #[test]
    fn stdin_is_read_no_further_than_its_credit() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&write, &[7; 40_000]).unwrap();
        let mut source = Source::new(read.as_fd());
        source.credit = 100;
        let mut buffer = Vec::new();
        assert_eq!(source.read(&mut buffer), Some(100));
        assert!(source.wanted().is_none());
        source.grant(u32::MAX);
        assert_eq!(source.credit, WINDOW);
        drop(write);
        while source.read(&mut buffer) != Some(0) {}
        assert!(source.ended && source.wanted().is_none());
    }
}
