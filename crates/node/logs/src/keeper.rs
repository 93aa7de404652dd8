//! The supervisor's side of a log: it holds the FIFOs, and makes a writer when there is something to write.

use crate::address::{Destination, Target};
use crate::folder::{Folder, Owner, Record, Stream, note};
use crate::intake::Spool;
use crate::progress::Progress;
use crate::writer::{Outcome, Start};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Flock, FlockType, Pid, PidfdFlags, Signal};
use std::path::Path;
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Result};
use tare_process::{Child, spawn_worker};

/// How long it is waited for whether the log can be opened.
const OPENING: Duration = Duration::from_secs(2);
/// How long to wait before another writer is made for one that could not work.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a writer may take for what is left, after the container has ended.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to be killed then.
const GOING: Duration = Duration::from_secs(1);
/// The longest thing that a writer says about opening.
const LONGEST: usize = 4096;

/// What a container gets: its ends of the FIFOs, open for reading and writing.
#[derive(Debug)]
pub struct Ends {
    /// Standard output.
    pub stdout: Option<OwnedFd>,
    /// Standard error.
    pub stderr: Option<OwnedFd>,
}

/// A log that is kept.
#[derive(Debug)]
pub struct Log {
    folder: Folder,
    record: Record,
    target: Target,
    outlets: Vec<Outlet>,
    writer: Option<Living>,
    /// How many writers there were.
    writers: u32,
    /// Whether the last one has left something behind.
    unfinished: bool,
    /// How much was taken and written at the last one's end.
    moved: u64,
    ready: Option<(OwnedFd, Instant)>,
    not_before: Option<Instant>,
    ended: bool,
    until: Option<Instant>,
    killed: bool,
}

/// The reading end of a FIFO.
#[derive(Debug)]
struct Outlet {
    stream: Stream,
    fifo: OwnedFd,
    /// Whether nothing is in it, nor will ever be.
    closed: bool,
}

/// A writer that lives.
#[derive(Debug)]
enum Living {
    Ours(Child),
    /// Of a supervisor that is gone.
    Other(OwnedFd),
}

