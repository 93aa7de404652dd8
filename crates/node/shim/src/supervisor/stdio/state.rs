//! Streams as the program that this one becomes takes them over.

use super::{Leaving, Logger, Relay, Streams, Writing};
use crate::supervisor::connection::Asked;
use crate::supervisor::handing::{Handed, Handing};
use crate::supervisor::upgrade::Bytes;
use rustix::fd::AsFd;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tare_error::{Error, Kind, Result};
use tare_logs::{Folder, Log};
use tare_process::Child;

/// What is ours of a process's streams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::supervisor) struct StreamsState {
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Handed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<(Handed, PathBuf)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay: Option<RelayState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logger: Option<LoggerState>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logs: Vec<LogState>,
}

/// A log that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LogState {
    folder: PathBuf,
    /// A writer that lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    writer: Option<ChildState>,
}

/// A child of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChildState {
    pid: i32,
    pidfd: Handed,
}

/// What writes down what was said of what is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::supervisor) struct LeavingState {
    programs: Vec<LoggerState>,
    logs: Vec<LogState>,
    answer: Option<(Asked, Bytes)>,
}

/// A terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RelayState {
    pub(super) master: Handed,
    pub(super) slave: Handed,
    #[serde(default)]
    pub(super) input: Option<Handed>,
    #[serde(default)]
    pub(super) output: Option<Handed>,
    /// Bytes that were read, and not written yet.
    #[serde(with = "crate::hexadecimal", default)]
    pub(super) to_client: Vec<u8>,
    #[serde(with = "crate::hexadecimal", default)]
    pub(super) to_container: Vec<u8>,
}

/// A logging program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LoggerState {
    #[serde(flatten)]
    pub(super) child: ChildState,
    #[serde(default)]
    pub(super) ready: Option<Handed>,
}

impl Streams {
    pub(in crate::supervisor) fn save<'a>(&'a self, handing: &mut Handing<'a>) -> StreamsState {
        StreamsState {
            input: self.input.as_ref().map(|fd| handing.hand(fd.as_fd())),
            outputs: self
                .outputs
                .iter()
                .map(|(fd, path)| (handing.hand(fd.as_fd()), path.clone()))
                .collect(),
            unread: self.unread.clone(),
            relay: self.relay.as_ref().map(|relay| relay.save(handing)),
            logger: self.logger.as_ref().map(|logger| logger.save(handing)),
            logs: self.logs.iter().map(|log| LogState::of(log, handing)).collect(),
        }
    }

    pub(in crate::supervisor) fn restore(state: StreamsState) -> Result<Streams> {
        let outputs = state.outputs.into_iter();
        Ok(Streams {
            input: state.input.map(Handed::take).transpose()?,
            outputs: outputs
                .map(|(fd, path)| Ok((fd.take()?, path)))
                .collect::<Result<_>>()?,
            unopened: None,
            unread: state.unread,
            relay: state.relay.map(Relay::restore).transpose()?,
            // An older program would not know of it, and keep it for ever: it is not handed over.
            spent: None,
            logger: state.logger.map(Logger::restore).transpose()?,
            logs: restored(state.logs)?,
        })
    }
}

impl ChildState {
    pub(super) fn of<'a>(child: &'a Child, handing: &mut Handing<'a>) -> ChildState {
        ChildState {
            pid: child.pid.as_raw_pid(),
            pidfd: handing.hand(child.pidfd.as_fd()),
        }
    }

    pub(super) fn take(self) -> Result<Child> {
        let pid = Pid::from_raw(self.pid);
        let pid = pid.ok_or_else(|| {
            Error::new(Kind::Corrupt, "take over process", self.pid).because("it is no pid")
        })?;
        let pidfd = self.pidfd.take()?;
        Ok(Child { pid, pidfd })
    }
}

impl LogState {
    fn of<'a>(log: &'a Log, handing: &mut Handing<'a>) -> LogState {
        LogState {
            folder: log.folder().path().to_owned(),
            writer: log.writer().map(|child| ChildState::of(child, handing)),
        }
    }
}

fn restored(logs: Vec<LogState>) -> Result<Vec<Log>> {
    let resume = |log: LogState| {
        let writer = log.writer.map(ChildState::take).transpose()?;
        Log::resume(Folder::at(log.folder), writer)
    };
    logs.into_iter().map(resume).collect()
}

impl Leaving {
    pub(in crate::supervisor) fn save<'a>(&'a self, handing: &mut Handing<'a>) -> LeavingState {
        let mut state = LeavingState {
            answer: self.answer.clone().map(|(asked, answer)| (asked, Bytes(answer))),
            ..LeavingState::default()
        };
        for writing in &self.writing {
            match writing {
                Writing::Program(logger) => state.programs.push(logger.save(handing)),
                Writing::Kept(log) => state.logs.push(LogState::of(log, handing)),
            }
        }
        state
    }

    pub(in crate::supervisor) fn restore(state: LeavingState) -> Result<Leaving> {
        let mut writing = Vec::new();
        for program in state.programs {
            writing.push(Writing::Program(Logger::restore(program)?));
        }
        let logs = restored(state.logs)?.into_iter();
        writing.extend(logs.map(|log| Writing::Kept(Box::new(log))));
        Ok(Leaving {
            writing,
            answer: state.answer.map(|(asked, answer)| (asked, answer.0)),
        })
    }
}
