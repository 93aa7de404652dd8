//! A container's health: what is to be looked after lies in its folder, what came of it in its pod's, and after its end in its own.

use super::request::{HealthRequest, RunRequest};
use crate::Engine;
use crate::image::Image;
use crate::journal::Event;
use crate::records::images;
use std::path::Path;
use tare_error::{Context, Error, Kind, Result};
use tare_shim::{Health, HealthPlan};
use tare_spec_oci::Process;
use tare_store::{Durability, Id};

/// In a container's folder: what its supervisor is to do.
pub(super) const PLAN: &str = "health.json";
/// In a container's folder: what was known when it ended.
const LAST: &str = "health-last.json";
/// The longest of either that is read.
const LONGEST: usize = 1 << 20;

impl Engine {
    /// What comes of a request and what its image says.
    pub(super) fn health_of(&self, request: &RunRequest, image: &Image) -> Result<HealthRequest> {
        let asked = request.health.clone();
        let known = self
            .records()
            .read("read image", |tx| images::get(tx, &image.id))?;
        let said = known.map(|known| HealthRequest::of_image(&known.config));
        Ok(asked.or(said.unwrap_or_default()))
    }

    /// What a supervisor is to do for the health of a container that is made, as its file says it.
    pub(super) fn health_plan(
        &self,
        id: &str,
        health: &HealthRequest,
        process: &Process,
    ) -> Result<Option<Vec<u8>>> {
        let Some(args) = health.test.as_ref().and_then(super::request::Test::arguments) else {
            return Ok(None);
        };
        let milliseconds = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let plan = HealthPlan {
            container: id.to_owned(),
            process: Process {
                args,
                terminal: false,
                console_size: None,
                ..process.clone()
            },
            interval: milliseconds(health.interval()),
            timeout: milliseconds(health.timeout()),
            start_period: milliseconds(health.start_period.unwrap_or_default()),
            start_interval: milliseconds(health.start_interval()),
            retries: health.retries(),
            told: Vec::new(),
        };
        let text = serde_json::to_vec(&plan);
        text.map(Some)
            .map_err(|e| Error::new(Kind::Internal, "write", PLAN).from_source(e))
    }

    /// What a supervisor is to do for a container's health.
    pub(super) fn planned_health(&self, id: &str) -> Result<Option<HealthPlan>> {
        let plan: Option<HealthPlan> = read(&self.container_folder(id).join(PLAN))?;
        Ok(plan.map(|plan| HealthPlan {
            told: self.teller(id),
            ..plan
        }))
    }

    /// What a supervisor executes when a container's health changes: `tare health ID WORD`.
    fn teller(&self, id: &str) -> Vec<String> {
        let mut told = self.programs().reaper.clone();
        // Where it reaps, it tells; a program of a test's may be another one.
        if told.pop().is_some_and(|verb| verb == "reap") {
            told.extend(["health".to_owned(), id.to_owned()]);
            return told;
        }
        Vec::new()
    }

    /// Writes down that a container's health has become another one: what `tare health ID WORD` does, called by its supervisor.
    ///
    /// # Errors
    /// `Invalid` for what is no id or no word for health.
    pub fn note_health(&self, id: &str, word: &str) -> Result<()> {
        let id = Id::parse(id)?;
        if !["starting", "healthy", "unhealthy"].contains(&word) {
            return Err(Error::new(Kind::Invalid, "write down health", word));
        }
        let subject = self.subject(id.as_str());
        self.note(&Event::new(subject, format!("health_status: {word}")));
        Ok(())
    }

    /// What is known of a container's health: of one that runs, else as it was when it ended.
    ///
    /// # Errors
    /// The file system's.
    pub fn health(&self, id: &str) -> Result<Option<Health>> {
        match self.health_now(id)? {
            None => read(&self.container_folder(id).join(LAST)),
            now => Ok(now),
        }
    }

    /// The health of a container that runs; none where nobody looks after it.
    pub(super) fn health_now(&self, id: &str) -> Result<Option<Health>> {
        Health::in_folder(&self.pod_folder(id))
    }

    /// Keeps what is known of the health of a container that has ended.
    pub(super) fn keep_health(&self, id: &str) -> Result<()> {
        match self.health_now(id)? {
            Some(health) => write(&self.container_folder(id).join(LAST), &health),
            None => Ok(()),
        }
    }
}

fn write(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_vec(value)
        .map_err(|e| Error::new(Kind::Internal, "write", path.display()).from_source(e))?;
    tare_store::replace(path, Durability::Volatile, 0o600, &text)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = match tare_store::read(path, LONGEST) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.op("read", path.display())?,
    };
    let value = serde_json::from_slice(&text);
    value
        .map(Some)
        .map_err(|e| Error::new(Kind::Corrupt, "read", path.display()).from_source(e))
}