impl Log {
    /// Makes a log in an empty folder of its own, for these streams, and lets its first writer open it.
    ///
    /// # Errors
    /// `Invalid` for an address that is none, else the kernel's.
    pub fn create(
        folder: Folder,
        address: &str,
        owner: Owner,
        streams: &[Stream],
        notes: &Path,
    ) -> Result<(Log, Ends)> {
        let target = Target::parse(address)?;
        let record = Record {
            address: address.to_owned(),
            owner,
            streams: streams.to_vec(),
            notes: notes.to_owned(),
        };
        folder.create(&record)?;
        let mut log = Log::held(folder, record, target)?;
        let end = |stream: Stream| {
            let end = streams
                .contains(&stream)
                .then(|| log.folder.fifo(stream, OFlags::RDWR));
            let end = end.transpose()?;
            if let Some(end) = &end {
                rustix::fs::fcntl_setfl(end, OFlags::empty()).op("set the flags of", stream.name())?;
            }
            Ok(end)
        };
        let ends = Ends {
            stdout: end(Stream::Stdout)?,
            stderr: end(Stream::Stderr)?,
        };
        let (ready, tell) =
            rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).op("make", "a pipe")?;
        log.start(Some(tell))?;
        log.ready = Some((ready, Instant::now() + OPENING));
        Ok((log, ends))
    }

    /// Takes over the log in a folder, whose supervisor is gone; its writer may live.
    ///
    /// # Errors
    /// `NotFound` where there is none, `Corrupt` where it is not whole.
    pub fn adopt(folder: Folder) -> Result<Log> {
        let record = folder.record()?;
        let target = Target::parse(&record.address)?;
        let mut log = Log::held(folder, record, target)?;
        for stream in &log.record.streams {
            // A FIFO that nobody has had open for writing since it was opened for reading never says that all are gone
            // (`fifo_open` of the kernel's fs/pipe.c).
            drop(log.folder.fifo(*stream, OFlags::WRONLY)?);
        }
        log.find_other()?;
        for stream in &log.record.streams {
            log.unfinished |= !is_written(&log.folder, *stream)?;
        }
        Ok(log)
    }

    /// As [`Log::adopt`], in the supervisor itself, which has become another program: its writer is its child still.
    ///
    /// # Errors
    /// As [`Log::adopt`].
    pub fn resume(folder: Folder, writer: Option<Child>) -> Result<Log> {
        let mut log = Log::adopt(folder)?;
        if let Some(child) = writer {
            log.writer = Some(Living::Ours(child));
        }
        Ok(log)
    }

    /// Where it is kept.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Its writer, where that lives and is a child of this process.
    pub fn writer(&self) -> Option<&Child> {
        match &self.writer {
            Some(Living::Ours(child)) => Some(child),
            _ => None,
        }
    }

    fn held(folder: Folder, record: Record, target: Target) -> Result<Log> {
        let mut outlets = Vec::new();
        for stream in &record.streams {
            outlets.push(Outlet {
                stream: *stream,
                fifo: folder.fifo(*stream, OFlags::RDONLY)?,
                closed: false,
            });
        }
        Ok(Log {
            folder,
            record,
            target,
            outlets,
            writer: None,
            writers: 0,
            unfinished: false,
            moved: 0,
            ready: None,
            not_before: None,
            ended: false,
            until: None,
            killed: false,
        })
    }

    /// Whether an address wants nothing kept at all.
    pub fn is_none(address: &str) -> bool {
        Target::parse(address).is_ok_and(|target| target.destination == Destination::None)
    }

    /// The FIFOs, each with whether it is waited for until there is something to read; and the writer that lives, for whose end
    /// it is waited, with a number that no other has.
    pub fn awaited(
        &self,
    ) -> (
        impl Iterator<Item = (Stream, BorrowedFd<'_>, bool)>,
        Option<(u32, BorrowedFd<'_>)>,
    ) {
        let rests = self.writer.is_none() && !self.ended && self.not_before.is_none();
        let outlets = self.outlets.iter();
        let fifos = outlets.map(move |outlet| (outlet.stream, outlet.fifo.as_fd(), rests && !outlet.closed));
        let writer = self.writer.as_ref().map(|living| match living {
            Living::Ours(child) => (self.writers, child.pidfd.as_fd()),
            Living::Other(pidfd) => (self.writers, pidfd.as_fd()),
        });
        (fifos, writer)
    }

    /// When it wants to be looked at, whatever happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.not_before
    }

    /// Whether the log could be opened: known when the first writer has said so, and taken for granted after a while.
    ///
    /// # Errors
    /// Why it could not.
    pub fn is_ready(&mut self, now: Instant) -> Result<bool> {
        let Some((ready, until)) = &self.ready else {
            return Ok(true);
        };
        let mut said = vec![0; LONGEST];
        match rustix::io::read(ready, &mut said) {
            Err(Errno::AGAIN | Errno::INTR) if now < *until => return Ok(false),
            // Opening goes on, and where it fails it is tried again.
            Ok(0) | Err(_) => self.ready = None,
            Ok(n) => {
                self.ready = None;
                self.ended = true;
                let (number, text) = said.split_at_checked(n.min(4)).unwrap_or_default();
                let number = number.try_into().map_or(0, i32::from_le_bytes);
                let text = text.get(..n.saturating_sub(4)).unwrap_or_default();
                let kind = Error::os("", "", Errno::from_raw_os_error(number)).kind();
                return Err(Error::new(kind, "open the log", &self.record.address)
                    .because(String::from_utf8_lossy(text)));
            }
        }
        Ok(true)
    }

    /// Looks at the writer and the FIFOs; makes a writer where there is something to write and none lives.
    ///
    /// # Errors
    /// The kernel's.
    pub fn look(&mut self, now: Instant) -> Result<()> {
        if self.ended || self.not_before.is_some_and(|at| now < at) {
            return Ok(());
        }
        self.not_before = None;
        if self.lives(now)? {
            return Ok(());
        }
        let mut wanted = self.unfinished;
        for outlet in &mut self.outlets {
            if !outlet.closed {
                let found = state(&outlet.fifo);
                wanted |= found.contains(PollFlags::IN);
                outlet.closed = found.contains(PollFlags::HUP) && !found.contains(PollFlags::IN);
            }
            wanted |= outlet.closed && !is_written(&self.folder, outlet.stream)?;
        }
        if wanted {
            return self.start(None);
        }
        self.ended |= self.outlets.iter().all(|outlet| outlet.closed);
        Ok(())
    }

    /// Whether a writer lives; what an ended one has left behind is seen to.
    fn lives(&mut self, now: Instant) -> Result<bool> {
        let outcome = match &self.writer {
            None => return Ok(false),
            Some(Living::Other(pidfd)) if !state(pidfd).contains(PollFlags::IN) => return Ok(true),
            Some(Living::Other(_)) => None,
            Some(Living::Ours(child)) => match child.try_wait() {
                Ok(None) => return Ok(true),
                Ok(Some(status)) => status.exit_status(),
                // Somebody else has waited for it.
                Err(Errno::CHILD) => None,
                Err(e) => return Err(e).op("wait for", "a log's writer"),
            },
        };
        self.writer = None;
        if outcome == Some(Outcome::Ended.code()) {
            self.ended = true;
        } else if outcome == Some(Outcome::Busy.code()) {
            self.find_other()?;
        }
        let well = [Outcome::Ended, Outcome::Idle].map(Outcome::code);
        if self.writer.is_none() && !outcome.is_some_and(|code| well.contains(&code)) {
            // What it has taken and not written is written by the next one, though nothing may come for long.
            self.unfinished = true;
            // One that was killed is followed at once, unless it got nowhere.
            let moved = std::mem::replace(&mut self.moved, moved(&self.folder, &self.record.streams)?);
            if outcome.is_some() || moved == self.moved {
                self.not_before = Some(now + AGAIN);
            }
        }
        Ok(self.writer.is_some() || self.not_before.is_some() || self.ended)
    }

    /// Makes a writer.
    fn start(&mut self, ready: Option<OwnedFd>) -> Result<()> {
        let mut streams = Vec::new();
        for outlet in &self.outlets {
            let fifo = outlet.fifo.try_clone().op("hold", outlet.stream.name())?;
            streams.push((fifo, Spool::open(&self.folder, outlet.stream)?));
        }
        let start = Start {
            folder: self.folder.clone(),
            target: self.target.clone(),
            owner: self.record.owner.clone(),
            notes: self.record.notes.clone(),
            streams,
            progress: self.folder.file("progress")?,
            lock: self.folder.file("writer")?,
            ready,
        };
        let child = spawn_worker(start, Start::fds, Start::run).op("start", "a log's writer")?;
        self.writers += 1;
        self.unfinished = false;
        self.writer = Some(Living::Ours(child));
        Ok(())
    }

    /// Looks for the writer of a supervisor that is gone.
    fn find_other(&mut self) -> Result<()> {
        self.writers += 1;
        self.writer = self.other()?;
        Ok(())
    }

    /// The writer of a supervisor that is gone, by the lock that it holds.
    fn other(&self) -> Result<Option<Living>> {
        let lock = self.folder.file("writer")?;
        let holder = || {
            let asked = Flock::from(FlockType::WriteLock);
            let held = rustix::process::fcntl_getlk(&lock, &asked).op("look at", "a log's lock")?;
            Ok::<_, Error>(held.and_then(|held| held.pid))
        };
        let Some(pid) = holder()? else {
            return Ok(None);
        };
        let found = rustix::process::pidfd_open(pid, PidfdFlags::empty());
        // What holds the lock still is what was opened.
        let same = holder()? == Some::<Pid>(pid);
        Ok(found.ok().filter(|_| same).map(Living::Other))
    }

    /// Whether everything is written, after the container has ended. That is waited for, but not for ever: a log whose disk is
    /// stalled loses then what is not on it, and that is noted.
    pub fn has_ended(&mut self, now: Instant) -> bool {
        let until = *self.until.get_or_insert(now + PATIENCE);
        if !self.killed {
            if let Err(error) = self.look(now) {
                note(&self.record.notes, tare_error::Report::new(&error));
            }
            if self.ended || now < until {
                return self.ended;
            }
            let address = &self.record.address;
            let text = format_args!("the log {address} is not written to its end: its writer took too long");
            note(&self.record.notes, text);
            self.kill();
        }
        // Not for long: a disk may not let it go.
        self.ended = self.is_gone() || until + GOING <= now;
        self.ended
    }

    fn kill(&mut self) {
        self.killed = true;
        let _ = match &self.writer {
            Some(Living::Ours(child)) => child.signal(Signal::KILL),
            Some(Living::Other(pidfd)) => rustix::process::pidfd_send_signal(pidfd, Signal::KILL),
            None => Ok(()),
        };
    }

    fn is_gone(&self) -> bool {
        match &self.writer {
            None => true,
            Some(Living::Ours(child)) => !matches!(child.try_wait(), Ok(None)),
            Some(Living::Other(pidfd)) => state(pidfd).contains(PollFlags::IN),
        }
    }

    /// Moves its folder into another one, which is made where it is not there. A writer that lives goes on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn move_into(&mut self, parent: &Path) -> Result<()> {
        self.folder = self.folder.move_into(parent)?;
        Ok(())
    }

    /// Removes its folder. A writer that lives finishes what it has.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove(self) -> Result<()> {
        self.folder.remove()
    }
}

/// What is to be had of a descriptor now.
fn state(fd: &OwnedFd) -> PollFlags {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    let _ = poll(&mut fds, Some(&Timespec::default()));
    let [fd] = fds;
    fd.revents()
}

/// How much was ever taken of these streams and written of them, in all.
fn moved(folder: &Folder, streams: &[Stream]) -> Result<u64> {
    let progress = Progress::load(&folder.file("progress")?).op("read", "the log's progress")?;
    let mut moved: u64 = progress.done.iter().sum();
    for stream in streams {
        moved += Spool::open(folder, *stream)?.length;
    }
    // The intent of a write is a step as well.
    Ok(moved + u64::from(progress.intent.is_some()))
}

/// Whether everything that was taken of a stream is written.
fn is_written(folder: &Folder, stream: Stream) -> Result<bool> {
    let spool = Spool::open(folder, stream)?;
    let progress = Progress::load(&folder.file("progress")?).op("read", "the log's progress")?;
    let done = progress.done.get(stream.place()).copied().unwrap_or(0);
    Ok(progress.intent.is_none() && done >= spool.length)
}
