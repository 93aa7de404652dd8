//! A container's standard streams: FIFOs in the pod's directory, or a terminal.
//!
//! stdout and stderr are open read-write in the container and read-write here: what was written stays readable when
//! either side dies, a container that closes its stdout does not end the stream, and a read never reports an end.
//! stdin is written here and read there; its end is the end of our side.

use crate::pod::{Entry, PodDir};
use crate::protocol::{Stream, WINDOW};
use crate::terminal;
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use rustix::io::Errno;
use tare_error::{Context, Result};

/// What one read from the container may bring.
const READ: usize = 32 * 1024;

/// The ends that the container gets; closed here once it has them.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// An output of the container.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) stream: Stream,
    fd: OwnedFd,
    /// How many bytes more the client takes.
    credit: u32,
    /// Nothing was left when we looked last, and nobody is left to write more.
    pub(super) drained: bool,
}

/// What a look at an output brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pumped {
    /// So many bytes, now in the buffer.
    Bytes(usize),
    /// There is nothing now.
    Empty,
    /// The client takes no more.
    NoCredit,
}

impl Output {
    fn new(stream: Stream, fd: OwnedFd) -> Output {
        Output {
            stream,
            fd,
            credit: WINDOW,
            drained: false,
        }
    }

    pub(super) fn flags(&self, attached: bool) -> EventFlags {
        if attached && self.credit > 0 && !self.drained {
            EventFlags::IN
        } else {
            EventFlags::empty()
        }
    }

    pub(super) fn grant(&mut self, bytes: u32) {
        self.credit = self.credit.saturating_add(bytes).min(WINDOW);
    }

    /// A new client starts with a whole window.
    pub(super) fn restart(&mut self) {
        self.credit = WINDOW;
    }

