//! Containers for people: which there are, and how each is now.

use crate::Engine;
use crate::records::containers::{self, ContainerRecord, EndRecord};
use std::fmt;
use tare_error::{Error, Kind, Result};
use tare_shim::PodDir;
use tare_store::Id;

/// One line of the list of containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What was asked for.
    pub record: ContainerRecord,
    /// How it is.
    pub status: Status,
}

/// How a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is being made, or was made and never started.
    Created,
    /// Its supervisor looks after it.
    Running,
    /// It has ended, with this exit code.
    Exited(u8),
    /// It has ended, and nobody knows how: with the reason.
    Unknown(String),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Created => f.write_str("Created"),
            Status::Running => f.write_str("running"),
            Status::Exited(code) => write!(f, "exited ({code})"),
            Status::Unknown(why) => write!(f, "ended ({why})"),
        }
    }
}

impl Engine {
    /// All containers, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub fn containers(&self) -> Result<Vec<Listed>> {
        let records = self.records().read("list containers", containers::all)?;
        records.into_iter().map(|record| self.listed(record)).collect()
    }

    fn listed(&self, record: ContainerRecord) -> Result<Listed> {
        // One that was started again has an end of before on record.
        let runs = match PodDir::open(self.pod_folder(&record.id)) {
            Ok(pod) => pod.supervisor_alive()?,
            Err(_) => false,
        };
        let status = match &record.end {
            _ if runs => Status::Running,
            Some(EndRecord {
                unknown: Some(why), ..
            }) => Status::Unknown(why.clone()),
            Some(end) => Status::Exited(end.code),
            None => Status::Created,
        };
        Ok(Listed { record, status })
    }

    /// The container of this name or id, or whose id alone begins so.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where several ids begin so.
    pub(crate) fn find_container(&self, typed: &str) -> Result<ContainerRecord> {
        let mut all = self.records().read("find container", containers::all)?;
        if let Some(at) = all.iter().position(|c| c.name == typed || c.id == typed) {
            return Ok(all.swap_remove(at));
        }
        all.retain(|c| !typed.is_empty() && c.id.starts_with(typed));
        match all.len() {
            0 => Err(Error::new(Kind::NotFound, "find container", typed)
                .because("there is none of that name or id")
                .hint("`tare ps -a` lists them")),
            1 => Ok(all.swap_remove(0)),
            n => Err(Error::new(Kind::Invalid, "find container", typed).because(format!("{n} ids begin so"))),
        }
    }

    /// One container in full: its record and its specification.
    ///
    /// # Errors
    /// As [`Engine::find_container`]'s.
    pub fn inspect_container(&self, typed: &str) -> Result<serde_json::Value> {
        let record = self.find_container(typed)?;
        let folder = self.container_folder(&record.id);
        let spec = std::fs::read(folder.join("config.json")).ok();
        let spec: serde_json::Value = spec
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        let listed = self.listed(record)?;
        let (record, end) = (&listed.record, &listed.record.end);
        Ok(serde_json::json!({
            "Id": record.id,
            "Name": record.name,
            "Image": record.image,
            "ImageName": record.reference,
            "Created": record.created,
            "State": {
                "Status": listed.status.to_string(),
                "ExitCode": end.as_ref().map(|e| e.code),
                "FinishedAt": end.as_ref().map(|e| e.at),
                "OOMLimit": end.as_ref().and_then(|e| e.oom_limit),
            },
            "Spec": spec,
        }))
    }

    /// A name that another container has: who, how that one is, and what to do.
    pub(super) fn name_in_use(&self, name: &str, error: Error) -> Error {
        let Ok(holder) = self.find_container(name).and_then(|record| self.listed(record)) else {
            return error;
        };
        let id = Id::parse(&holder.record.id)
            .map_or_else(|_| holder.record.id.clone(), |id| id.short().to_owned());
        let remedy = match holder.status {
            Status::Exited(_) | Status::Unknown(_) | Status::Created => {
                format!("`tare rm {name}` removes it, or choose another --name")
            }
            Status::Running => "choose another --name".to_owned(),
        };
        Error::new(Kind::AlreadyExists, "use name", name)
            .because(format!("container {id} has it ({})", holder.status))
            .hint(remedy)
    }
}
