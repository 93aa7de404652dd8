//! A non-blocking log: one process takes what comes, and never waits for a disk; another, its child, writes.
//!
//! Where as much waits as may, what comes then is read, counted and gone. A *mark* in the run folder says where something is
//! missing, or that the stream ends there.

use crate::folder::{Folder, Stream, note};
use crate::intake::{Spool, Taken};
use crate::progress::Progress;
use crate::writer::{self, Feed, Job, Outcome, Source, Start, Writer};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::Signal;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tare_error::{Context, Result};
use tare_process::{Child, spawn_worker};

/// How much is taken at once.
const CHUNK: usize = 64 * 1024;
/// How long to wait before another child is made for one that has died.
const AGAIN: Duration = Duration::from_millis(200);

/// A place in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) kind: MarkKind,
    /// Where in the spool.
    pub(crate) at: u64,
    /// How many ends of lines are missing.
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
}

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MarkKind {
    /// Something is missing, and more will be.
    Open,
    /// Something is missing.
    Closed,
    /// The stream ends.
    End,
}

const MARK: usize = 32;

impl Mark {
    fn at(at: u64, kind: MarkKind) -> Mark {
        let (lines, bytes) = (0, 0);
        Mark {
            kind,
            at,
            lines,
            bytes,
        }
    }

    /// What the log says of it.
    pub(crate) fn text(self) -> String {
        let Mark { lines, bytes, .. } = self;
        format!(
            "tare: {lines} lines ({bytes} bytes) are missing here: the log was not written as fast as they came"
        )
    }

    /// The mark of this number, where there is one.
    pub(crate) fn load(file: &OwnedFd, number: u64) -> Result<Option<Mark>, Errno> {
        let mut bytes = [0; MARK];
        if rustix::io::pread(file, &mut bytes, number * MARK as u64)? < MARK {
            return Ok(None);
        }
        let word = |place: usize| {
            bytes
                .as_chunks::<8>()
                .0
                .get(place)
                .map_or(0, |word| u64::from_le_bytes(*word))
        };
        let kind = match word(0) {
            1 => MarkKind::Open,
            2 => MarkKind::Closed,
            _ => MarkKind::End,
        };
        let (at, lines, bytes) = (word(1), word(2), word(3));
        Ok(Some(Mark {
            kind,
            at,
            lines,
            bytes,
        }))
    }

    fn save(self, file: &OwnedFd, number: u64) -> Result<(), Errno> {
        let kind: u64 = match self.kind {
            MarkKind::Open => 1,
            MarkKind::Closed => 2,
            MarkKind::End => 3,
        };
        let words = [kind, self.at, self.lines, self.bytes].map(u64::to_le_bytes);
        rustix::io::pwrite(file, words.as_flattened(), number * MARK as u64).map(drop)
    }

    /// How many there are.
    fn count(file: &OwnedFd) -> Result<u64, Errno> {
        let length = rustix::fs::fstat(file)?.st_size;
        Ok(u64::try_from(length).unwrap_or(0) / MARK as u64)
    }
}

/// A stream that is taken.
#[derive(Debug)]
struct Inlet {
    fifo: OwnedFd,
    spool: Spool,
    marks: OwnedFd,
    count: u64,
    /// Since something is missing.
    gap: Option<Mark>,
    /// Whether what went last ended a line.
    whole: bool,
    closed: bool,
}

impl Inlet {
    fn open(folder: &Folder, fifo: OwnedFd, spool: Spool) -> Result<Inlet> {
        let name = format!("{}.marks", spool.stream.name());
        let marks = folder.file(&name)?;
        let count = Mark::count(&marks).op("look at", &name)?;
        let last = match count.checked_sub(1) {
            Some(last) => Mark::load(&marks, last).op("read", &name)?,
            None => None,
        };
        Ok(Inlet {
            fifo,
            spool,
            marks,
            count,
            gap: last.filter(|mark| mark.kind == MarkKind::Open),
            whole: false,
            closed: last.is_some_and(|mark| mark.kind == MarkKind::End),
        })
    }

    /// Takes what there is, where there is room for it, else counts it; whether anything came.
    fn take(&mut self, done: u64, buffer: u64, room: &mut [u8]) -> Result<bool, Errno> {
        if self.closed {
            return Ok(false);
        }
        let free = buffer.saturating_sub(self.spool.length.saturating_sub(done));
        if self.gap.is_some() && self.whole && free >= buffer / 4 {
            self.close_gap()?;
        }
        let taken = if self.gap.is_some() {
            self.discard(free >= buffer / 4, room)?
        } else if free == 0 {
            let mark = Mark::at(self.spool.length, MarkKind::Open);
            mark.save(&self.marks, self.count)?;
            self.count += 1;
            self.gap = Some(mark);
            self.whole = false;
            return Ok(true);
        } else {
            self.spool
                .take(&self.fifo, CHUNK.min(usize::try_from(free).unwrap_or(CHUNK)))?
        };
        if taken == Taken::End {
            self.close_gap()?;
            Mark::at(self.spool.length, MarkKind::End).save(&self.marks, self.count)?;
            self.closed = true;
        }
        Ok(taken != Taken::Nothing)
    }

