//! What is done to a pod: to each of its containers, and to what they share.

use super::{ListedPod, subject};
use crate::Engine;
use crate::container::{Listed, Status};
use crate::journal::Event;
use crate::records::pods::PodRecord;
use tare_error::{Error, Kind, Result};

/// How often a pod is stopped whose containers are started meanwhile.
const ROUNDS: usize = 5;

impl Engine {
    /// Starts what a pod's containers share, and each of them that does not run; the pod's id.
    ///
    /// # Errors
    /// `NotFound` where there is no such pod; the first container's, with those of the others.
    pub fn start_pod(&self, typed: &str) -> Result<String> {
        self.noted_of_pod(typed, "start", |pod| {
            self.bring_pod_up(&pod.record.id)?;
            each(pod, |one| match one.status.lives() {
                true => Ok(()),
                false => self.start_member(one),
            })
        })
    }

    /// Starts a container of a pod, unless it is removed meanwhile.
    fn start_member(&self, one: &Listed) -> Result<()> {
        let id = &one.record.id;
        let is_gone = |error: &Error| {
            let found = || self.find_container(id).map_err(|e| e.kind());
            error.kind() == Kind::NotFound && found() == Err(Kind::NotFound)
        };
        match self.start_container(id) {
            Err(e) if is_gone(&e) => Ok(()),
            started => started.map(drop),
        }
    }

    /// Stops each container of a pod, as [`Engine::stop_container`], and ends what they share; the pod's id.
    ///
    /// # Errors
    /// As [`Engine::start_pod`]; `Conflict` where others start its containers all the while.
    pub fn stop_pod(&self, typed: &str, timeout: Option<i64>) -> Result<String> {
        self.noted_of_pod(typed, "stop", |pod| self.end_gently_all(&pod.record, timeout))
    }

    pub(super) fn end_gently_all(&self, record: &PodRecord, timeout: Option<i64>) -> Result<()> {
        for _ in 0..ROUNDS {
            each(&self.pod(&record.id)?, |one| {
                gone_is_fine(self.stop_container(&one.record.id, None, timeout))
            })?;
            tare_failpoint::pass("pod-stopped")?;
            if self.take_pod_down(&record.id)? {
                return Ok(());
            }
        }
        Err(Error::new(Kind::Conflict, "stop pod", &record.name)
            .because("its containers are started again all the while"))
    }

    /// Stops a pod as [`Engine::stop_pod`], and starts it.
    ///
    /// # Errors
    /// Those of both.
    pub fn restart_pod(&self, typed: &str, timeout: Option<i64>) -> Result<String> {
        self.noted_of_pod(typed, "restart", |pod| {
            each(pod, |one| {
                gone_is_fine(self.stop_container(&one.record.id, None, timeout))
            })?;
            self.bring_pod_up(&pod.record.id)?;
            each(pod, |one| self.start_member(one))
        })
    }

    /// Sends a signal to the first process of each container of a pod that runs.
    ///
    /// # Errors
    /// As [`Engine::start_pod`].
    pub fn kill_pod(&self, typed: &str, signal: i32) -> Result<String> {
        self.noted_of_pod(typed, "kill", |pod| {
            each(pod, |one| match one.status.is_up() {
                true => ended_is_fine(self.kill_container(&one.record.id, signal)),
                false => Ok(()),
            })
        })
    }

    /// Has every process of a pod stand still, or go on.
    ///
    /// # Errors
    /// As [`Engine::start_pod`].
    pub fn freeze_pod(&self, typed: &str, still: bool) -> Result<String> {
        let (action, from) = match still {
            true => ("pause", Status::Running),
            false => ("unpause", Status::Paused),
        };
        self.noted_of_pod(typed, action, |pod| {
            each(pod, |one| match one.status == from {
                true => ended_is_fine(self.freeze_container(&one.record.id, still)),
                false => Ok(()),
            })
        })
    }

    /// Does something to a pod, and writes down that it was done, or why not; the pod's id.
    pub(super) fn noted_of_pod(
        &self,
        typed: &str,
        action: &str,
        act: impl FnOnce(&ListedPod) -> Result<()>,
    ) -> Result<String> {
        let pod = self.pod(typed)?;
        let outcome = act(&pod);
        self.note(&Event::new(subject(&pod.record), action).came_to(&outcome));
        outcome.map(|()| pod.record.id)
    }
}

/// Does the same to each container; what fails is told together at the end.
pub(super) fn each(pod: &ListedPod, mut act: impl FnMut(&Listed) -> Result<()>) -> Result<()> {
    let failed = pod.containers.iter().filter_map(|one| act(one).err());
    failed.reduce(Error::also).map_or(Ok(()), Err)
}

/// One that went meanwhile, with its end or by somebody else, is nobody's failure.
pub(super) fn gone_is_fine(done: Result<()>) -> Result<()> {
    match done {
        Err(e) if e.kind() == Kind::NotFound => Ok(()),
        done => done,
    }
}

/// The same of one that has ended.
fn ended_is_fine(done: Result<()>) -> Result<()> {
    match done {
        Err(e) if matches!(e.kind(), Kind::Conflict | Kind::NotFound) => Ok(()),
        done => done,
    }
}
