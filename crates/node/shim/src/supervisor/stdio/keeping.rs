//! Logs that are kept here (`tare-logs`): a folder in the pod's, a FIFO a stream, and a child that writes while there is something
//! to write.

use super::logger::{Logger, Owner};
use super::{OFlags, Part, Streams, null};
use crate::supervisor::connection::Asked;
use rustix::event::epoll::EventFlags;
use rustix::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tare_error::{Error, Kind, Result};
use tare_logs::{Folder, Log, Stream, Target};

/// What it is called in a container's folder that is kept of its first process.
const FIRST: &str = "first";
/// As many turns as a log has descriptors at once: two FIFOs and a writer. Each writer has a turn of its own above these, since
/// the next one may be there before the loop has seen that the one before is gone.
const TURNS: u32 = 3;
const WRITERS: u32 = 8;

/// Who still writes down what a process has said that is deleted.
#[derive(Debug)]
pub(in crate::supervisor) enum Writing {
    /// A program.
    Program(Logger),
    /// Ours.
    Kept(Box<Log>),
}

/// Those of what is deleted, and the answer that waits for them.
#[derive(Debug)]
pub(in crate::supervisor) struct Leaving {
    pub(in crate::supervisor) writing: Vec<Writing>,
    pub(in crate::supervisor) answer: Option<(Asked, Vec<u8>)>,
}

impl Leaving {
    /// What a supervisor that was killed has left of logs that nobody holds: those of what it had deleted, and of what was not
    /// made. They are written to their end.
    pub(in crate::supervisor) fn found(
        streams: &Path,
        held: impl Fn(&Path) -> bool,
        odd: &mut impl FnMut(Error),
    ) -> Option<Leaving> {
        let mut writing = Vec::new();
        for of_container in entries(streams) {
            for folder in entries(&of_container).into_iter().filter(|folder| !held(folder)) {
                let folder = Folder::at(folder);
                let adopted = Log::adopt(folder.clone()).or_else(|error| {
                    // What is not whole was being made, or being removed.
                    folder.remove()?;
                    Err(error)
                });
                match adopted {
                    Ok(log) => writing.push(Writing::Kept(Box::new(log))),
                    Err(e) if e.kind() == Kind::NotFound => {}
                    Err(e) => odd(e),
                }
            }
            // One in which nothing is.
            let _ = std::fs::remove_dir(of_container);
        }
        let answer = None;
        (!writing.is_empty()).then_some(Leaving { writing, answer })
    }

    /// The folders of its logs.
    pub(in crate::supervisor) fn log_folders(&self) -> impl Iterator<Item = &Path> {
        self.writing.iter().filter_map(|writing| match writing {
            Writing::Kept(log) => Some(log.folder().path()),
            Writing::Program(_) => None,
        })
    }

    /// Moves those of its logs that lie in one folder into another: the first is wanted by somebody else.
    pub(in crate::supervisor) fn set_aside(&mut self, from: &Path, to: &Path) -> Result<()> {
        for writing in &mut self.writing {
            if let Writing::Kept(log) = writing
                && log.folder().path().parent() == Some(from)
            {
                log.move_into(to)?;
            }
        }
        Ok(())
    }

    /// Whether it is ours to write something down still.
    pub(in crate::supervisor) fn is_waited_for(&self) -> bool {
        self.writing.iter().any(Writing::is_waited_for)
    }

    /// Whether all is written, or was given up; what goes wrong is told to `odd`.
    pub(in crate::supervisor) fn has_ended(&mut self, now: Instant, odd: &mut impl FnMut(Error)) -> bool {
        let ended = |writing: &mut Writing| match writing {
            Writing::Program(logger) => logger.has_ended(now),
            Writing::Kept(log) => log.has_ended(now),
        };
        for writing in self.writing.extract_if(.., ended) {
            let Writing::Kept(log) = writing else {
                continue;
            };
            let folder = log.folder().path().to_owned();
            if let Err(error) = log.remove() {
                odd(error);
            }
            // The container's, where that was the last of its logs.
            let _ = folder.parent().map(std::fs::remove_dir);
        }
        self.writing.is_empty()
    }
}

impl Writing {
    /// Whether whoever deletes is answered when it has ended.
    pub(in crate::supervisor) fn is_waited_for(&self) -> bool {
        matches!(self, Writing::Kept(_))
    }
}