    /// Reads and counts; from the end of a line on it is kept again, where there is room.
    fn discard(&mut self, may_end: bool, room: &mut [u8]) -> Result<Taken, Errno> {
        let bytes = match rustix::io::read(&self.fifo, &mut *room) {
            Ok(0) => return Ok(Taken::End),
            Ok(n) => room.get(..n).unwrap_or_default(),
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Taken::Nothing),
            Err(e) => return Err(e),
        };
        let end = bytes.iter().position(|byte| *byte == b'\n').filter(|_| may_end);
        let (gone, kept) = bytes
            .split_at_checked(end.map_or(bytes.len(), |at| at + 1))
            .unwrap_or((bytes, &[]));
        if let Some(mark) = &mut self.gap {
            let lines = gone.iter().filter(|byte| **byte == b'\n').count();
            mark.lines += u64::try_from(lines).unwrap_or(0);
            mark.bytes += u64::try_from(gone.len()).unwrap_or(0);
            mark.save(&self.marks, self.count.saturating_sub(1))?;
        }
        self.whole = gone.last() == Some(&b'\n');
        if end.is_some() {
            self.close_gap()?;
            self.spool.append(kept)?;
        }
        Ok(Taken::Some)
    }

    fn close_gap(&mut self) -> Result<(), Errno> {
        if let Some(mut mark) = self.gap.take() {
            mark.kind = MarkKind::Closed;
            mark.save(&self.marks, self.count.saturating_sub(1))?;
        }
        Ok(())
    }
}

/// The process that takes.
struct Collector {
    folder: Folder,
    inlets: Vec<Inlet>,
    buffer: u64,
    progress: OwnedFd,
    writes: Option<Writes>,
    /// The first child says whether the log could be opened.
    ready: Option<OwnedFd>,
    notes: PathBuf,
    start: Parts,
    not_before: Instant,
}

/// What a child is made of.
struct Parts {
    target: crate::address::Target,
    owner: crate::folder::Owner,
}

/// What the child that writes gets.
struct Pen {
    feeds: Vec<Feed>,
    lock: OwnedFd,
    progress: OwnedFd,
    wait: OwnedFd,
    ready: Option<OwnedFd>,
}

impl Pen {
    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = vec![self.lock.as_fd(), self.progress.as_fd(), self.wait.as_fd()];
        fds.extend(self.ready.iter().map(AsFd::as_fd));
        fds.extend(self.feeds.iter().flat_map(Feed::fds));
        fds
    }
}

/// The child that writes.
struct Writes {
    child: Child,
    wake: OwnedFd,
}

/// Takes until there is nothing to take; how that ended.
pub(crate) fn run(start: Start, buffer: u64) -> Result<Outcome> {
    let mut inlets = Vec::new();
    for (fifo, spool) in start.streams {
        inlets.push(Inlet::open(&start.folder, fifo, spool)?);
    }
    let mut collector = Collector {
        folder: start.folder,
        inlets,
        buffer,
        progress: start.progress,
        writes: None,
        ready: start.ready,
        notes: start.notes,
        start: Parts {
            target: start.target,
            owner: start.owner,
        },
        not_before: Instant::now(),
    };
    collector.run().op("take the log", "")
}

impl Collector {
    fn run(&mut self) -> Result<Outcome, Errno> {
        let mut room = vec![0; CHUNK];
        let mut idle_since = Instant::now();
        loop {
            let done = Progress::load(&self.progress)?;
            let mut came = false;
            for inlet in &mut self.inlets {
                let of = done.done.get(inlet.spool.stream.place()).copied().unwrap_or(0);
                came |= inlet.take(of, self.buffer, &mut room)?;
                inlet.spool.forget(of, false);
            }
            let waits = self.waits(&done);
            if came || waits {
                idle_since = Instant::now();
            }
            if let Some(outcome) = self.see_to_child(waits || self.ready.is_some())? {
                return Ok(outcome);
            }
            let closed = self.inlets.iter().all(|inlet| inlet.closed);
            if !waits && (closed || idle_since.elapsed() >= writer::IDLE) && self.let_go() {
                // At the end whoever looks on reads the last of it; the file goes soon.
                self.inlets
                    .iter_mut()
                    .filter(|_| !closed)
                    .for_each(|inlet| inlet.spool.forget(inlet.spool.length, true));
                return Ok(if closed { Outcome::Ended } else { Outcome::Idle });
            }
            if !came {
                self.wait()?;
            }
        }
    }