    /// Reads once into `buffer`.
    pub(super) fn pump(&mut self, buffer: &mut Vec<u8>) -> Result<Pumped> {
        if self.credit == 0 {
            return Ok(Pumped::NoCredit);
        }
        buffer.clear();
        buffer.reserve_exact(READ);
        buffer.resize(READ.min(self.credit as usize), 0);
        match rustix::io::read(&self.fd, buffer.as_mut_slice()) {
            Ok(n) => {
                buffer.truncate(n);
                self.credit -= u32::try_from(n).unwrap_or(self.credit);
                Ok(if n == 0 { Pumped::Empty } else { Pumped::Bytes(n) })
            }
            // EIO: a terminal that nobody has open.
            Err(Errno::AGAIN | Errno::INTR | Errno::IO) => Ok(Pumped::Empty),
            Err(e) => Err(e).op("read", format_args!("{:?} of the container", self.stream)),
        }
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The container's stdin: what a client sent and the container has not read.
#[derive(Debug)]
pub(super) struct Input {
    fd: Option<OwnedFd>,
    pending: Vec<u8>,
    written: usize,
    consumed: u32,
    ended: bool,
    terminal: bool,
}

impl Input {
    fn new(fd: Option<OwnedFd>, terminal: bool) -> Input {
        Input {
            fd,
            pending: Vec::new(),
            written: 0,
            consumed: 0,
            ended: false,
            terminal,
        }
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    pub(super) fn flags(&self) -> EventFlags {
        if self.written < self.pending.len() {
            EventFlags::OUT
        } else {
            EventFlags::empty()
        }
    }

    /// Takes bytes of a client, the empty ones being the end; `false` where it sends more than it may.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            self.ended = true;
        } else if self.fd.is_some() && !self.ended {
            self.pending.drain(..self.written);
            self.written = 0;
            self.pending.extend_from_slice(bytes);
        } else {
            self.consume(bytes.len());
        }
        self.write();
        self.pending.len() - self.written <= WINDOW as usize
    }

    /// Writes what the container takes, and closes after the end.
    pub(super) fn write(&mut self) {
        while let Some(fd) = &self.fd {
            let rest = self.pending.get(self.written..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            match rustix::io::write(fd, rest) {
                Ok(n) => {
                    self.written += n;
                    self.consume(n);
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                // The container closed its stdin: what comes is thrown away.
                Err(_) => {
                    self.consume(rest.len());
                    self.fd = None;
                }
            }
        }
        self.pending = Vec::new();
        self.written = 0;
        // A terminal has no end of its own; the container sees one when somebody types it.
        if self.ended && !self.terminal {
            self.fd = None;
        }
    }

    /// The credit that is due to the client.
    pub(super) fn credit(&mut self) -> Option<u32> {
        (self.consumed > 0).then(|| std::mem::take(&mut self.consumed))
    }

    fn consume(&mut self, bytes: usize) {
        self.consumed = self
            .consumed
            .saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }
}

/// All streams of a container.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) input: Input,
    pub(super) outputs: Vec<Output>,
    /// Keeps a terminal from hanging up while nobody in the container has it open.
    slave: Option<OwnedFd>,
}

impl Streams {
    /// Makes the FIFOs; the container's stdin is empty unless it is wanted open.
    pub(super) fn fifos(pod: &PodDir, stdin_open: bool) -> Result<(Streams, Ends)> {
        let (stdin, input) = if stdin_open {
            let (reader, writer) = stdin_fifo(pod)?;
            (reader, Some(writer))
        } else {
            let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
            (null.op("open", "/dev/null")?, None)
        };
        let (stdout, its_stdout) = output_fifo(pod, Entry::Stdout)?;
        let (stderr, its_stderr) = output_fifo(pod, Entry::Stderr)?;
        let streams = Streams {
            input: Input::new(input, false),
            outputs: vec![
                Output::new(Stream::Stdout, stdout),
                Output::new(Stream::Stderr, stderr),
            ],
            slave: None,
        };
        let ends = Ends {
            stdin,
            stdout: its_stdout,
            stderr: its_stderr,
        };
        Ok((streams, ends))
    }

    /// Takes the master of a container's terminal.
    pub(super) fn terminal(master: OwnedFd, stdin_open: bool) -> Result<Streams> {
        let slave = terminal::prepare(&master)?;
        let writer = rustix::io::fcntl_dupfd_cloexec(&master, 3).op("duplicate", "the terminal")?;
        Ok(Streams {
            input: Input::new(stdin_open.then_some(writer), true),
            outputs: vec![Output::new(Stream::Stdout, master)],
            slave: Some(slave),
        })
    }

    /// Gives the terminal a size; the foreground process gets `WINCH` from the kernel.
    pub(super) fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        let slave = self.slave.as_ref();
        slave.map_or(Ok(()), |slave| terminal::resize(slave, rows, columns))
    }

    pub(super) fn output(&mut self, stream: Stream) -> Option<&mut Output> {
        self.outputs.iter_mut().find(|output| output.stream == stream)
    }
}

/// Makes and opens an output: our end does not block, the container's does.
fn output_fifo(pod: &PodDir, entry: Entry) -> Result<(OwnedFd, OwnedFd)> {
    make_fifo(pod, entry)?;
    let ours = open_fifo(pod, entry, OFlags::RDWR | OFlags::NONBLOCK)?;
    let its = open_fifo(pod, entry, OFlags::RDWR)?;
    Ok((ours, its))
}

/// Makes and opens stdin: first the container's end, without which ours could not be opened (fifo(7)).
fn stdin_fifo(pod: &PodDir) -> Result<(OwnedFd, OwnedFd)> {
    make_fifo(pod, Entry::Stdin)?;
    let its = open_fifo(pod, Entry::Stdin, OFlags::RDONLY | OFlags::NONBLOCK)?;
    let ours = open_fifo(pod, Entry::Stdin, OFlags::WRONLY | OFlags::NONBLOCK)?;
    rustix::fs::fcntl_setfl(&its, OFlags::empty()).op("set the flags of", "the container's stdin")?;
    Ok((its, ours))
}

fn make_fifo(pod: &PodDir, entry: Entry) -> Result<()> {
    let path = pod.file(entry);
    match mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(e) => Err(e).op("make the FIFO", path.display()),
    }
}

fn open_fifo(pod: &PodDir, entry: Entry, flags: OFlags) -> Result<OwnedFd> {
    let path = pod.file(entry);
    rustix::fs::open(
        &path,
        flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NOCTTY,
        Mode::empty(),
    )
    .op("open", path.display())
}
