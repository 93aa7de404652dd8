//! The process that writes a log, while there is something to write.

use crate::address::{Policy, Target};
use crate::collector::{self, Mark, MarkKind};
use crate::compose::{Closing, Composed, Limit, compose};
use crate::folder::{Folder, Owner, Stream, lock, note};
use crate::intake::{Spool, Taken};
use crate::moment::Moment;
use crate::piece::{End, LONGEST, Piece};
use crate::progress::{Intent, Place, Progress};
use crate::sink::Sink;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Access, Mode};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tare_error::{Context, Error, Kind, Report, Result};

/// How long it stays when nothing comes: longer than a container pauses that logs all the time, shorter than anybody would mind
/// a process for each one that has said something.
pub(crate) const IDLE: Duration = Duration::from_secs(2);
/// How much of a stream is taken before it is written.
const BATCH: usize = 64 * 1024;
/// The pauses between attempts to write where that fails: each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// What its process is called.
const NAME: &std::ffi::CStr = c"tare-log";

/// How a writer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing will ever come, and everything is written.
    Ended,
    /// Nothing came for a while, and everything is written but what is left of a line that goes on.
    Idle,
    /// There is another.
    Busy,
    /// It could not do its work.
    Failed,
}

impl Outcome {
    pub(crate) fn code(self) -> i32 {
        match self {
            Outcome::Ended => 0,
            Outcome::Idle => 3,
            Outcome::Busy => 4,
            Outcome::Failed => 5,
        }
    }
}

/// What a writer gets.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) folder: Folder,
    pub(crate) target: Target,
    pub(crate) owner: Owner,
    pub(crate) notes: PathBuf,
    pub(crate) streams: Vec<(OwnedFd, Spool)>,
    pub(crate) progress: OwnedFd,
    pub(crate) lock: OwnedFd,
    /// Where the first one says whether the log can be opened: nothing, or an error number and where.
    pub(crate) ready: Option<OwnedFd>,
}

impl Start {
    /// The fds that a writer keeps.
    pub(crate) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = vec![self.progress.as_fd(), self.lock.as_fd()];
        fds.extend(self.ready.iter().map(AsFd::as_fd));
        for (fifo, spool) in &self.streams {
            fds.extend([fifo.as_fd(), spool.file().as_fd()]);
        }
        fds
    }

    /// Is the writer; the code to end with.
    pub(crate) fn run(self) -> i32 {
        let _ = rustix::thread::set_name(NAME);
        // Whoever reads what the maker writes waits for no writer.
        if let Ok(null) = Folder::null() {
            let _ = tare_process::set_stdio(null.as_fd(), null.as_fd(), null.as_fd());
        }
        // Docker's logs are for a group as well.
        rustix::process::umask(Mode::WGRP | Mode::RWXO);
        match lock(&self.lock) {
            Ok(true) => {}
            Ok(false) => return Outcome::Busy.code(),
            Err(_) => return Outcome::Failed.code(),
        }
        let notes = self.notes.clone();
        let outcome = match self.target.policy {
            Policy::Drop { buffer } => collector::run(self, buffer),
            Policy::Block => self.write(),
        };
        code(outcome, &notes)
    }

    fn write(self) -> Result<Outcome> {
        let feed = |(fifo, spool)| Feed::new(spool, Source::Fifo(fifo));
        let feeds = self.streams.into_iter().map(feed).collect();
        let job = Job {
            target: &self.target,
            owner: &self.owner,
            notes: &self.notes,
            folder: &self.folder,
        };
        Writer::new(job, feeds, &self.progress, None)?.run(self.ready)
    }
}

/// The code to end with; an error is noted.
pub(crate) fn code(outcome: Result<Outcome>, notes: &Path) -> i32 {
    outcome.map_or_else(
        |error| {
            note(notes, Report::new(&error));
            Outcome::Failed.code()
        },
        Outcome::code,
    )
}

/// A stream that is written.
#[derive(Debug)]
pub(crate) struct Feed {
    spool: Spool,
    source: Source,
    closed: bool,
}

