//! What is known of a foreign container without a process at hand: plain data, and the folder that it lies in.
//!
//! ```text
//! /run/tare/foreign/NAMESPACE/ID/   0700; of our own engine: <run>/foreign/ID
//!   foreign.json                    written before its runtime is called, and again when there is more to know
//!   exit.json                       how its first process ended
//!   root.json                       the mounts of its root, where it has any
//!   N.log N.pid N.json N.tty        of the command number N, while that runs
//!   bundle/ID/                      where its runtime is a shim: what that takes for its bundle (shim.rs)
//! ```

use super::shim::Shim;
use crate::supervisor::container::EXIT_RECORD;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tare_cgroup::Group;
use tare_error::{Context, Error, Kind, Result};
use tare_lifecycle::{Bundle, has_own};
use tare_process::Stamp;
use tare_spec_oci::{Mount, NamespaceKind};
use tare_store::Durability;

/// Where the folders of all foreign containers are.
const HOME: &str = "/run/tare/foreign";
/// Where the runtimes keep their own records, unless the options say otherwise: as containerd's own shim has it.
const ROOT: &str = "/run/containerd/runc";
/// The form of the record, and that of a container whose runtime is a shim: who knows the first alone would take that for a command.
const VERSION: u32 = 1;
const VERSION_OF_SHIMS: u32 = 2;
const FILE: &str = "foreign.json";
const MOUNTS: &str = "root.json";
const BUNDLES: &str = "bundle";
/// No record is longer.
const LONGEST: usize = 1 << 20;

/// An OCI runtime that is a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::supervisor) struct Runtime {
    /// Its program: a path, or a name for `PATH`.
    pub(in crate::supervisor) program: String,
    /// Where it keeps its records.
    pub(in crate::supervisor) root: PathBuf,
    /// Whether systemd makes its groups.
    pub(in crate::supervisor) systemd: bool,
    /// Whether roots are moved over `/` instead of pivoted to.
    pub(in crate::supervisor) without_pivot: bool,
    /// Whether containers stay in the session keyring.
    pub(in crate::supervisor) shared_keyring: bool,
    /// The score for the killer of the memory-less that its commands run with, and containers that ask for none.
    pub(in crate::supervisor) oom_score: Option<i32>,
}

/// A container of such a runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    version: u32,
    pub(in crate::supervisor) runtime: Runtime,
    pub(in crate::supervisor) id: String,
    pub(in crate::supervisor) bundle: PathBuf,
    /// Whether its root is made of mounts of ours.
    pub(in crate::supervisor) mounted: bool,
    /// Whether its processes may outlive its first one, which is not the first of a pid namespace.
    pub(in crate::supervisor) shares_pids: bool,
    /// Whether it was started.
    pub(in crate::supervisor) started: bool,
    /// The cgroup that its configuration names, where that is a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::supervisor) asked_group: Option<String>,
    /// The limit of its memory that its configuration names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) asked_memory: Option<u64>,
    /// Its first process; absent before that was made, and where a shim has it that is no process of this machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) init: Option<Stamp>,
    /// The cgroup of that; absent where it has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    /// When it was started (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    /// Whether its shim was told to hold it still: others' cgroups tell.
    #[serde(default)]
    pub(crate) paused: bool,
    /// Its first process, where a shim has made it, by the number that this says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::supervisor) created: Option<u32>,
    /// Where its runtime is no command, but a shim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shim: Option<Shim>,
    #[serde(skip)]
    folder: PathBuf,
}

/// What a container of a foreign runtime is made by.
#[derive(Clone, Debug)]
pub(in crate::supervisor) struct Maker {
    pub(in crate::supervisor) runtime: Runtime,
    pub(in crate::supervisor) shim: Option<Shim>,
}

impl Runtime {
    /// A shim's program.
    pub(in crate::supervisor) fn of_shim(program: &str) -> Runtime {
        Runtime {
            program: program.to_owned(),
            root: PathBuf::new(),
            systemd: false,
            without_pivot: false,
            shared_keyring: false,
            oom_score: None,
        }
    }

