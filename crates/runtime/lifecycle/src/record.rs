//! What is known of a container without asking the kernel: `state.json` in its folder.

use crate::driver::Driver;
use crate::home::Home;
use crate::id::ContainerId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result};
use tare_process::Stamp;
use tare_spec_oci::{Hooks, Mount, State, Status};
use tare_store::Durability;

/// The form of the record; another one is of another version of this library.
const VERSION: u32 = 1;

/// Its name in the container's folder.
const FILE: &str = "state.json";

/// No record is longer: most of one are the configuration's annotations and hooks.
const LONGEST: usize = 16 << 20;

/// A container's record. Written before anything of the container is made, and again when there is more to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The form of this record.
    pub record_version: u32,
    /// The version of the specification that the configuration follows.
    pub oci_version: String,
    /// The container.
    pub id: String,
    /// Its bundle; absolute.
    pub bundle: PathBuf,
    /// Its root on the host; absolute.
    pub rootfs: PathBuf,
    /// When it was created (RFC 3339).
    pub created: String,
    /// The user who created it.
    pub owner: u32,
    /// Whether it was created whole: everything but the start is done.
    pub whole: bool,
    /// Its first process; absent before that was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Stamp>,
    /// Its cgroup below the mounts; absent where it has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Who made that cgroup.
    #[serde(default)]
    pub driver: Driver,
    /// Where the configuration wants it, in the driver's own words.
    #[serde(default)]
    pub cgroups_path: String,
    /// Hooks that are still to be run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
    /// The mounts that make its root, where it is not the bundle's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub root_mounts: Vec<Mount>,
    /// Whether it may have a resctrl class of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_class: bool,
    /// Whether it shares a pid namespace with others: its first process's end is not that of all its processes then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shares_pids: bool,
    /// The configuration's annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Record {
    pub(crate) const VERSION: u32 = VERSION;

    /// Writes it into a container's folder, atomically.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let bytes = serde_json::to_vec(self)
            .map_err(|e| Error::new(Kind::Internal, "write", path.display()).from_source(e))?;
        tare_store::replace(&path, Durability::Volatile, 0o600, &bytes)
    }

    /// Reads that of a container; none where it was not written yet.
    pub(crate) fn read(home: &Home, id: &ContainerId) -> Result<Option<Record>> {
        let path = home.folder(id).join(FILE);
        let bytes = match home.read(id, FILE, LONGEST) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.op("read", path.display())?,
        };
        let corrupt = |e| Error::new(Kind::Corrupt, "read", path.display()).from_source(e);
        let record: Record = serde_json::from_slice(&bytes).map_err(corrupt)?;
        if record.record_version != VERSION {
            return Err(Error::new(Kind::Unsupported, "read", path.display())
                .because(format!(
                    "it has version {}, this program knows {VERSION}",
                    record.record_version
                ))
                .hint("use the version of tare-runtime that made the container"));
        }
        Ok(Some(record))
    }

    /// A record of a container whose own was never written.
    pub(crate) fn of_nothing(id: &ContainerId) -> Record {
        Record {
            record_version: VERSION,
            oci_version: tare_spec_oci::VERSION.to_owned(),
            id: id.to_string(),
            bundle: PathBuf::new(),
            rootfs: PathBuf::new(),
            created: String::new(),
            owner: 0,
            whole: false,
            init: None,
            group: None,
            driver: Driver::default(),
            cgroups_path: String::new(),
            hooks: None,
            root_mounts: Vec::new(),
            has_class: true,
            shares_pids: false,
            annotations: BTreeMap::new(),
        }
    }

    /// The state as hooks read it.
    pub(crate) fn state(&self, status: Status, pid: Option<i32>) -> State {
        State {
            oci_version: self.oci_version.clone(),
            id: self.id.clone(),
            status,
            bundle: self.bundle.clone(),
            pid,
            annotations: self.annotations.clone(),
        }
    }
}