/// Who fills the spool.
#[derive(Debug)]
pub(crate) enum Source {
    /// The writer, from here.
    Fifo(OwnedFd),
    /// The collector, whose marks are here.
    Marks(OwnedFd),
}

impl Feed {
    pub(crate) fn new(spool: Spool, source: Source) -> Feed {
        let closed = false;
        Feed {
            spool,
            source,
            closed,
        }
    }

    pub(crate) fn fds(&self) -> [BorrowedFd<'_>; 2] {
        let (Source::Fifo(source) | Source::Marks(source)) = &self.source;
        [self.spool.file().as_fd(), source.as_fd()]
    }
}

/// What is to be written, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job<'a> {
    pub(crate) target: &'a Target,
    pub(crate) owner: &'a Owner,
    pub(crate) notes: &'a Path,
    pub(crate) folder: &'a Folder,
}

/// A writer.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    job: Job<'a>,
    feeds: Vec<Feed>,
    progress: Progress,
    progress_file: &'a OwnedFd,
    /// Where the collector says that there is more.
    wake: Option<&'a OwnedFd>,
    trouble: Trouble,
    room: Vec<u8>,
}

/// A log that cannot be written now.
#[derive(Debug, Default)]
struct Trouble {
    pause: Option<Duration>,
}

impl Trouble {
    /// Says what is wrong, once, and waits a while, each time longer.
    fn wait(&mut self, error: &Error, notes: &Path) {
        if self.pause.is_none() {
            note(notes, format_args!("{}: it is tried again", Report::new(error)));
        }
        let pause = self
            .pause
            .map_or(FIRST_PAUSE, |pause| (pause * 2).min(LAST_PAUSE));
        self.pause = Some(pause);
        let _ = poll(&mut [], Some(&timespec(pause)));
    }

