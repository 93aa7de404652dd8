//! Bytes between the client's own descriptors and the container's FIFOs, one bounded buffer a stream.
//!
//! The client's descriptors are shared with whoever started it: they keep their blocking mode, and a read or write
//! follows a poll that promised it will not block. The FIFOs are our own, and never block.

use super::keys::Keys;
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::cell::RefCell;
use std::rc::Rc;
use tare_logs::{Outlet, Scribe, Stream};

/// What one write may hold: a pipe that polls writable takes `PIPE_BUF` bytes without blocking (pipe(7)).
const WRITE: usize = 4096;
/// What one read may bring.
const READ: usize = 32 * 1024;

/// Where an output of the container is read.
#[derive(Debug)]
pub(super) enum Source {
    /// A FIFO that is ours.
    Fifo(OwnedFd),
    /// On its way to a log.
    Spool(Box<Outlet>),
}

/// An output of the container, on its way to a descriptor of the client's.
#[derive(Debug)]
pub(super) struct Output<'a> {
    from: Source,
    to: BorrowedFd<'a>,
    pending: Vec<u8>,
    written: usize,
    /// Who writes it down as well.
    pub(super) copy: Option<(Rc<RefCell<Scribe>>, Stream)>,
    /// Nobody has it open for writing: after the container's end that is the end.
    pub(super) ended: bool,
    /// Nobody reads the other end any more; what comes is thrown away.
    pub(super) broken: bool,
    /// How many bytes more are wanted.
    room: Option<usize>,
    /// More came than was wanted, and was thrown away.
    pub(super) cut: bool,
}

impl<'a> Output<'a> {
    /// Joins the two; beyond `room` bytes what comes is thrown away.
    pub(super) fn new(from: Source, to: BorrowedFd<'a>, room: Option<usize>) -> Output<'a> {
        Output {
            room,
            cut: false,
            from,
            to,
            pending: Vec::new(),
            written: 0,
            copy: None,
            ended: false,
            broken: false,
        }
    }

    /// What to poll for: one thing at a time.
    pub(super) fn wanted(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        if !self.is_empty() {
            return Some((self.to, PollFlags::OUT));
        }
        let from = match &self.from {
            Source::Fifo(fifo) => fifo.as_fd(),
            Source::Spool(outlet) => outlet.as_fd(),
        };
        (!self.ended).then_some((from, PollFlags::IN))
    }

    /// Whether its end is not told, and has to be looked for.
    pub(super) fn is_looked_at(&self) -> bool {
        matches!(self.from, Source::Spool(_)) && self.is_empty() && !self.ended
    }

    /// How many bytes came faster than they were read.
    pub(super) fn missed(&self) -> u64 {
        match &self.from {
            Source::Fifo(_) => 0,
            Source::Spool(outlet) => outlet.missed(),
        }
    }

    /// Everything that came is written.
    pub(super) fn is_empty(&self) -> bool {
        self.written == self.pending.len()
    }

    /// Moves on, after a poll; whether anything moved.
    pub(super) fn act(&mut self) -> bool {
        if self.is_empty() {
            self.read()
        } else {
            self.write()
        }
    }

    fn read(&mut self) -> bool {
        self.written = 0;
        self.pending.resize(READ, 0);
        let room = self.pending.as_mut_slice();
        let read = match &mut self.from {
            Source::Fifo(fifo) => rustix::io::read(fifo, room),
            Source::Spool(outlet) => match outlet.read(room) {
                Ok(0) if outlet.has_ended() => Ok(0),
                Ok(0) => Err(Errno::AGAIN),
                Ok(count) => Ok(count),
                Err(_) => Err(Errno::IO),
            },
        };
        self.pending.truncate(read.unwrap_or(0));
        if let Some((scribe, stream)) = &self.copy {
            scribe.borrow_mut().take(*stream, &self.pending);
        }
        match read {
            Err(Errno::AGAIN | Errno::INTR) => return false,
            Ok(0) | Err(_) => self.ended = true,
            Ok(_) if self.broken => self.pending.clear(),
            Ok(read) => self.measure(read),
        }
        true
    }

    /// Takes what is wanted of what was read.
    fn measure(&mut self, read: usize) {
        let Some(room) = &mut self.room else { return };
        self.cut |= read > *room;
        self.pending.truncate(*room);
        *room -= self.pending.len();
    }

    fn write(&mut self) -> bool {
        let rest = self.pending.get(self.written..).unwrap_or_default();
        match rustix::io::write(self.to, rest.get(..WRITE).unwrap_or(rest)) {
            Ok(n) => self.written += n,
            Err(Errno::AGAIN | Errno::INTR) => return false,
            // EPIPE, or a disk that is full, or a terminal that hung up: nobody gets these bytes.
            Err(_) => {
                self.pending.clear();
                self.written = 0;
                self.broken = true;
            }
        }
        true
    }
}

/// The client's stdin, on its way to the container's.
#[derive(Debug)]
pub(super) struct Input<'a> {
    from: BorrowedFd<'a>,
    /// None once its end was passed on.
    to: Option<OwnedFd>,
    pending: Vec<u8>,
    written: usize,
    ended: bool,
    keys: Keys,
}

