//! A container's limits and its restart policy are changed: on record first, then in force.
//!
//! ```text
//! config.json, on disk ─▶ policy, committed ─▶ the supervisor writes the cgroup, where it runs
//!        ▲                                         │ refused
//!        └──────────── as it was before ◀──────────┘
//! ```

use super::draft::resources::limit;
use super::look::host_facts;
use super::place::Supervised;
use super::request::{ResourcesRequest, RestartPolicy, RunRequest};
use super::settings::Settings;
use crate::Engine;
use crate::records::containers::{self, ContainerRecord};
use crate::records::life::{self, LifeRecord};
use tare_error::{Error, Kind, Result};
use tare_spec_oci::{Resources, Spec};
use tare_store::{Durability, Lock};

impl Engine {
    /// Changes limits and restart policy of a container, whether it runs or not; what was served in part, one sentence each.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for limits that contradict each other or those that hold; the kernel's, with nothing changed.
    pub fn update_container(
        &self,
        typed: &str,
        asked: &ResourcesRequest,
        policy: Option<RestartPolicy>,
    ) -> Result<Vec<String>> {
        self.noted(typed, "update", &[], || self.try_update(typed, asked, policy))
    }

    fn try_update(
        &self,
        typed: &str,
        asked: &ResourcesRequest,
        policy: Option<RestartPolicy>,
    ) -> Result<Vec<String>> {
        let record = self.find_container(typed)?;
        if record.remove && policy.is_some_and(|policy| policy != RestartPolicy::No) {
            return Err(Error::new(Kind::Conflict, "update container", typed).because(
                "Restart policy cannot be updated because AutoRemove is enabled for the container",
            ));
        }
        // Two that change the same container do so one after the other; who starts it reads what is whole.
        let _alone = Lock::exclusive(&self.container_folder(&record.id).join("update.lock"))?;
        let mut told = Vec::new();
        let changed = match asked.is_empty() {
            true => None,
            false => Some(self.change_limits(&record, asked, &mut told)?),
        };
        if let Some(policy) = policy {
            self.change_policy(&record, policy)?;
        }
        tare_failpoint::pass("update-recorded")?;
        let Some((before, now)) = changed else {
            return Ok(told);
        };
        match self.enforce(&record, &now) {
            Ok(()) => self.describe_limits(&record.id, asked).map(|()| told),
            Err(error) => {
                // Some of it may be in force by now.
                let limits = before.linux.as_ref().and_then(|linux| linux.resources.as_ref());
                let again = limits_of(limits.unwrap_or(&Resources::default()));
                let written = self.write_spec(&record.id, &before);
                Err(match written.and_then(|()| self.enforce(&record, &again)) {
                    Ok(()) => error,
                    Err(also) => error.also(also),
                })
            }
        }
    }

    /// Writes down new limits; the specification as it was, and the limits now.
    fn change_limits(
        &self,
        record: &ContainerRecord,
        asked: &ResourcesRequest,
        told: &mut Vec<String>,
    ) -> Result<(Spec, Resources)> {
        let before = self.spec_of(&record.id)?;
        let mut spec = before.clone();
        let host = host_facts(&RunRequest::new(""), self.config().rootless)?;
        let resources = spec
            .linux
            .get_or_insert_default()
            .resources
            .get_or_insert_default();
        limit(asked, &host, resources, told)?;
        let now = limits_of(resources);
        self.write_spec(&record.id, &spec)?;
        Ok((before, now))
    }

    /// Writes down where the limits come from that hold now: for people, so that a power cut may take it.
    fn describe_limits(&self, id: &str, asked: &ResourcesRequest) -> Result<()> {
        self.records().write_unsynced("record settings", |tx| {
            let known = containers::settings(tx, id)?.unwrap_or_default();
            let settings = Settings::from_json(&known).updated(asked);
            containers::describe(tx, id, &settings.to_json())
        })
    }

    fn write_spec(&self, id: &str, spec: &Spec) -> Result<()> {
        let path = self.container_folder(id).join("config.json");
        let text = serde_json::to_vec(spec)
            .map_err(|e| Error::new(Kind::Internal, "write", path.display()).from_source(e))?;
        tare_store::replace(&path, Durability::Durable, 0o600, &text)
    }

    /// One that does not run, and that nothing was to start again, was wanted to end: a reboot does not start it.
    fn change_policy(&self, record: &ContainerRecord, policy: RestartPolicy) -> Result<()> {
        let runs = self.find_supervisor(&record.id)?.is_some();
        self.records().write("record policy", |tx| {
            let known = life::get(tx, &record.id)?;
            let ended = known.began && !runs && known.due.is_none();
            let life = LifeRecord {
                stopped: known.stopped || (ended && known.restart() == RestartPolicy::No),
                due: known.due.filter(|_| policy != RestartPolicy::No),
                policy: policy.to_string(),
                ..known
            };
            life::put(tx, &record.id, &life)
        })?;
        tare_failpoint::pass("update-policy")?;
        self.wake(&record.id)
    }

    /// Has the limits of one that runs written.
    fn enforce(&self, record: &ContainerRecord, resources: &Resources) -> Result<()> {
        match self.find_started(&record.id)? {
            Some(Supervised {
                mut connection,
                state: Ok(_),
            }) => match connection.update(&record.id, resources) {
                // It has ended meanwhile.
                Err(e) if e.kind() == Kind::NotFound => Ok(()),
                updated => updated,
            },
            _ => Ok(()),
        }
    }
}

/// Those that can be changed.
fn limits_of(resources: &Resources) -> Resources {
    Resources {
        memory: resources.memory.clone(),
        cpu: resources.cpu.clone(),
        pids: resources.pids.clone(),
        block_io: resources.block_io.clone(),
        ..Resources::default()
    }
}
