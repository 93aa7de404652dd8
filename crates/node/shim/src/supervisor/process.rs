//! One process of a container: its first, or one that was executed in it.

use super::connection::Asked;
use super::foreign::Work;
use super::life::Life;
use super::stdio::{Streams, Wanted};
use std::time::{Duration, Instant, SystemTime};
use tare_error::{Error, Result};
use tare_lifecycle::{Awaited, Entering, Making, OwnGroup, Pending, Starting};
use tare_spec_containerd::Timestamp;
use tare_spec_containerd::process::Status;
use tare_spec_oci::Process as Command;

/// How long readers of outputs are waited for.
pub(super) const READERS: Duration = Duration::from_secs(10);

/// A process.
#[derive(Debug)]
pub(super) struct Process {
    /// By which the loop knows it; never used again.
    pub(super) number: u32,
    /// Its name among those of the container; empty for the first one.
    pub(super) exec_id: String,
    pub(super) stdio: Wanted,
    pub(super) streams: Streams,
    /// The client has said that its input ends.
    pub(super) input_ended: bool,
    /// An answer that waits until somebody reads its outputs.
    pub(super) held: Option<Held>,
    /// Since when outputs wait for a reader, or for a full one to be read.
    pub(super) ending: Option<Instant>,
    pub(super) stage: Stage,
    /// Its own group, where it has one: below the container's, with all that it has started.
    pub(super) own_group: Option<OwnGroup>,
    /// Who wants to know its end.
    pub(super) waiters: Vec<Asked>,
    /// The connection that deletes it, under our own engine.
    pub(super) owner: Option<u32>,
}

/// Where in its life a process is.
#[derive(Debug)]
pub(super) enum Stage {
    /// It is known what to execute.
    Added(Box<Command>),
    /// The container is being made.
    Making { making: Box<Making>, asked: Asked },
    /// The container is made, and waits to be started.
    Created(Life),
    /// The container starts.
    Starting {
        starting: Box<Starting>,
        process: Life,
        asked: Asked,
    },
    /// A foreign runtime's command makes, starts or enters the container.
    Foreign(Box<Work>),
    /// It enters the container.
    Entering { entering: Box<Entering>, asked: Asked },
    /// Its program runs.
    Running(Life),
    /// A shim that is not ours has made it, and says when it ends. Its number is what that calls it by, and need not be one of this
    /// machine.
    Remote { pid: u32, started: bool },
    /// It has ended.
    Ended(Ended),
}

/// An answer that is held back.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) asked: Asked,
    pub(super) answer: Vec<u8>,
    /// Why it is another: the log cannot be opened.
    pub(super) failed: Option<Error>,
    /// When it is given whoever reads or not.
    pub(super) until: Instant,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) pid: i32,
    /// As a shell has it.
    pub(super) code: u8,
    pub(super) at: SystemTime,
    /// Whether it was told.
    pub(super) told: bool,
}

impl Process {
    pub(super) fn new(number: u32, exec_id: String, stdio: Wanted, stage: Stage) -> Process {
        Process {
            number,
            exec_id,
            stdio,
            streams: Streams::default(),
            input_ended: false,
            held: None,
            ending: None,
            stage,
            own_group: None,
            waiters: Vec::new(),
            owner: None,
        }
    }

    /// Holds an answer back until somebody reads the outputs.
    pub(super) fn hold(&mut self, asked: Asked, answer: Vec<u8>) {
        self.held = Some(Held {
            asked,
            answer,
            failed: None,
            until: Instant::now() + READERS,
        });
    }

    /// The answer that may be given now.
    pub(super) fn release(&mut self, now: Instant) -> Result<Option<Held>> {
        let Some(held) = &mut self.held else {
            return Ok(None);
        };
        let ready = self.streams.are_logs_ready(now).unwrap_or_else(|error| {
            held.failed = Some(error);
            true
        });
        let may = held.failed.is_some() || ready && self.streams.are_read()? || held.until <= now;
        Ok(self.held.take_if(|_| may))
    }

    /// Whether it is the container's first.
    pub(super) fn is_first(&self) -> bool {
        self.exec_id.is_empty()
    }

