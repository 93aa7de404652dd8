//! The end of a foreign container, and its group, which is asked without a command.

use super::errand::Errand;
use super::life::deletion;
use super::{Purpose, Task};
use crate::supervisor::connection::Asked;
use crate::supervisor::container::Container;
use crate::supervisor::delete::KILLED;
use crate::supervisor::memory::Memory;
use crate::supervisor::process::{Ended, Process, Stage};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open};
use std::time::{Duration, SystemTime};
use tare_cgroup::Group;
use tare_error::{Context, Error, Kind, Result};
use tare_spec_containerd::task::DeleteResponse;

/// How long the processes of a group may take that were killed.
const EMPTYING: Duration = Duration::from_secs(1);

/// What came of asking for a deletion.
#[derive(Debug)]
pub(super) struct Begun {
    /// Whether a command is to be run for it; one is under way otherwise.
    pub(super) fresh: bool,
    /// Who asked for the container, which will not be.
    pub(super) abandoned: Option<Asked>,
}

impl Container {
    /// Has the runtime delete the container; one that is being made is given up.
    pub(super) fn begin_deletion(&mut self, asked: Asked, number: u32) -> Result<Begun> {
        let running = || {
            Error::new(Kind::Conflict, "delete", &self.id)
                .because("cannot delete a running process")
                .hint("end it first")
        };
        let (Some(foreign), Some(first)) = (
            self.foreign.as_mut(),
            self.processes.iter_mut().find(|process| process.is_first()),
        ) else {
            return Err(running());
        };
        let under_way = foreign.tasks.iter_mut().find_map(|task| match &mut task.purpose {
            Purpose::Delete { asked, .. } => Some(asked),
            _ => None,
        });
        if let Some(askers) = under_way {
            askers.push(asked);
            let abandoned = None;
            let fresh = false;
            return Ok(Begun { fresh, abandoned });
        }
        let pid = first.pid();
        let mut abandoned = None;
        let ended = match first.stage.take() {
            Stage::Foreign(work) if work.makes() => {
                abandoned = Some(work.asked());
                None
            }
            Stage::Created(life) => {
                first.stage = Stage::Created(life);
                None
            }
            Stage::Remote { pid, started: false } => {
                first.stage = Stage::Remote { pid, started: false };
                None
            }
            Stage::Ended(ended) if ended.told => {
                first.stage = Stage::Ended(ended);
                Some(ended)
            }
            other => {
                first.stage = other;
                return Err(running());
            }
        };
        let answer = answer(pid, ended.as_ref(), abandoned.is_some());
        let mut errand = Errand::new(&foreign.record, number);
        deletion(&mut errand, &foreign.record, ended.is_none(), abandoned.is_some())?;
        let asked = vec![asked];
        let purpose = Purpose::Delete { asked, answer };
        foreign.tasks.push(Task { errand, purpose });
        // Its files are not to keep the group.
        drop(self.memory.as_mut().and_then(Memory::take_group));
        let fresh = true;
        Ok(Begun { fresh, abandoned })
    }

    /// The runtime has deleted it: what is ours of it goes.
    pub(super) fn bury(&mut self) -> Result<()> {
        if let Some(life) = self.process("").and_then(Process::life) {
            life.kill_and_reap();
        }
        self.forget_foreign()
    }

    /// Removes what is known of it; and its group, where a runtime has left that which was ended before it knew of it itself.
    pub(super) fn forget_foreign(&self) -> Result<()> {
        let Some(foreign) = &self.foreign else {
            return Ok(());
        };
        foreign.record.remove_group(EMPTYING)?;
        foreign.record.remove()
    }

    /// Sends a signal to every process of a foreign container's group.
    pub(in crate::supervisor) fn signal_foreign_group(&self, signal: i32) -> Result<()> {
        let processes = self
            .foreign_group()
            .map_or(Ok(Vec::new()), |group| group.processes());
        for pid in processes? {
            let handle = match pidfd_open(pid, PidfdFlags::empty()) {
                Err(Errno::SRCH) => continue,
                handle => handle.op("open a handle on process", pid.as_raw_pid())?,
            };
            match tare_signal::send(&handle, signal) {
                Err(Errno::SRCH) => {}
                done => done.op("signal process", pid.as_raw_pid())?,
            }
        }
        Ok(())
    }

    /// The group of a foreign container, where it has one.
    pub(in crate::supervisor) fn foreign_group(&self) -> Option<Group> {
        self.foreign.as_ref()?.record.group()
    }

    /// Every process of a foreign container's group.
    pub(in crate::supervisor) fn foreign_pids(&self) -> Vec<u32> {
        let group = self.foreign_group();
        let pids = group.and_then(|group| group.processes().ok()).unwrap_or_default();
        pids.into_iter()
            .map(|pid| pid.as_raw_pid().unsigned_abs())
            .collect()
    }
}

fn answer(pid: u32, ended: Option<&Ended>, abandoned: bool) -> DeleteResponse {
    match ended {
        Some(ended) => DeleteResponse {
            pid,
            exit_status: u32::from(ended.code),
            exited_at: Some(ended.timestamp()),
        },
        None => DeleteResponse {
            pid,
            exit_status: if abandoned { KILLED } else { 0 },
            exited_at: abandoned.then(|| SystemTime::now().into()),
        },
    }
}
