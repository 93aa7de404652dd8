//! The standard streams of a process, where containerd's client wants them.
//!
//! Without a terminal nothing is copied: the process gets the client's FIFOs themselves. It has its outputs open for
//! reading and writing, so that a client that goes away is no `SIGPIPE`; we keep the writing end of its input until
//! the client says that it ends (`CloseIO`), and that of its outputs until somebody has come to read. A terminal's other
//! end is ours, and what goes over it is copied, as much as fits.

mod keeping;
mod logger;
mod relay;
mod state;

pub(super) use keeping::{Leaving, Writing};
use logger::Logger;
pub(super) use logger::Owner;
use relay::Relay;
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
pub(super) use state::{LeavingState, StreamsState};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Kind, Result};
use tare_logs::{Log, Stream, Target};

/// How long somebody else may take to open an input.
const OPENING: Duration = Duration::from_secs(1);

/// Where a client wants the streams of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    pub(super) stdin: String,
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) terminal: bool,
}

/// What the process gets; closed here once it has it.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// What is ours of a process's streams.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// The writing end of its input.
    input: Option<OwnedFd>,
    /// The writing ends of its outputs, with their names.
    outputs: Vec<(OwnedFd, PathBuf)>,
    /// The output that a terminal's relay writes to, until somebody reads it.
    unread: Option<PathBuf>,
    /// The input that somebody else is to open, until then or this moment: who ends it before would have it never be opened.
    unopened: Option<(PathBuf, Instant)>,
    relay: Option<Relay>,
    /// The reading end of an ended terminal's input: containerd takes a broken input for the end of the output as well, and reads
    /// no more. So it stays until the process is deleted.
    spent: Option<OwnedFd>,
    /// The program that reads the outputs.
    logger: Option<Logger>,
    /// What is kept of the outputs, and written by children of ours.
    logs: Vec<Log>,
}

/// Something of a terminal that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The terminal's other end.
    Terminal,
    /// The FIFO of its input.
    Input,
    /// The FIFO of its output.
    Output,
    /// Something of a log that is kept: a FIFO, or the end of its writer.
    Log(u32),
}

impl Streams {
    /// Opens what a process without a terminal gets.
    pub(super) fn open(wanted: &Wanted, owner: Owner<'_>) -> Result<(Streams, Ends)> {
        let mut streams = Streams::default();
        let stdin = match wanted.stdin.as_str() {
            "" => null(OFlags::RDONLY)?,
            path => streams.open_input(path)?,
        };
        let (stdout, stderr) = if wanted.stdout.starts_with(logger::SCHEME) {
            streams.log(&wanted.stdout, owner)?
        } else if wanted.stdout == wanted.stderr {
            streams.keep_both(&wanted.stdout, owner)?
        } else {
            (
                streams.open_output(&wanted.stdout, Stream::Stdout, owner)?,
                streams.open_output(&wanted.stderr, Stream::Stderr, owner)?,
            )
        };
        let ends = Ends {
            stdin,
            stdout,
            stderr,
        };
        Ok((streams, ends))
    }

    /// The same for a process that somebody else starts, who opens them by name: as long as our ends are there, he need not wait.
    pub(super) fn name(wanted: &Wanted, owner: Owner<'_>) -> Result<(Streams, Ends, Wanted)> {
        let stderr = match wanted.terminal {
            true => String::new(),
            false => wanted.stderr.clone(),
        };
        let (streams, ends) = Streams::open(
            &Wanted {
                stderr,
                ..wanted.clone()
            },
            owner,
        )?;
        let named = Wanted {
            stdin: name_of(&ends.stdin)?,
            stdout: name_of(&ends.stdout)?,
            stderr: name_of(&ends.stderr)?,
            terminal: wanted.terminal,
        };
        Ok((streams, ends, named))
    }

    /// Whoever starts the process is to open its input, of which we have the writing end.
    pub(super) fn await_input(&mut self, wanted: &Wanted) {
        if self.input.is_some() {
            self.unopened = Some((PathBuf::from(&wanted.stdin), Instant::now() + OPENING));
        }
    }

