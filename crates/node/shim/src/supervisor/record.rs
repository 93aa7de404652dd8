//! What a successor must know of a container: a file of its own in the pod's folder, written before anybody hears of what is
//! in it.
//!
//! What the library knows of the container is in the library's own record, and how it ended in `exit.json` beside that.

use super::container::Container;
pub(super) use super::memory::Before;
use super::process::{Ended, Process, Stage};
use super::stdio::Wanted;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use tare_error::{Context, Error, Kind, Result};
use tare_lifecycle::OwnGroup;
use tare_process::Stamp;
use tare_spec_oci::Process as Command;
use tare_store::Durability;

/// The longest that is read: most of one is what was added to be executed.
const LONGEST: usize = 16 << 20;
/// How the file of a container ends.
const SUFFIX: &str = ".json";

/// A container's record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ContainerRecord {
    pub(super) id: String,
    pub(super) bundle: PathBuf,
    /// Its memory as it began; none before it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) memory: Option<Before>,
    pub(super) processes: Vec<ProcessRecord>,
}

/// A process's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProcessRecord {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) exec_id: String,
    pub(super) stdio: Wanted,
    /// Whether nothing more comes from its client: nobody is to keep its input open then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) input_ended: bool,
    pub(super) stage: StageRecord,
    /// Its own group, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) own_group: Option<OwnGroup>,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum StageRecord {
    /// The container is being made.
    Making,
    /// It is known what to execute.
    Added(Box<Command>),
    /// It is there. The first one may wait to be started: its gate tells.
    Living(Stamp),
    /// A shim that is not ours has it, under this number. Whether it was started that says.
    Remote(u32),
    /// It has ended.
    Ended(EndRecord),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EndRecord {
    pid: i32,
    code: u8,
    /// Nanoseconds since 1970.
    at: u64,
    told: bool,
}

impl ContainerRecord {
    /// Of a container that is about to be made.
    pub(super) fn of_intent(id: &str, bundle: &Path, stdio: &Wanted) -> ContainerRecord {
        ContainerRecord {
            id: id.to_owned(),
            bundle: bundle.to_owned(),
            memory: None,
            processes: vec![ProcessRecord {
                exec_id: String::new(),
                stdio: stdio.clone(),
                input_ended: false,
                stage: StageRecord::Making,
                own_group: None,
            }],
        }
    }

    pub(super) fn of(container: &Container) -> ContainerRecord {
        ContainerRecord {
            id: container.id.clone(),
            bundle: container.bundle.clone(),
            memory: container.memory.as_ref().map(|memory| memory.before.clone()),
            processes: container.processes.iter().map(ProcessRecord::of).collect(),
        }
    }

    /// Writes it, atomically, into memory.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = file(folder, &self.id);
        let bytes = serde_json::to_vec(self)
            .map_err(|e| Error::new(Kind::Internal, "write", path.display()).from_source(e))?;
        tare_store::replace(&path, Durability::Volatile, 0o600, &bytes)
    }

    /// Removes one, if it is there.
    pub(super) fn remove(folder: &Path, id: &str) -> Result<()> {
        let path = file(folder, id);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).op("remove", path.display()),
            _ => Ok(()),
        }
    }

    /// Reads all that there are, each with what was wrong where it cannot be read.
    pub(super) fn read_all(folder: &Path) -> Result<Vec<Result<ContainerRecord>>> {
        let entries = match std::fs::read_dir(folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.op("list", folder.display())?,
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let records = paths.filter(|path| is_record(path));
        Ok(records.map(|path| read(&path)).collect())
    }
}

impl ProcessRecord {
    pub(super) fn of(process: &Process) -> ProcessRecord {
        let stage = match &process.stage {
            Stage::Making { .. } => StageRecord::Making,
            Stage::Added(command) => StageRecord::Added(command.clone()),
            Stage::Foreign(work) => match work.life() {
                Some(life) => StageRecord::Living(life.stamp.clone()),
                None if let Some(pid) = work.remote() => StageRecord::Remote(pid),
                None if work.makes() => StageRecord::Making,
                None => StageRecord::Ended(EndRecord::of(&Ended::unknown())),
            },
            // Whether it was executed then, nobody will know.
            Stage::Entering { entering, .. } => StageRecord::Ended(EndRecord::of(&Ended {
                pid: entering.pid().as_raw_pid(),
                ..Ended::unknown()
            })),
            Stage::Created(life) | Stage::Running(life) | Stage::Starting { process: life, .. } => {
                StageRecord::Living(life.stamp.clone())
            }
            Stage::Remote { pid, .. } => StageRecord::Remote(*pid),
            Stage::Ended(ended) => StageRecord::Ended(EndRecord::of(ended)),
        };
        ProcessRecord {
            exec_id: process.exec_id.clone(),
            stdio: process.stdio.clone(),
            input_ended: process.input_ended,
            stage,
            own_group: process.own_group.clone(),
        }
    }
}

impl EndRecord {
    fn of(ended: &Ended) -> EndRecord {
        let since = ended.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        EndRecord {
            pid: ended.pid,
            code: ended.code,
            at: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            told: ended.told,
        }
    }
}

impl From<EndRecord> for Ended {
    fn from(record: EndRecord) -> Ended {
        Ended {
            pid: record.pid,
            code: record.code,
            at: UNIX_EPOCH + Duration::from_nanos(record.at),
            told: record.told,
        }
    }
}

fn file(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}{SUFFIX}"))
}

/// Whether it is one: what is being written has another name.
fn is_record(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.ends_with(SUFFIX.as_bytes()) && !name.starts_with(b".")
}

fn read(path: &Path) -> Result<ContainerRecord> {
    let bytes = tare_store::read(path, LONGEST).op("read", path.display())?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Error::new(Kind::Corrupt, "read", path.display()).from_source(e))
}