impl<'a> Input<'a> {
    /// Joins the two; `keys` let the client part from the container.
    pub(super) fn new(from: BorrowedFd<'a>, to: OwnedFd, keys: Keys) -> Input<'a> {
        Input {
            keys,
            from,
            to: Some(to),
            pending: Vec::new(),
            written: 0,
            ended: false,
        }
    }

    /// What to poll for: one thing at a time.
    pub(super) fn wanted(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let to = self.to.as_ref()?;
        if self.parts() {
            return None;
        }
        if self.written < self.pending.len() {
            return Some((to.as_fd(), PollFlags::OUT));
        }
        (!self.ended).then_some((self.from, PollFlags::IN))
    }

    /// Whether the keys were typed, and what was typed before is written.
    pub(super) fn parts(&self) -> bool {
        self.keys.are_typed() && self.written == self.pending.len()
    }

    /// Moves on, after a poll. True once: when the end of the client's stdin has come, and all before it is written.
    pub(super) fn act(&mut self) -> bool {
        if self.written < self.pending.len() {
            self.write();
        } else {
            self.read();
        }
        self.ended && self.written == self.pending.len() && self.to.take().is_some()
    }

    fn read(&mut self) {
        self.written = 0;
        self.pending.resize(READ, 0);
        let read = rustix::io::read(self.from, self.pending.as_mut_slice());
        self.pending.truncate(read.unwrap_or(0));
        match read {
            Err(Errno::AGAIN | Errno::INTR) => {}
            // A closed stdin, or a terminal that hung up, ends like an empty file.
            Ok(0) | Err(_) => self.ended = true,
            Ok(_) => self.keys.filter(&mut self.pending),
        }
    }

    fn write(&mut self) {
        let Some(to) = &self.to else { return };
        match rustix::io::write(to, self.pending.get(self.written..).unwrap_or_default()) {
            Ok(n) => self.written += n,
            Err(Errno::AGAIN | Errno::INTR) => {}
            // The container closed its stdin: whatever else there is stays with who has it.
            Err(_) => self.to = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_full(output: &Output<'_>) -> bool {
        let Source::Fifo(from) = &output.from else {
            return false;
        };
        rustix::io::ioctl_fionread(from).unwrap() > 0
    }

    #[test]
    fn a_slow_reader_lets_no_buffer_grow() {
        let (from, source) = rustix::pipe::pipe().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        let mut output = Output::new(Source::Fifo(from), write.as_fd(), None);
        let mut page = [0; WRITE];
        let mut came = 0;
        rustix::io::write(&source, &[1; 60_000]).unwrap();
        while came < 60_000 {
            assert!(output.act());
            assert!(output.pending.capacity() <= READ);
            if output.written > 0 {
                came += rustix::io::read(&read, &mut page).unwrap();
            }
        }
        drop(source);
        assert!(output.act() && output.ended && output.is_empty());
        assert!(output.wanted().is_none());
    }

    #[test]
    fn what_is_more_than_wanted_is_thrown_away_and_said() {
        let (from, source) = rustix::pipe::pipe().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        let mut output = Output::new(Source::Fifo(from), write.as_fd(), Some(7));
        for (bytes, cut) in [("hello", false), ("you", true), ("all", true)] {
            rustix::io::write(&source, bytes.as_bytes()).unwrap();
            assert!(output.act());
            while !output.is_empty() {
                assert!(output.act());
            }
            assert_eq!(output.cut, cut);
        }
        let mut room = [0; 16];
        assert_eq!(rustix::io::read(&read, &mut room).unwrap(), 7);
        assert_eq!(&room[..7], b"helloyo");
    }

    #[test]
    fn a_broken_output_takes_everything_and_keeps_nothing() {
        let (from, source) = rustix::pipe::pipe().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        drop(read);
        let mut output = Output::new(Source::Fifo(from), write.as_fd(), None);
        for _ in 0..3 {
            rustix::io::write(&source, b"hello").unwrap();
            while !output.is_empty() || is_full(&output) {
                assert!(output.act());
            }
        }
        assert!(output.broken && output.is_empty() && !output.ended);
    }

    #[test]
    fn the_end_of_stdin_is_passed_on_once_and_last() {
        let (from, source) = rustix::pipe::pipe().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&source, b"line").unwrap();
        drop(source);
        let mut input = Input::new(from.as_fd(), write, Keys::none());
        assert!(!input.act() && !input.act() && input.act());
        assert!(!input.act() && input.wanted().is_none());
        let mut room = [0; 8];
        assert_eq!(rustix::io::read(&read, &mut room).unwrap(), 4);
        assert_eq!(rustix::io::read(&read, &mut room).unwrap(), 0);
    }
}