    /// Whether something is to be written.
    fn waits(&self, done: &Progress) -> bool {
        self.inlets.iter().any(|inlet| {
            let place = inlet.spool.stream.place();
            let at = |all: [u64; 2]| all.get(place).copied().unwrap_or(0);
            let marks = inlet.count - u64::from(inlet.gap.is_some()) + u64::from(inlet.closed);
            // What is left of a line that goes on waits for its end, not for the child.
            let text = inlet.spool.length > at(done.done) && !self.is_begun_line(inlet, at(done.done));
            at(done.marks) < marks || done.intent.is_some() || text
        })
    }

    fn is_begun_line(&self, inlet: &Inlet, done: u64) -> bool {
        let mut room = [0; crate::piece::LONGEST];
        let text = inlet
            .spool
            .read(done, inlet.spool.length, &mut room)
            .unwrap_or_default();
        !inlet.closed && inlet.gap.is_none() && crate::piece::first(text, false).is_none()
    }

    /// Makes a child where one is needed, tells it that there is more, and looks whether it has ended.
    fn see_to_child(&mut self, needed: bool) -> Result<Option<Outcome>, Errno> {
        if let Some(writes) = &self.writes {
            if needed {
                let _ = rustix::io::write(&writes.wake, b".");
            }
            let Some(status) = writes.child.try_wait()? else {
                return Ok(None);
            };
            self.writes = None;
            self.not_before = Instant::now() + AGAIN;
            if status.exit_status() == Some(Outcome::Failed.code()) {
                return Ok(Some(Outcome::Failed));
            }
            self.ready = None;
        }
        if needed && self.not_before <= Instant::now() {
            self.writes = self.child();
            if self.writes.is_none() {
                self.not_before = Instant::now() + AGAIN;
            }
        }
        Ok(None)
    }

    fn child(&mut self) -> Option<Writes> {
        match self.try_child() {
            Ok(writes) => Some(writes),
            Err(error) => {
                note(&self.notes, tare_error::Report::new(&error));
                None
            }
        }
    }

    fn try_child(&mut self) -> Result<Writes> {
        let (wait, wake) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).op("make", "a pipe")?;
        for end in [&wait, &wake] {
            rustix::fs::fcntl_setfl(end, OFlags::NONBLOCK).op("set the flags of", "a pipe")?;
        }
        let lock = self.folder.file("disk")?;
        let mut feeds = Vec::new();
        for inlet in &self.inlets {
            let stream: Stream = inlet.spool.stream;
            feeds.push(Feed::new(
                Spool::open(&self.folder, stream)?,
                Source::Marks(self.folder.file(&format!("{}.marks", stream.name()))?),
            ));
        }
        let pen = Pen {
            feeds,
            lock,
            progress: self.folder.file("progress")?,
            wait,
            ready: self.ready.take(),
        };
        let job = Job {
            target: &self.start.target,
            owner: &self.start.owner,
            notes: &self.notes,
            folder: &self.folder,
        };
        let maker = rustix::process::getpid();
        let child = spawn_worker(pen, Pen::fds, |pen| {
            // Where the collector is killed nobody knows of its child; what that was about is gone on from.
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            if rustix::process::getppid() != Some(maker) {
                return Outcome::Failed.code();
            }
            match crate::folder::lock(&pen.lock) {
                // The one of a collector that was killed still writes.
                Ok(false) | Err(_) => return Outcome::Busy.code(),
                Ok(true) => {}
            }
            let writer = Writer::new(job, pen.feeds, &pen.progress, Some(&pen.wait));
            writer::code(writer.and_then(|writer| writer.run(pen.ready)), job.notes)
        });
        let child = child.op("start", "a log's writer")?;
        Ok(Writes { child, wake })
    }

    /// Lets the child end; whether it has.
    fn let_go(&mut self) -> bool {
        let Some(Writes { child, wake }) = self.writes.take() else {
            return true;
        };
        drop(wake);
        let _ = child.wait();
        true
    }

    fn wait(&self) -> Result<(), Errno> {
        let mut fds: Vec<PollFd<'_>> = Vec::new();
        for inlet in self.inlets.iter().filter(|inlet| !inlet.closed) {
            fds.push(PollFd::new(&inlet.fifo, PollFlags::IN));
        }
        if let Some(writes) = &self.writes {
            fds.push(PollFd::new(&writes.child.pidfd, PollFlags::IN));
        }
        // What the child has written makes room, of which nothing tells.
        let most = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 50_000_000,
        };
        match poll(&mut fds, Some(&most)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(e) => Err(e),
        }
    }
}