    /// The name of its program.
    pub(super) fn name(&self) -> String {
        let name = Path::new(&self.program).file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Where it keeps the records of a namespace.
    pub(in crate::supervisor) fn root_of(root: &str, namespace: &str) -> PathBuf {
        Path::new(if root.is_empty() { ROOT } else { root }).join(namespace)
    }
}

impl Record {
    /// Makes the folder of a container, with the record of what is about to be made.
    ///
    /// # Errors
    /// `AlreadyExists` where there is one.
    pub(super) fn begin(
        maker: Maker,
        home: &Path,
        id: &str,
        bundle: &Bundle,
        mounts: &[Mount],
    ) -> Result<Record> {
        let folder = home.join(id);
        let linux = bundle.spec.linux.as_ref();
        let asked_group = linux.and_then(|linux| linux.cgroups_path.clone());
        let resources = linux.and_then(|linux| linux.resources.as_ref());
        let asked_memory = resources.and_then(|resources| resources.memory.as_ref()?.limit);
        let private = |path: &Path, recursive: bool| {
            std::fs::DirBuilder::new()
                .mode(0o700)
                .recursive(recursive)
                .create(path)
        };
        private(home, true).op("make folder", home.display())?;
        match private(&folder, false) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                return Err(Error::new(Kind::AlreadyExists, "create container", id)
                    .because("another supervisor has, or had, one of this name"));
            }
            made => made.op("make folder", folder.display())?,
        }
        let Maker { runtime, shim } = maker;
        let is_shim = shim.is_some();
        let record = Record {
            version: if is_shim { VERSION_OF_SHIMS } else { VERSION },
            runtime,
            id: id.to_owned(),
            bundle: match is_shim {
                true => folder.join(BUNDLES).join(id),
                false => bundle.path.clone(),
            },
            // Where a shim has mounted something, and is gone, that is ours to undo.
            mounted: is_shim || !mounts.is_empty(),
            shares_pids: !has_own(linux, NamespaceKind::Pid),
            started: false,
            asked_group: asked_group.filter(|path| path.starts_with('/')),
            asked_memory: asked_memory.and_then(|limit| u64::try_from(limit).ok()),
            init: None,
            group: None,
            since: None,
            paused: false,
            created: None,
            shim,
            folder,
        };
        record.write()?;
        if !is_shim && record.mounted {
            record.put(MOUNTS, mounts)?;
        }
        Ok(record)
    }

    /// The record of a container in the folder of all; none where there is none.
    pub(in crate::supervisor) fn find(home: &Path, id: &str) -> Result<Option<Record>> {
        let folder = home.join(id);
        let path = folder.join(FILE);
        let bytes = match tare_store::read(&path, LONGEST) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => bytes.op("read", path.display())?,
        };
        let record: Record = serde_json::from_slice(&bytes)
            .map_err(|e| Error::new(Kind::Corrupt, "read", path.display()).from_source(e))?;
        if ![VERSION, VERSION_OF_SHIMS].contains(&record.version) {
            let why = format!(
                "it has version {}, this program knows {VERSION_OF_SHIMS}",
                record.version
            );
            return Err(Error::new(Kind::Unsupported, "read", path.display()).because(why));
        }
        Ok(Some(Record { folder, ..record }))
    }

    pub(super) fn write(&self) -> Result<()> {
        self.put(FILE, self)
    }

    fn put(&self, name: &str, what: &(impl Serialize + ?Sized)) -> Result<()> {
        let path = self.folder.join(name);
        let bytes = serde_json::to_vec(what)
            .map_err(|e| Error::new(Kind::Internal, "write", path.display()).from_source(e))?;
        tare_store::replace(&path, Durability::Volatile, 0o600, &bytes)
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The list of mounts that make its root, for whoever mounts them.
    pub(super) fn mounts(&self) -> PathBuf {
        self.folder.join(MOUNTS)
    }

    /// Its cgroup, where it has one that is still there.
    pub(in crate::supervisor) fn group(&self) -> Option<Group> {
        super::group::open(self.group.as_deref())
    }

    /// Removes its group, where a runtime that was ended itself has left that.
    pub(super) fn remove_group(&self, within: Duration) -> Result<()> {
        let asked = self.asked_group.as_deref().filter(|_| !self.runtime.systemd);
        let group = super::group::open(self.group.as_deref().or(asked));
        group.map_or(Ok(()), |group| group.remove_within(within))
    }

    /// Where its root is.
    pub(super) fn rootfs(&self) -> PathBuf {
        self.bundle.join("rootfs")
    }

    /// The record of its end.
    pub(in crate::supervisor) fn exit(&self) -> PathBuf {
        self.folder.join(EXIT_RECORD)
    }

    /// Removes the folder: the container is gone.
    pub(super) fn remove(&self) -> Result<()> {
        tare_store::remove_tree(&self.folder)
    }
}

/// Where the folders of a namespace's containers are.
pub(in crate::supervisor) fn home(namespace: &str) -> PathBuf {
    Path::new(HOME).join(namespace)
}
