//! A container: its processes, its memory, and what the library knows of it.

use super::connection::Asked;
use super::foreign::Foreign;
use super::life::Life;
use super::memory::Memory;
use super::process::{Ended, Held, Process, READERS, Stage};
use super::record::ContainerRecord;
use super::stdio::{Owner, Streams, Wanted, Writing};
use crate::exit::Exit;
use crate::pod::PodDir;
use crate::poller::Interest;
use crate::supervisor::source::Source;
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};
use tare_error::{Error, Kind, Result};
use tare_lifecycle::{Made, OwnGroup};
use tare_process::Stamp;
use tare_spec_containerd::types::Mount;
use tare_store::Durability;

/// How often it is looked whether a reader has come, which a FIFO does not say, or a logging program has ended.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How many processes a container may have at once, the ended ones among them that are not deleted yet.
const MOST_PROCESSES: usize = 4096;
/// The record of its end, in its folder.
pub(crate) const EXIT_RECORD: &str = "exit.json";
/// The longest record that is read.
pub(super) const LONGEST_RECORD: usize = 64 * 1024;

/// A container.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: String,
    /// containerd's, in which the id is.
    pub(super) namespace: Rc<str>,
    pub(super) bundle: PathBuf,
    /// Where its record is.
    pub(super) records: Rc<Path>,
    /// What containerd asked to make its root of, until that was told.
    pub(super) rootfs: Vec<Mount>,
    /// The container of the library, once it is made.
    pub(super) held: Option<tare_lifecycle::Container>,
    /// What is known of it where its runtime is another one's command.
    pub(super) foreign: Option<Box<Foreign>>,
    pub(super) memory: Option<Memory>,
    pub(super) paused: bool,
    /// We sent the signal that ends everything.
    pub(super) killed: bool,
    /// The first process, then those that were executed.
    pub(super) processes: Vec<Process>,
    /// Own groups of processes that are deleted, in which somebody was left.
    pub(super) left_groups: Vec<OwnGroup>,
}

/// What came of a step.
#[derive(Debug)]
pub(super) enum Progress {
    /// More follow.
    Goes,
    /// The container is made.
    Created { asked: Asked, pid: u32 },
    /// A process runs: the first one, or that of this name.
    Started { asked: Asked, exec_id: String, pid: u32 },
    /// A step failed.
    Failed {
        asked: Asked,
        error: Error,
        never_made: bool,
    },
}