    fn over(&mut self, notes: &Path) {
        if self.pause.take().is_some() {
            note(notes, "the log is written again");
        }
    }
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        job: Job<'a>,
        feeds: Vec<Feed>,
        progress_file: &'a OwnedFd,
        wake: Option<&'a OwnedFd>,
    ) -> Result<Writer<'a>> {
        Ok(Writer {
            job,
            feeds,
            progress: Progress::load(progress_file).op("read", "the log's progress")?,
            progress_file,
            wake,
            trouble: Trouble::default(),
            room: vec![0; BATCH + LONGEST],
        })
    }

    /// Writes until nothing comes.
    pub(crate) fn run(mut self, ready: Option<OwnedFd>) -> Result<Outcome> {
        let Some(mut sink) = self.open(ready) else {
            return Ok(Outcome::Failed);
        };
        self.recover(&mut sink)?;
        loop {
            let mut moved = false;
            for at in 0..self.feeds.len() {
                moved |= self.fill(at)?;
                moved |= self.drain(at, &mut sink)?;
            }
            if moved {
                continue;
            }
            self.settle()?;
            let outcome = if self.feeds.iter().all(|feed| feed.closed) {
                Outcome::Ended
            } else if self.more_comes()? {
                self.look(&mut sink)?;
                continue;
            } else {
                Outcome::Idle
            };
            // At the end whoever looks on reads the last of it; the file goes soon.
            for feed in self.feeds.iter_mut().filter(|_| outcome == Outcome::Idle) {
                let done = self.progress.done.get(feed.spool.stream.place()).copied();
                feed.spool.forget(done.unwrap_or(0), true);
            }
            sink.finish();
            return Ok(outcome);
        }
    }

    /// Opens the log: the first writer says what is wrong, a later one tries until it can.
    fn open(&mut self, ready: Option<OwnedFd>) -> Option<Sink> {
        loop {
            match Sink::open(self.job.target, self.job.owner, self.job.folder) {
                Ok(sink) => {
                    self.trouble.over(self.job.notes);
                    // Nothing was said: it is open.
                    drop(ready);
                    return Some(sink);
                }
                Err(error) => match &ready {
                    Some(ready) => {
                        let number = error.errno().unwrap_or(0).to_le_bytes();
                        let said = [&number[..], Report::new(&error).to_string().as_bytes()].concat();
                        let _ = rustix::io::write(ready, &said);
                        return None;
                    }
                    None => self.pause(&error).ok()?,
                },
            }
        }
    }

    /// Finishes what the writer before has begun.
    fn recover(&mut self, sink: &mut Sink) -> Result<()> {
        let Some(intent) = self.progress.intent else {
            return Ok(());
        };
        let Some(at) = self
            .feeds
            .iter()
            .position(|feed| feed.spool.stream == intent.stream)
        else {
            return Ok(());
        };
        let composed = if intent.of_gap {
            self.gap(at, sink, intent.time)?.unwrap_or_default()
        } else {
            let from = self.done(intent.stream);
            let taken = usize::try_from(intent.to.saturating_sub(from)).unwrap_or(0);
            let limit = Limit {
                bytes: usize::MAX,
                taken,
            };
            let to = self.end(at)?.0;
            self.composed(at, sink, (from, to), (intent.closing, intent.time), limit)?
        };
        let place = sink.place();
        let same = (place.device, place.inode) == (intent.place.device, intent.place.inode);
        let there = if same {
            place.length.saturating_sub(intent.place.length)
        } else {
            0
        };
        let rest = usize::try_from(there)
            .ok()
            .and_then(|there| composed.bytes.get(there..));
        self.put(sink, rest.unwrap_or_default())?;
        self.finish(intent);
        self.settle()
    }

    /// Takes what there is, where this process does that.
    fn fill(&mut self, at: usize) -> Result<bool> {
        let Some(feed) = self.feeds.get_mut(at).filter(|feed| !feed.closed) else {
            return Ok(false);
        };
        let Source::Fifo(fifo) = &feed.source else {
            let before = feed.spool.length;
            feed.spool.measure().op("look at", "the log's spool")?;
            return Ok(feed.spool.length > before);
        };
        let done = self
            .progress
            .done
            .get(feed.spool.stream.place())
            .copied()
            .unwrap_or(0);
        if feed.spool.length.saturating_sub(done) >= BATCH as u64 {
            return Ok(false);
        }
        match feed.spool.take(fifo, BATCH) {
            Ok(taken) => {
                if taken == Taken::Some {
                    tare_failpoint::pass("log-taken")?;
                }
                feed.closed = taken == Taken::End;
                // Its end closes the last line, which is written now.
                Ok(taken != Taken::Nothing)
            }
            Err(e) => {
                let error = Error::os("take the log of", feed.spool.stream.name(), e);
                self.pause(&error)?;
                Ok(true)
            }
        }
    }

    /// Writes what is whole of a stream, at most as much as one write holds.
    fn drain(&mut self, at: usize, sink: &mut Sink) -> Result<bool> {
        let Some(stream) = self.feeds.get(at).map(|feed| feed.spool.stream) else {
            return Ok(false);
        };
        let from = self.done(stream);
        let (to, mark) = self.end(at)?;
        if from >= to {
            return match mark {
                Some(Mark {
                    kind: MarkKind::Closed,
                    ..
                }) => self.write_gap(at, sink),
                Some(Mark {
                    kind: MarkKind::End, ..
                }) if mark.is_some_and(|mark| mark.at <= from) => self.close(at),
                _ => Ok(false),
            };
        }
        let Some(feed) = self.feeds.get(at) else {
            return Ok(false);
        };
        let whole = to - from <= self.room.len() as u64;
        let closing = match (mark.map(|mark| mark.kind), feed.closed) {
            (None, true) | (Some(MarkKind::End), _) if whole => Closing::Stream,
            (Some(MarkKind::Open | MarkKind::Closed), _) if whole => Closing::Gap,
            _ => Closing::More,
        };
        let time = Moment::now();
        let limit = Limit {
            bytes: sink.most(),
            taken: usize::MAX,
        };
        let composed = self.composed(at, sink, (from, to), (closing, time), limit)?;
        if composed.taken == 0 {
            return Ok(false);
        }
        let intent = Intent {
            stream,
            of_gap: false,
            to: from + composed.taken as u64,
            closing,
            time,
            place: Place::default(),
        };
        self.write(sink, intent, &composed.bytes)?;
        Ok(true)
    }

    /// How far a stream goes for now, and the mark that is there.
    fn end(&self, at: usize) -> Result<(u64, Option<Mark>)> {
        let Some(feed) = self.feeds.get(at) else {
            return Ok((0, None));
        };
        let mark = match &feed.source {
            Source::Fifo(_) => None,
            Source::Marks(marks) => {
                Mark::load(marks, self.marks(feed.spool.stream)).op("read", "the log's marks")?
            }
        };
        let length = feed.spool.length;
        Ok((mark.map_or(length, |mark| mark.at).min(length), mark))
    }

    /// Records of a part of a stream.
    fn composed(
        &mut self,
        at: usize,
        sink: &Sink,
        (from, to): (u64, u64),
        (closing, time): (Closing, Moment),
        limit: Limit,
    ) -> Result<Composed> {
        let Some(feed) = self.feeds.get(at) else {
            return Ok(Composed::default());
        };
        let text = feed
            .spool
            .read(from, to, &mut self.room)
            .op("read", "the log's spool")?;
        Ok(compose(
            &sink.form(),
            text,
            closing,
            feed.spool.stream,
            &time.to_string(),
            limit,
        ))
    }

    /// The line that says what is missing.
    fn gap(&self, at: usize, sink: &Sink, time: Moment) -> Result<Option<Composed>> {
        let Some(Feed {
            spool,
            source: Source::Marks(marks),
            ..
        }) = self.feeds.get(at)
        else {
            return Ok(None);
        };
        let mark = Mark::load(marks, self.marks(spool.stream)).op("read", "the log's marks")?;
        Ok(mark.map(|mark| {
            let mut composed = Composed::default();
            let text = mark.text();
            let piece = Piece {
                text: text.as_bytes(),
                end: End::Line,
            };
            sink.form()
                .write(piece, spool.stream, &time.to_string(), &mut composed.bytes);
            composed
        }))
    }

    fn write_gap(&mut self, at: usize, sink: &mut Sink) -> Result<bool> {
        let time = Moment::now();
        let Some((composed, feed)) = self.gap(at, sink, time)?.zip(self.feeds.get(at)) else {
            return Ok(false);
        };
        let stream = feed.spool.stream;
        let intent = Intent {
            stream,
            of_gap: true,
            to: self.done(stream),
            closing: Closing::Gap,
            time,
            place: Place::default(),
        };
        self.write(sink, intent, &composed.bytes)?;
        Ok(true)
    }

    fn close(&mut self, at: usize) -> Result<bool> {
        let Some(feed) = self.feeds.get_mut(at).filter(|feed| !feed.closed) else {
            return Ok(false);
        };
        feed.closed = true;
        let stream = feed.spool.stream;
        if let Some(marks) = self.progress.marks.get_mut(stream.place()) {
            *marks += 1;
        }
        self.settle()?;
        Ok(true)
    }

    /// Writes to the log, into a new file where the old one is full; before that it is said what will be written.
    fn write(&mut self, sink: &mut Sink, mut intent: Intent, bytes: &[u8]) -> Result<()> {
        self.look(sink)?;
        while sink.is_full_for(bytes.len()) {
            self.settle()?;
            match sink.rotate() {
                Ok(()) => self.trouble.over(self.job.notes),
                Err(e) => self.pause(&Error::os("rotate", self.name(), e))?,
            }
        }
        intent.place = sink.place();
        self.progress.intent = Some(intent);
        self.save()?;
        tare_failpoint::pass("log-intended")?;
        // What is written on record; no more, as this write may have to be made again.
        let done = self.done(intent.stream);
        let mut feeds = self.feeds.iter_mut();
        if let Some(feed) = feeds.find(|feed| feed.spool.stream == intent.stream) {
            feed.spool.forget(done, false);
        }
        self.put(sink, bytes)?;
        tare_failpoint::pass("log-written")?;
        self.finish(intent);
        if self.wake.is_some() {
            // The collector sees by it that there is room again.
            self.settle()?;
        }
        Ok(())
    }

    /// Writes all of it, however long that takes.
    fn put(&mut self, sink: &mut Sink, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match sink.write(bytes) {
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    self.trouble.over(self.job.notes);
                }
                Err(Errno::INTR) => {}
                Err(e) => {
                    self.pause(&Error::os("write", self.name(), e))?;
                    // Its file may be another by now. What is written of a record is in the old one then, and the rest in this.
                    let _ = sink.look(true);
                }
            }
        }
        Ok(())
    }

    /// It is written.
    fn finish(&mut self, intent: Intent) {
        self.progress.intent = None;
        let place = intent.stream.place();
        if intent.of_gap {
            if let Some(marks) = self.progress.marks.get_mut(place) {
                *marks += 1;
            }
        } else if let Some(done) = self.progress.done.get_mut(place) {
            *done = intent.to;
        }
    }

    /// Says that everything is written that was to be.
    fn settle(&mut self) -> Result<()> {
        self.save()
    }

    /// The record lies in the run folder: where even that is full it is waited for.
    fn save(&mut self) -> Result<()> {
        loop {
            match self.progress.save(self.progress_file) {
                Ok(()) => return Ok(()),
                Err(e @ Errno::NOSPC) => self.pause(&Error::os("write", "the log's progress", e))?,
                Err(e) => return Err(e).op("write", "the log's progress"),
            }
        }
    }

    fn look(&mut self, sink: &mut Sink) -> Result<()> {
        while let Err(e) = sink.look(false) {
            self.pause(&Error::os("look at", self.name(), e))?;
        }
        Ok(())
    }

    /// Waits before it tries again; not, where the log was given up: nobody would end this process else.
    fn pause(&mut self, error: &Error) -> Result<()> {
        self.trouble.wait(error, self.job.notes);
        match rustix::fs::access(self.job.folder.path(), Access::EXISTS) {
            Err(Errno::NOENT) => {
                Err(Error::new(Kind::Conflict, "write", self.name()).because("its container is deleted"))
            }
            _ => Ok(()),
        }
    }

    fn name(&self) -> String {
        let file = self.job.target.file();
        file.map_or_else(|| "the journal".to_owned(), |path| path.display().to_string())
    }

    fn done(&self, stream: Stream) -> u64 {
        self.progress.done.get(stream.place()).copied().unwrap_or(0)
    }

    fn marks(&self, stream: Stream) -> u64 {
        self.progress.marks.get(stream.place()).copied().unwrap_or(0)
    }

    /// Waits until more comes; not, where nothing does for a while, or nobody would bring it.
    fn more_comes(&self) -> Result<bool> {
        let mut fds: Vec<PollFd<'_>> = Vec::new();
        for feed in self.feeds.iter().filter(|feed| !feed.closed) {
            if let Source::Fifo(fifo) = &feed.source {
                fds.push(PollFd::new(fifo, PollFlags::IN));
            }
        }
        fds.extend(self.wake.iter().map(|wake| PollFd::new(*wake, PollFlags::IN)));
        // The collector decides when a child of it ends.
        let most = timespec(IDLE);
        let most = self.wake.is_none().then_some(&most);
        match poll(&mut fds, most) {
            Ok(0) => return Ok(false),
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e).op("wait for", "the log's streams"),
        }
        let Some(wake) = self.wake else {
            return Ok(true);
        };
        let mut room = [0; 256];
        match rustix::io::read(wake, &mut room) {
            // It is gone: what is there is written, nothing more is waited for.
            Ok(0) => Ok(false),
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(true),
            Err(e) => Err(e).op("hear from", "the log's collector"),
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