impl Streams {
    /// Where both outputs go that are wanted at one place.
    pub(super) fn keep_both(&mut self, wanted: &str, owner: Owner<'_>) -> Result<(OwnedFd, OwnedFd)> {
        if wanted.is_empty() || Log::is_none(wanted) || !Target::has_scheme(wanted) {
            return Ok((
                self.open_output(wanted, Stream::Stdout, owner)?,
                self.open_output(wanted, Stream::Stderr, owner)?,
            ));
        }
        let both = [Stream::Stdout, Stream::Stderr];
        let (log, ends) = Log::create(
            folder(owner, ""),
            wanted,
            of(owner),
            &both,
            &pod(owner).join("log"),
        )?;
        self.logs.push(log);
        ends.stdout.zip(ends.stderr).ok_or_else(missing)
    }

    /// Where one output goes.
    pub(super) fn keep(&mut self, wanted: &str, stream: Stream, owner: Owner<'_>) -> Result<OwnedFd> {
        if Log::is_none(wanted) {
            return null(OFlags::WRONLY);
        }
        let place = match stream {
            Stream::Stdout => "",
            Stream::Stderr => ":stderr",
        };
        let (log, ends) = Log::create(
            folder(owner, place),
            wanted,
            of(owner),
            &[stream],
            &pod(owner).join("log"),
        )?;
        self.logs.push(log);
        ends.stdout.or(ends.stderr).ok_or_else(missing)
    }

    /// What another supervisor has kept of a process goes on.
    ///
    /// # Errors
    /// `Corrupt`, and the kernel's; where nothing was kept there is none.
    pub(in crate::supervisor) fn adopt_logs(&mut self, owner: Owner<'_>) -> Result<()> {
        for place in ["", ":stderr"] {
            match Log::adopt(folder(owner, place)) {
                Ok(log) => self.logs.push(log),
                Err(e) if e.kind() == Kind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        self.look_at_logs(Instant::now())
    }

    /// Those that still write down what was said.
    pub(in crate::supervisor) fn take_writing(&mut self) -> Vec<Writing> {
        let logs = std::mem::take(&mut self.logs).into_iter();
        let kept = logs.map(|log| Writing::Kept(Box::new(log)));
        self.logger
            .take()
            .map(Writing::Program)
            .into_iter()
            .chain(kept)
            .collect()
    }

    /// The folders of its logs.
    pub(in crate::supervisor) fn log_folders(&self) -> impl Iterator<Item = &Path> {
        self.logs.iter().map(|log| log.folder().path())
    }

    /// Whether the logs could be opened.
    ///
    /// # Errors
    /// Why one could not.
    pub(in crate::supervisor) fn are_logs_ready(&mut self, now: Instant) -> Result<bool> {
        let mut ready = true;
        for log in &mut self.logs {
            ready &= log.is_ready(now)?;
        }
        Ok(ready)
    }

    pub(in crate::supervisor) fn look_at_logs(&mut self, now: Instant) -> Result<()> {
        self.logs.iter_mut().try_for_each(|log| log.look(now))
    }

    /// When the logs must be looked at again, whatever happens.
    pub(in crate::supervisor) fn deadline(&self) -> Option<Instant> {
        self.logs.iter().filter_map(Log::deadline).min()
    }

    pub(super) fn log_interests(&self) -> impl Iterator<Item = (Part, BorrowedFd<'_>, EventFlags)> {
        let numbered = self.logs.iter().zip((0..).step_by(TURNS as usize));
        numbered.flat_map(|(log, first): (_, u32)| {
            let (fifos, writer) = log.awaited();
            let when = |now| if now { EventFlags::IN } else { EventFlags::empty() };
            let fifos = fifos
                .zip(first..)
                .map(move |((_, fd, now), turn)| (Part::Log(turn), fd, when(now)));
            let turn = |number: u32| first + TURNS - 1 + number % (1 << 24) * WRITERS;
            let writer = writer.map(|(number, fd)| (Part::Log(turn(number)), fd, EventFlags::IN));
            fifos.chain(writer)
        })
    }
}

/// What is in a folder; nothing where it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// The pod's folder.
fn pod(owner: Owner<'_>) -> &Path {
    owner.records.parent().unwrap_or(owner.records)
}

/// The folder of what is kept of a process: names of processes have no colon.
fn folder(owner: Owner<'_>, place: &str) -> Folder {
    let name = match owner.process {
        "" => format!("{FIRST}{place}"),
        exec => format!("exec:{exec}{place}"),
    };
    Folder::at(pod(owner).join("streams").join(owner.container).join(name))
}

fn of(owner: Owner<'_>) -> tare_logs::Owner {
    tare_logs::Owner {
        namespace: owner.namespace.to_owned(),
        container: owner.container.to_owned(),
    }
}

fn missing() -> Error {
    Error::new(Kind::Internal, "keep", "a log").because("it has no such stream")
}