impl Container {
    pub(super) fn process(&self, exec_id: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.exec_id == exec_id)
    }

    pub(super) fn process_mut(&mut self, exec_id: &str) -> Option<&mut Process> {
        self.processes
            .iter_mut()
            .find(|process| process.exec_id == exec_id)
    }

    /// The container of the library; none before it is made.
    pub(super) fn held(&self) -> Result<&tare_lifecycle::Container> {
        self.held.as_ref().ok_or_else(|| {
            Error::new(Kind::Conflict, "use container", &self.id).because("it is still being created")
        })
    }

    /// Goes on with making, starting or entering.
    pub(super) fn advance(&mut self, number: u32) -> Progress {
        if self.foreign.is_some() {
            return self.advance_foreign(number);
        }
        let held = self.held.as_ref();
        let Some(process) = self.processes.iter_mut().find(|p| p.number == number) else {
            return Progress::Goes;
        };
        let never_made = held.is_none();
        let (asked, done) = match (&mut process.stage, held) {
            (Stage::Making { making, asked }, _) => (*asked, making.advance()),
            (Stage::Starting { starting, asked, .. }, Some(held)) => (*asked, starting.advance(held)),
            (Stage::Entering { entering, asked }, Some(held)) => (*asked, entering.advance(held)),
            _ => return Progress::Goes,
        };
        let error = match done {
            Ok(false) => return Progress::Goes,
            Ok(true) => match self.take_over(number) {
                Ok(progress) => return progress,
                Err(error) => error,
            },
            Err(error) => error,
        };
        self.give_up(number);
        Progress::Failed {
            asked,
            error,
            never_made,
        }
    }

    /// Takes over what is made, started or entered.
    fn take_over(&mut self, number: u32) -> Result<Progress> {
        let Some(process) = self.processes.iter_mut().find(|p| p.number == number) else {
            return Ok(Progress::Goes);
        };
        let owner = Owner {
            namespace: &self.namespace,
            container: &self.id,
            process: &process.exec_id,
            records: &self.records,
        };
        match process.stage.take() {
            Stage::Making { making, asked } => {
                let made = making.finish()?;
                let pid = made.process.pid.as_raw_pid().unsigned_abs();
                self.take_made(made)?;
                Ok(Progress::Created { asked, pid })
            }
            Stage::Starting {
                process: child,
                asked,
                ..
            } => {
                let pid = child.pid().unsigned_abs();
                let _ = tare_failpoint::pass("start-done");
                process.stage = Stage::Running(child);
                Ok(Progress::Started {
                    asked,
                    exec_id: String::new(),
                    pid,
                })
            }
            Stage::Entering { entering, asked } => {
                let (running, own_group) = entering.finish()?;
                process.own_group = own_group;
                let pid = running.process.pid.as_raw_pid();
                match opened(running.terminal, &process.stdio, owner) {
                    Ok(Some(streams)) => process.streams = streams,
                    Ok(None) => {}
                    Err(error) => {
                        process.end_group();
                        running.process.kill_and_reap();
                        return Err(error);
                    }
                }
                let exec_id = process.exec_id.clone();
                process.stage = Stage::Running(Life::of_child(running.process, Stamp::of(pid)?));
                self.record_step("exec-done")
                    .map_err(|error| self.kill_executed(number, error))?;
                let pid = pid.unsigned_abs();
                Ok(Progress::Started { asked, exec_id, pid })
            }
            other => {
                process.stage = other;
                Ok(Progress::Goes)
            }
        }
    }

    /// Takes over a container; one whose terminal leads nowhere is deleted again.
    fn take_made(&mut self, mut made: Made) -> Result<()> {
        let owner = Owner {
            namespace: &self.namespace,
            container: &self.id,
            process: "",
            records: &self.records,
        };
        let Some(first) = self.processes.iter_mut().find(|process| process.is_first()) else {
            return Ok(());
        };
        match opened(made.terminal, &first.stdio, owner) {
            Ok(Some(streams)) => first.streams = streams,
            Ok(None) => {}
            Err(error) => {
                made.process.kill_and_reap();
                return Err(match made.container.delete(true) {
                    Ok(()) => error,
                    Err(also) => error.also(also),
                });
            }
        }
        let stamp = match made.container.record().init.clone() {
            Some(stamp) => stamp,
            None => Stamp::of(made.process.pid.as_raw_pid())?,
        };
        first.stage = Stage::Created(Life::of_child(made.process, stamp));
        self.memory = made.container.let_go().and_then(|group| Memory::of(&group));
        self.held = Some(made.container);
        self.record_step("create-done")
            .map_err(|error| self.unmake(error))
    }

    /// Ends and deletes a container that was made, but not recorded.
    fn unmake(&mut self, error: Error) -> Error {
        if let Some(life) = self.process("").and_then(Process::life) {
            life.kill_and_reap();
        }
        match self.held.take().map_or(Ok(()), |held| held.delete(true)) {
            Ok(()) => error,
            Err(also) => error.also(also),
        }
    }

    /// Ends a process that runs, but was not recorded.
    fn kill_executed(&mut self, number: u32, error: Error) -> Error {
        if let Some(process) = self.processes.iter_mut().find(|p| p.number == number)
            && let Some(life) = process.life()
        {
            process.end_group();
            life.kill_and_reap();
            process.stage = Stage::Ended(Ended {
                pid: life.pid(),
                ..Ended::unknown()
            });
        }
        error
    }

    /// Writes down that a step was made.
    fn record_step(&self, place: &'static str) -> Result<()> {
        tare_failpoint::pass(place)?;
        self.write_record()
    }

    /// A process that could not be started: the first one's own end is still to come, as it was there.
    fn give_up(&mut self, number: u32) {
        let Some(process) = self.processes.iter_mut().find(|p| p.number == number) else {
            return;
        };
        process.stage = match process.stage.take() {
            Stage::Starting { process: child, .. } => Stage::Created(child),
            Stage::Entering { entering, .. } => Stage::Ended(Ended {
                pid: entering.pid().as_raw_pid(),
                told: true,
                ..Ended::unknown()
            }),
            other => other,
        };
        if !process.is_first() {
            process.streams = Streams::default();
        }
    }

    /// Looks whether a process has ended; the record of the first one's end is written before anyone hears of it.
    pub(super) fn look_at_end(&mut self, number: u32) -> Result<()> {
        let Some(process) = self.processes.iter_mut().find(|p| p.number == number) else {
            return Ok(());
        };
        let Some(child) = process.settled() else {
            return Ok(());
        };
        let pid = child.pid();
        let Some(mut exit) = child.end()? else {
            return Ok(());
        };
        process.stage = Stage::Ended(Ended {
            pid,
            code: exit.code,
            at: SystemTime::now(),
            told: false,
        });
        process.ending = Some(Instant::now());
        if !process.is_first() {
            return self.record_step("exec-ended");
        }
        let _ = tare_failpoint::pass("first-ended");
        let by_us = self.killed;
        if let Some(memory) = &mut self.memory {
            exit.oom = memory.oom(exit.signal == Some(Signal::KILL.as_raw()) && !by_us);
        }
        self.record_end(&exit)
    }

    /// Records the end of the first process, and ends what would outlive it.
    pub(super) fn record_end(&self, exit: &Exit) -> Result<()> {
        let recorded = self.record_exit(exit).and(tare_failpoint::pass("end-recorded"));
        let others_end = match (&self.held, &self.foreign) {
            (Some(held), _) if held.record().shares_pids => held.signal_all(Signal::KILL.as_raw()),
            (_, Some(foreign)) if foreign.record.shares_pids && foreign.record.shim.is_none() => {
                self.signal_foreign_group(Signal::KILL.as_raw())
            }
            _ => Ok(()),
        };
        others_end.and(recorded)
    }

    fn record_exit(&self, exit: &Exit) -> Result<()> {
        let Some(path) = self.exit_path() else {
            return Ok(());
        };
        let bytes = serde_json::to_vec(exit)
            .map_err(|e| Error::new(Kind::Internal, "write", path.display()).from_source(e))?;
        match self.records.parent().map(PodDir::open) {
            Some(Ok(pod)) => pod.write_end(&path, &bytes),
            _ => tare_store::replace(&path, Durability::Volatile, 0o600, &bytes),
        }
    }

    /// Where its end is recorded; nowhere before it is made.
    pub(super) fn exit_path(&self) -> Option<PathBuf> {
        match (&self.held, &self.foreign) {
            (Some(held), _) => Some(held.folder().join(EXIT_RECORD)),
            (None, Some(foreign)) => Some(foreign.record.exit()),
            (None, None) => None,
        }
    }

    /// Its first process as it is on record.
    pub(super) fn init(&self) -> Option<&Stamp> {
        let held = self.held.as_ref().and_then(|held| held.record().init.as_ref());
        held.or_else(|| self.foreign.as_ref()?.record.init.as_ref())
    }

    /// Writes down what a successor must know.
    pub(super) fn write_record(&self) -> Result<()> {
        ContainerRecord::of(self).write(&self.records)
    }

    /// The processes whose end may be told now, each once: the first one's comes after all others'.
    pub(super) fn ends_to_tell(&mut self) -> Vec<(String, Ended, Vec<Asked>)> {
        let mut told = Vec::new();
        for process in self.processes.iter_mut().filter(|p| !p.is_first()) {
            told.extend(process.tell());
        }
        let others_live = self
            .processes
            .iter()
            .any(|p| !p.is_first() && (p.lives() || p.is_beginning()));
        if !others_live && let Some(first) = self.process_mut("") {
            told.extend(first.tell());
        }
        told
    }

    /// Who waits for the end of a process that could never be started: that is no end to be told, but there will be no other.
    pub(super) fn waiters_in_vain(&mut self) -> Vec<(Ended, Vec<Asked>)> {
        let told = |process: &mut Process| {
            let ended = process.ended().filter(|ended| ended.told)?;
            (!process.waiters.is_empty()).then(|| (ended, std::mem::take(&mut process.waiters)))
        };
        self.processes.iter_mut().filter_map(told).collect()
    }

    /// Whether a process was killed for memory that nobody was told of.
    pub(super) fn has_new_kills(&mut self) -> bool {
        self.memory.as_mut().is_some_and(Memory::has_new_kills)
    }

    /// The same, after a notice about memory: where nothing was killed yet, it is looked once more in a moment.
    pub(super) fn hears_of_kills(&mut self) -> bool {
        self.memory.as_mut().is_some_and(Memory::heard)
    }

    /// The same, where that moment has come.
    pub(super) fn had_kills_after_notice(&mut self, now: Instant) -> bool {
        let memory = self.memory.as_mut();
        memory.is_some_and(|memory| memory.is_due(now) && memory.has_new_kills())
    }

    /// The answers that were held back, and may be given now.
    pub(super) fn release(&mut self, now: Instant) -> Result<Vec<Held>> {
        let released = self.processes.iter_mut().map(|process| process.release(now));
        released.filter_map(Result::transpose).collect()
    }

    /// Closes the streams of what has ended, as far as somebody has what is in them.
    pub(super) fn close_streams(&mut self, now: Instant) -> Result<()> {
        let mut done = Ok(());
        for process in &mut self.processes {
            let Some(since) = process.ending else {
                continue;
            };
            // A client has its answer before it is told that nothing more comes.
            if process.held.is_some() {
                continue;
            }
            let ended = process.streams.end();
            if since + READERS <= now || !matches!(ended, Ok(false)) {
                process.streams.close();
                process.ending = None;
            }
            done = done.and(ended.map(drop));
        }
        done
    }

    /// Who still writes down what its processes have said, which may outlive it for a while.
    pub(super) fn take_writing(&mut self) -> Vec<Writing> {
        let processes = self.processes.iter_mut();
        processes
            .flat_map(|process| process.streams.take_writing())
            .collect()
    }

    /// Looks at the logs of its processes whose time has come.
    pub(super) fn look_at_logs(&mut self, now: Instant) -> Result<()> {
        let mut streams = self.processes.iter_mut().map(|process| &mut process.streams);
        streams.try_for_each(|streams| match streams.deadline() {
            Some(at) if at <= now => streams.look_at_logs(now),
            _ => Ok(()),
        })
    }

    /// When it must be looked at again.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let of = |process: &Process| match process.ending {
            Some(_) if process.streams.waits_for_readers() => Some(now + LOOK_AGAIN),
            Some(since) => Some(since + READERS),
            None if process.held.is_some() => Some(now + LOOK_AGAIN),
            None if process.life().is_some_and(Life::is_to_be_looked_at) => Some(now + LOOK_AGAIN),
            None => process.deadline(),
        };
        let memory = self.memory.as_ref().and_then(Memory::deadline);
        let logs = self
            .processes
            .iter()
            .filter_map(|process| process.streams.deadline());
        let foreign = self.foreign.as_ref().and_then(|foreign| foreign.deadline());
        let unwatched = (!self.unwatched().is_empty()).then(|| now + LOOK_AGAIN);
        self.processes
            .iter()
            .filter_map(of)
            .chain(foreign)
            .chain(unwatched)
            .chain(memory)
            .chain(logs)
            .min()
    }

    /// What to wait for.
    pub(super) fn interests<'a>(&'a self, into: &mut Vec<Interest<'a, Source>>) {
        let when = |now| if now { EventFlags::IN } else { EventFlags::empty() };
        let memory = self.memory.as_ref().and_then(Memory::interest);
        if let Some(((fd, flags), first)) = memory.zip(self.processes.first()) {
            into.push(Interest {
                source: Source::Memory(first.number),
                fd,
                flags,
            });
        }
        if let Some(foreign) = &self.foreign {
            foreign.interests(into);
        }
        for process in &self.processes {
            let flags = |now| match &process.stage {
                Stage::Foreign(work) => work.flags(),
                _ => when(now),
            };
            into.extend(process.awaited().into_iter().map(|awaited| Interest {
                source: Source::Making(process.number, awaited.turn),
                fd: awaited.fd,
                flags: flags(awaited.now),
            }));
            let looked_at = |life: &&Life| !life.is_to_be_looked_at();
            into.extend(process.life().map(|life| Interest {
                source: Source::End(process.number),
                fd: life.as_fd(),
                flags: when(process.settled().filter(looked_at).is_some()),
            }));
            let streams = process.streams.interests();
            into.extend(streams.map(|(part, fd, flags)| Interest {
                source: Source::Stream(process.number, part),
                fd,
                flags,
            }));
        }
    }

    /// A process to be executed, which is only known so far.
    pub(super) fn add(&mut self, number: u32, exec_id: String, stdio: Wanted, stage: Stage) -> Result<()> {
        if self.process(&exec_id).is_some() {
            return Err(Error::new(Kind::AlreadyExists, "exec", exec_id)
                .because(format!("container {} has a process of this name", self.id)));
        }
        if self.processes.len() >= MOST_PROCESSES {
            let why = format!(
                "container {} has {MOST_PROCESSES} processes that nobody has deleted",
                self.id
            );
            return Err(Error::new(Kind::Exhausted, "exec", exec_id)
                .because(why)
                .hint("delete those that have ended"));
        }
        self.processes.push(Process::new(number, exec_id, stdio, stage));
        self.record_step("exec-added")
            .inspect_err(|_| drop(self.processes.pop()))
    }
}

/// The streams of a process with a terminal.
fn opened(terminal: Option<OwnedFd>, stdio: &Wanted, owner: Owner<'_>) -> Result<Option<Streams>> {
    terminal
        .map(|master| Streams::of_terminal(stdio, master, owner))
        .transpose()
}