    /// Takes over the other end of a process's terminal.
    pub(super) fn of_terminal(wanted: &Wanted, master: OwnedFd, owner: Owner<'_>) -> Result<Streams> {
        let mut streams = Streams::default();
        let input = match wanted.stdin.as_str() {
            "" => None,
            path => {
                let reader = open(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
                streams.input = Some(open(path, OFlags::WRONLY | OFlags::NONBLOCK)?);
                Some(reader)
            }
        };
        let output = match wanted.stdout.as_str() {
            "" => None,
            address if address.starts_with(logger::SCHEME) => {
                let (output, _) = streams.log(address, owner)?;
                rustix::fs::fcntl_setfl(&output, OFlags::NONBLOCK).op("set the flags of", address)?;
                Some(output)
            }
            path => Some(streams.open_terminal_output(path, owner)?),
        };
        streams.relay = Some(Relay::new(master, input, output)?);
        Ok(streams)
    }

    /// What is ours of the streams of a process that another supervisor started. A terminal is none any more.
    pub(super) fn adopt(wanted: &Wanted) -> Result<Streams> {
        let mut streams = Streams::default();
        if wanted.terminal {
            return Ok(streams);
        }
        // Where nobody reads its input any more there is nothing to keep open.
        let unread = |path: &&String| !path.is_empty() && is_read(Path::new(path));
        streams.input = Some(&wanted.stdin)
            .filter(unread)
            .map(|path| open(path, OFlags::WRONLY | OFlags::NONBLOCK))
            .transpose()?;
        for path in [&wanted.stdout, &wanted.stderr] {
            if !path.is_empty() && !path.contains("://") && is_fifo(path).unwrap_or(false) {
                let writer = open(path, OFlags::WRONLY | OFlags::NONBLOCK)?;
                streams.outputs.push((writer, PathBuf::from(path)));
            }
        }
        Ok(streams)
    }

    /// The process's end of its input; ours is kept. First the reader, without which no writer can be opened (fifo(7)).
    fn open_input(&mut self, path: &str) -> Result<OwnedFd> {
        let reader = open(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        self.input = Some(open(path, OFlags::WRONLY | OFlags::NONBLOCK)?);
        rustix::fs::fcntl_setfl(&reader, OFlags::empty()).op("set the flags of", path)?;
        Ok(reader)
    }

    fn open_output(&mut self, wanted: &str, stream: Stream, owner: Owner<'_>) -> Result<OwnedFd> {
        if wanted.is_empty() {
            return null(OFlags::WRONLY);
        }
        if Target::has_scheme(wanted) {
            return self.keep(wanted, stream, owner);
        }
        if let Some((scheme, _)) = wanted.split_once("://") {
            return Err(Error::new(Kind::Unsupported, "open", wanted)
                .because(format!("streams to {scheme}:// are not served"))
                .hint(
                    "give a FIFO, or json-file://, cri:// or file:// with a path, journald:// or none://",
                ));
        }
        if !is_fifo(wanted)? {
            return append(wanted);
        }
        let its = open(wanted, OFlags::RDWR)?;
        self.outputs
            .push((open(wanted, OFlags::WRONLY)?, PathBuf::from(wanted)));
        Ok(its)
    }

    /// Starts a logging program; where the process's output and error go.
    fn log(&mut self, address: &str, owner: Owner<'_>) -> Result<(OwnedFd, OwnedFd)> {
        let (logger, stdout, stderr) = Logger::start(address, owner)?;
        self.logger = Some(logger);
        Ok((stdout, stderr))
    }

    fn open_terminal_output(&mut self, wanted: &str, owner: Owner<'_>) -> Result<OwnedFd> {
        if wanted.contains("://") || !is_fifo(wanted)? {
            let output = self.open_output(wanted, Stream::Stdout, owner)?;
            rustix::fs::fcntl_setfl(&output, OFlags::NONBLOCK).op("set the flags of", wanted)?;
            return Ok(output);
        }
        // A writer cannot be opened without waiting where nobody reads, so somebody does for a moment.
        let reader = open(wanted, OFlags::RDWR)?;
        let writer = open(wanted, OFlags::WRONLY | OFlags::NONBLOCK)?;
        drop(reader);
        self.unread = Some(PathBuf::from(wanted));
        Ok(writer)
    }

    /// Whether somebody has come to read every output: what is written before could be lost, as a client that finds a
    /// process ended reads no more where it has not begun to.
    pub(super) fn are_read(&mut self) -> Result<bool> {
        if let Some(path) = self.unread.take_if(|path| is_read(path))
            && let Some(relay) = &mut self.relay
        {
            // From now on its reader may go and another one come.
            relay.write_to(open(&path.to_string_lossy(), OFlags::RDWR | OFlags::NONBLOCK)?);
        }
        let now = Instant::now();
        self.unopened
            .take_if(|(path, until)| *until <= now || is_read(path));
        if self.unopened.is_some() {
            return Ok(false);
        }
        let logged = self.logger.as_mut().is_none_or(Logger::is_ready);
        Ok(logged && self.unread.is_none() && self.outputs.iter().all(|(_, path)| is_read(path)))
    }

    /// The client has nothing more to say to the process: whoever else writes there still may.
    pub(super) fn close_input(&mut self) {
        self.input = None;
    }

    /// The process has ended. Whether everything is closed: an output that nobody reads yet waits for its reader, as what
    /// is in it would be lost.
    pub(super) fn end(&mut self) -> Result<bool> {
        self.input = None;
        self.outputs.retain(|(_, path)| !is_read(path));
        if let Some(relay) = &mut self.relay {
            if !relay.drain()? {
                return Ok(false);
            }
            self.spend_relay();
        }
        let now = Instant::now();
        self.logger.take_if(|logger| logger.has_ended(now));
        Ok(self.outputs.is_empty() && self.logger.is_none())
    }

    fn spend_relay(&mut self) {
        if let Some(relay) = self.relay.take() {
            self.spent = relay.into_input();
        }
    }

    /// Closes everything but what only its deletion does; what is kept is written on.
    pub(super) fn close(&mut self) {
        self.spend_relay();
        let logs = std::mem::take(&mut self.logs);
        let spent = self.spent.take();
        *self = Streams {
            logs,
            spent,
            ..Streams::default()
        };
    }

    /// Whether outputs wait for their readers.
    pub(super) fn waits_for_readers(&self) -> bool {
        !self.outputs.is_empty() || self.logger.is_some()
    }

    /// Gives a terminal a size; a process without one has none.
    pub(super) fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        self.relay
            .as_ref()
            .map_or(Ok(()), |relay| relay.resize(rows, columns))
    }

    /// Copies what there is to copy.
    pub(super) fn pump(&mut self) -> Result<()> {
        let pumped = self.relay.as_mut().map_or(Ok(()), Relay::pump);
        pumped.and(self.look_at_logs(Instant::now()))
    }

    /// What to wait for.
    pub(super) fn interests(&self) -> impl Iterator<Item = (Part, BorrowedFd<'_>, EventFlags)> {
        let relayed = self.relay.iter().flat_map(Relay::interests);
        relayed.chain(self.log_interests())
    }
}

/// Whether somebody reads a FIFO besides those who have it open for writing.
fn is_read(path: &Path) -> bool {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    // One that is gone will never be read.
    !matches!(rustix::fs::open(path, flags, Mode::empty()), Err(Errno::NXIO))
}

fn is_fifo(path: &str) -> Result<bool> {
    let found = rustix::fs::stat(path).op("open", path)?;
    Ok(FileType::from_raw_mode(found.st_mode) == FileType::Fifo)
}

fn open(path: &str, flags: OFlags) -> Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::empty()).op("open", path)
}

fn append(path: &str) -> Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o600)).op("open", path)
}

/// What others open in its place; nothing where that leads nowhere.
fn name_of(end: &OwnedFd) -> Result<String> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", end.as_raw_fd())).op("name", "a stream")?;
    match path.to_str() {
        Some("/dev/null") => Ok(String::new()),
        Some(name) if path.is_absolute() => Ok(name.to_owned()),
        _ => {
            Err(Error::new(Kind::Unsupported, "name", path.display())
                .because("somebody else could not open it"))
        }
    }
}

fn null(flags: OFlags) -> Result<OwnedFd> {
    open("/dev/null", flags)
}

impl Ends {
    pub(super) fn as_stdio(&self) -> tare_container::Stdio<'_> {
        tare_container::Stdio::Fds {
            stdin: self.stdin.as_fd(),
            stdout: self.stdout.as_fd(),
            stderr: self.stderr.as_fd(),
        }
    }
}
