//! Pods for people: which there are, and how each is now.

use crate::Engine;
use crate::container::{Listed, Status};
use crate::records::pods::{self, PodRecord};
use std::collections::HashMap;
use std::fmt;
use tare_error::{Error, Kind, Result, nearest};

/// One line of the list of pods.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedPod {
    /// What was asked for.
    pub record: PodRecord,
    /// How it is.
    pub status: PodStatus,
    /// Whether what its containers share is there.
    pub is_up: bool,
    /// Its containers, in the order in which they were made.
    pub containers: Vec<Listed>,
}

/// How a pod is, in podman's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodStatus {
    /// Nothing of it was started.
    Created,
    /// All its containers run; or it has none, and was started.
    Running,
    /// Some of its containers run.
    Degraded,
    /// All its containers stand still.
    Paused,
    /// All its containers have ended.
    Exited,
    /// None of its containers runs, and some have.
    Stopped,
}

impl fmt::Display for PodStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PodStatus::Created => "Created",
            PodStatus::Running => "Running",
            PodStatus::Degraded => "Degraded",
            PodStatus::Paused => "Paused",
            PodStatus::Exited => "Exited",
            PodStatus::Stopped => "Stopped",
        })
    }
}

impl PodStatus {
    /// What follows from how its containers are.
    fn of(containers: &[Listed], is_up: bool) -> PodStatus {
        let count = |is: fn(&Status) -> bool| containers.iter().filter(|one| is(&one.status)).count();
        let all = containers.len();
        let runs = count(|status| matches!(status, Status::Running | Status::Restarting(_)));
        let ended = count(|status| matches!(status, Status::Exited(_) | Status::Unknown(_)));
        match () {
            () if all == 0 && is_up => PodStatus::Running,
            () if all == 0 => PodStatus::Created,
            () if runs == all => PodStatus::Running,
            () if runs > 0 => PodStatus::Degraded,
            () if count(|status| *status == Status::Paused) == all => PodStatus::Paused,
            () if ended == all => PodStatus::Exited,
            () if ended > 0 => PodStatus::Stopped,
            () => PodStatus::Created,
        }
    }
}

/// One `--filter KEY=VALUE` of pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFilter {
    key: &'static str,
    value: String,
}

impl PodFilter {
    const WORDS: [&'static str; 8] = [
        "id",
        "name",
        "status",
        "label",
        "ctr-ids",
        "ctr-names",
        "ctr-number",
        "ctr-status",
    ];

    /// Reads `KEY=VALUE`.
    ///
    /// # Errors
    /// `Invalid` for an unknown key, naming the nearest.
    pub fn parse(text: &str) -> Result<PodFilter> {
        let wrong = |why: String| Error::new(Kind::Invalid, "read filter", format!("{text:?}")).because(why);
        let (word, value) = text
            .split_once('=')
            .ok_or_else(|| wrong("it has no =".to_owned()).hint("write name=web, for example"))?;
        match PodFilter::WORDS.iter().find(|known| **known == word) {
            Some(key) => Ok(PodFilter {
                key,
                value: value.to_owned(),
            }),
            None => {
                let error = wrong(format!("there is no filter {word}"));
                Err(match nearest(word, PodFilter::WORDS) {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error.hint(format!("there are {}", PodFilter::WORDS.join(", "))),
                })
            }
        }
    }

    /// Whether this pod is one of them.
    fn takes(&self, pod: &ListedPod) -> bool {
        let (record, value) = (&pod.record, self.value.as_str());
        let any = |is: &dyn Fn(&Listed) -> bool| pod.containers.iter().any(is);
        match self.key {
            "id" => record.id.starts_with(value),
            "name" => record.name.contains(value),
            "status" => pod.status.to_string().eq_ignore_ascii_case(value),
            "label" => match value.split_once('=') {
                Some((key, value)) => record.config.labels.get(key).is_some_and(|found| found == value),
                None => record.config.labels.contains_key(value),
            },
            "ctr-ids" => any(&|one| one.record.id.starts_with(value)),
            "ctr-names" => any(&|one| one.record.name.contains(value)),
            "ctr-number" => value.parse() == Ok(pod.containers.len()),
            _ => any(&|one| one.status.word() == value),
        }
    }
}

impl Engine {
    /// All pods, the newest first, that the filters take: of several with one key any is enough, but of labels all are needed.
    ///
    /// # Errors
    /// As [`Engine::containers`].
    pub fn pods(&self, filters: &[PodFilter]) -> Result<Vec<ListedPod>> {
        let records = self.records().read("list pods", pods::all)?;
        // The newest is the first of them.
        let mut containers = if records.is_empty() {
            Vec::new()
        } else {
            self.containers()?
        };
        containers.reverse();
        let mut listed = Vec::with_capacity(records.len());
        for record in records {
            let is_its = |one: &mut Listed| one.record.pod.as_ref() == Some(&record.id);
            let its = containers.extract_if(.., is_its).collect();
            listed.push(self.look_at_pod(record, its)?);
        }
        listed.retain(|pod| {
            PodFilter::WORDS.iter().all(|key| {
                let mut of_key = filters.iter().filter(|filter| filter.key == *key).peekable();
                match *key {
                    "label" => of_key.all(|filter| filter.takes(pod)),
                    _ => of_key.peek().is_none() || of_key.any(|filter| filter.takes(pod)),
                }
            })
        });
        Ok(listed)
    }

    /// One pod, by its name, id or the beginning of its id.
    ///
    /// # Errors
    /// As [`Engine::containers`]; `NotFound`, and `Invalid` where several ids begin so.
    pub fn pod(&self, typed: &str) -> Result<ListedPod> {
        let record = self.find_pod(typed)?;
        let mut containers = self.containers()?;
        containers.retain(|one| one.record.pod.as_ref() == Some(&record.id));
        containers.reverse();
        self.look_at_pod(record, containers)
    }

    fn look_at_pod(&self, record: PodRecord, containers: Vec<Listed>) -> Result<ListedPod> {
        let is_up = self.is_pod_up(&record.id)?;
        Ok(ListedPod {
            status: PodStatus::of(&containers, is_up),
            record,
            is_up,
            containers,
        })
    }

    /// The name of each pod, by its id.
    ///
    /// # Errors
    /// The database's.
    pub fn pod_names(&self) -> Result<HashMap<String, String>> {
        let all = self.records().read("list pods", pods::all)?;
        Ok(all.into_iter().map(|pod| (pod.id, pod.name)).collect())
    }

    /// Whether there is a pod of this name or id.
    ///
    /// # Errors
    /// The database's.
    pub fn pod_exists(&self, typed: &str) -> Result<bool> {
        let found = self.records().read("find pod", |tx| pods::meant(tx, typed))?;
        Ok(found.len() == 1)
    }

    /// The pod of this name or id, or whose id alone begins so.
    pub(crate) fn find_pod(&self, typed: &str) -> Result<PodRecord> {
        let mut found = self.records().read("find pod", |tx| pods::meant(tx, typed))?;
        match found.len() {
            1 => Ok(found.swap_remove(0)),
            0 => {
                let error = Error::new(Kind::NotFound, "find pod", typed)
                    .because(format!("no pod with name or ID {typed} found: no such pod"));
                let all = self.records().read("find pod", pods::all)?;
                Err(match nearest(typed, all.iter().map(|pod| pod.name.as_str())) {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error.hint("`tare pod ps` lists them"),
                })
            }
            n => Err(Error::new(Kind::Invalid, "find pod", typed).because(format!("{n} ids begin so"))),
        }
    }
}
