//! Pods that go, with their containers where that is wanted.

use super::act::{each, gone_is_fine};
use super::{ListedPod, PodFilter, PodStatus, subject};
use crate::Engine;
use crate::journal::Event;
use crate::records::pods;
use tare_error::{Error, Kind, Result};

/// How often a pod is emptied into which containers are put meanwhile.
const ROUNDS: usize = 5;

impl Engine {
    /// Removes a pod with its containers and the volumes that nobody named; with `force` containers that run are stopped first. The
    /// pod's id.
    ///
    /// # Errors
    /// `NotFound` where there is no such pod; `Conflict` without `force` while a container of it runs.
    pub fn remove_pod(&self, typed: &str, force: bool, timeout: Option<i64>) -> Result<String> {
        let pod = self.pod(typed)?;
        let outcome = match force {
            true => self.empty_pod(&pod.record, timeout),
            false => self.remove_ended_pod(&pod),
        };
        self.note(&Event::new(subject(&pod.record), "remove").came_to(&outcome));
        outcome.map(|()| pod.record.id)
    }

    fn remove_ended_pod(&self, pod: &ListedPod) -> Result<()> {
        if let Some(running) = pod.containers.iter().find(|one| one.status.is_up()) {
            let why = format!("container {} of it is {}", running.record.name, running.status);
            return Err(Error::new(Kind::Conflict, "remove pod", &pod.record.name)
                .because(why)
                .hint("`tare pod stop` ends its containers; `tare pod rm -f` does both"));
        }
        each(pod, |one| {
            gone_is_fine(self.remove_container(&one.record.id, false, true).map(drop))
        })?;
        self.forget_pod(&pod.record.id)
    }

    fn empty_pod(&self, record: &pods::PodRecord, timeout: Option<i64>) -> Result<()> {
        for _ in 0..ROUNDS {
            let pod = match self.pod(&record.id) {
                // Somebody else was at it.
                Err(e) if e.kind() == Kind::NotFound => return Ok(()),
                pod => pod?,
            };
            each(&pod, |one| {
                if one.status.is_up() && timeout != Some(0) {
                    gone_is_fine(self.stop_container(&one.record.id, None, timeout))?;
                }
                gone_is_fine(self.remove_container(&one.record.id, true, true).map(drop))
            })?;
            tare_failpoint::pass("pod-emptied")?;
            match self.forget_pod(&record.id) {
                Err(e) if e.kind() == Kind::Conflict => {}
                done => return done,
            }
        }
        Err(Error::new(Kind::Conflict, "remove pod", &record.name)
            .because("containers are put into it all the while"))
    }

    /// Removes an empty pod: the record first, by which no container can come into it any more.
    pub(crate) fn forget_pod(&self, id: &str) -> Result<()> {
        self.records().write("remove pod", |tx| pods::remove(tx, id))?;
        tare_failpoint::pass("pod-forgotten")?;
        self.take_pod_down(id).map(drop)
    }

    /// Removes the pods of which nothing runs, with their containers; their ids.
    ///
    /// # Errors
    /// The database's and the file system's.
    pub fn prune_pods(&self, filters: &[PodFilter]) -> Result<Vec<String>> {
        let mut gone = Vec::new();
        for pod in self.pods(filters)? {
            let still = matches!(pod.status, PodStatus::Exited | PodStatus::Stopped);
            if !still && (pod.status != PodStatus::Created || pod.containers.is_empty()) && pod.is_up {
                continue;
            }
            if matches!(
                pod.status,
                PodStatus::Running | PodStatus::Degraded | PodStatus::Paused
            ) {
                continue;
            }
            match self.remove_pod(&pod.record.id, true, None) {
                Err(e) if matches!(e.kind(), Kind::Conflict | Kind::NotFound) => {}
                removed => gone.push(removed?),
            }
        }
        Ok(gone)
    }
}