    /// Its number on this machine; 0 where it has none yet.
    pub(super) fn pid(&self) -> u32 {
        let pid = match &self.stage {
            Stage::Remote { pid, .. } => return *pid,
            Stage::Foreign(work) if let Some(pid) = work.remote() => return pid,
            Stage::Added(_) | Stage::Making { .. } => 0,
            Stage::Foreign(work) => work.life().map_or(0, Life::pid),
            Stage::Entering { entering, .. } => entering.pid().as_raw_pid(),
            Stage::Ended(ended) => ended.pid,
            Stage::Created(process) | Stage::Running(process) | Stage::Starting { process, .. } => {
                process.pid()
            }
        };
        u32::try_from(pid).unwrap_or(0)
    }

    /// What it waits for, where it is being made.
    pub(super) fn awaited(&self) -> Vec<Awaited<'_>> {
        match &self.stage {
            Stage::Making { making, .. } => making.awaited(),
            Stage::Starting { starting, .. } => starting.awaited(),
            Stage::Entering { entering, .. } => entering.awaited(),
            Stage::Foreign(work) => work.awaited(),
            _ => Vec::new(),
        }
    }

    /// When it must go on at the latest, where it is being made.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Making { making, .. } => making.deadline(),
            Stage::Starting { starting, .. } => starting.deadline(),
            Stage::Foreign(work) => work.deadline(),
            _ => None,
        }
    }

    /// Its end, if that is still to be told; from now on it is.
    pub(super) fn tell(&mut self) -> Option<(String, Ended, Vec<Asked>)> {
        match &mut self.stage {
            Stage::Ended(ended) if !ended.told => {
                ended.told = true;
                let waiters = std::mem::take(&mut self.waiters);
                Some((self.exec_id.clone(), *ended, waiters))
            }
            _ => None,
        }
    }

    /// The living process, once it is made.
    pub(super) fn life(&self) -> Option<&Life> {
        match &self.stage {
            Stage::Created(process) | Stage::Running(process) | Stage::Starting { process, .. } => {
                Some(process)
            }
            Stage::Foreign(work) => work.life(),
            Stage::Added(_) | Stage::Making { .. } | Stage::Entering { .. } | Stage::Ended(_) => None,
            Stage::Remote { .. } => None,
        }
    }

    /// The living process, where its end is looked for: one that starts says first why that failed.
    pub(super) fn settled(&self) -> Option<&Life> {
        match &self.stage {
            Stage::Created(process) | Stage::Running(process) => Some(process),
            _ => None,
        }
    }

    /// Whether its program runs.
    pub(super) fn runs(&self) -> bool {
        matches!(
            self.stage,
            Stage::Running(_) | Stage::Remote { started: true, .. }
        )
    }

    /// Whether it is there, as far as anybody has said.
    pub(super) fn lives(&self) -> bool {
        self.life().is_some() || matches!(self.stage, Stage::Remote { .. })
    }

    /// Whether it is about to be there.
    pub(super) fn is_beginning(&self) -> bool {
        matches!(self.stage, Stage::Entering { .. } | Stage::Foreign(_))
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        match self.stage {
            Stage::Ended(ended) => Some(ended),
            _ => None,
        }
    }

    pub(super) fn status(&self) -> Status {
        match &self.stage {
            Stage::Added(_) | Stage::Making { .. } | Stage::Created(_) => Status::Created,
            Stage::Starting { .. } | Stage::Entering { .. } | Stage::Foreign(_) => Status::Created,
            Stage::Remote { started: false, .. } => Status::Created,
            Stage::Running(_) | Stage::Remote { .. } => Status::Running,
            // Until it is told, nobody is to know it by other ways.
            Stage::Ended(Ended { told: false, .. }) => Status::Running,
            Stage::Ended(_) => Status::Stopped,
        }
    }
}

impl Stage {
    /// Takes what it is, and leaves an end that nobody saw.
    pub(super) fn take(&mut self) -> Stage {
        std::mem::replace(self, Stage::Ended(Ended::unknown()))
    }
}

impl Ended {
    /// An end that nobody saw, and that nobody is told of.
    pub(super) fn unknown() -> Ended {
        Ended {
            pid: 0,
            code: 255,
            at: SystemTime::now(),
            told: true,
        }
    }

    pub(super) fn timestamp(&self) -> Timestamp {
        self.at.into()
    }
}
