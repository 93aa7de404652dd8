//! The Sandbox service: a pod without a pause container. The supervisor itself is the sandbox; what its containers are to share
//! is made before them, and outlives them.
//!
//! ```text
//! /run/tare/pods/NAME/
//!   sandbox.json             what a successor must know
//!   ns/{uts,ipc,pid,net}     the namespaces, as far as the pod has its own: bound there, nobody is in them
//!   shared/{hostname,hosts,resolv.conf}
//!   shm/                     the pod's /dev/shm, where it has an ipc namespace of its own
//! ```
//!
//! A shared pid namespace needs somebody who is its pid 1: then, and only then, there is a tiny program ([`init`]), whose
//! pid is the sandbox's and which is in all its namespaces. Otherwise the pid that is answered is the supervisor's, and what
//! containerd makes of it in a container's specification (`/proc/PID/ns/ipc`) is replaced by what is meant.

mod calls;
mod engine;
mod files;
mod init;
mod join;
mod maker;
mod wish;

use super::connection::Asked;
use super::handing::{Handed, Handing};
use super::life::Life;
pub(super) use join::rewrite;
use rustix::fd::AsFd;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tare_error::{Context, Error, Kind, Result};
use tare_process::Stamp;
use tare_spec_oci::NamespaceKind;
use tare_store::Durability;
use wish::Wish;

/// What is known of it, in its folder.
pub(crate) const FILE: &str = "sandbox.json";
const LONGEST: usize = 64 * 1024;
/// Where namespaces are bound, in the pod's folder.
const NAMESPACES: &str = "ns";

/// What is known of a sandbox: plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    id: String,
    /// What is made of its own: see [`Wish`].
    wish: Wish,
    /// When it was started, in nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<u64>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<u64>,
    /// The first process of its pid namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    init: Option<Stamp>,
}

impl Record {
    /// Whether everything was made that is to be there, and it has not ended: a sandbox of our own engine's has started by then.
    fn is_whole(&self) -> bool {
        self.started.is_some() && self.ended.is_none()
    }

    fn read(folder: &Path) -> Result<Option<Record>> {
        let path = folder.join(FILE);
        let bytes = match tare_store::read(&path, LONGEST) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => bytes.op("read", path.display())?,
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| Error::new(Kind::Corrupt, "read", path.display()).from_source(e))
    }
}

/// A sandbox on its way into another program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SandboxState {
    /// The pidfd of the first process of its pid namespace, and whether that is ours to wait for.
    init: Option<(Handed, bool)>,
    waiters: Vec<Asked>,
}

/// A sandbox.
#[derive(Debug)]
pub(super) struct Sandbox {
    record: Record,
    folder: PathBuf,
    pub(super) init: Option<Life>,
    /// Who waits for its end.
    waiters: Vec<Asked>,
}

impl Sandbox {
    /// Makes a sandbox in the pod's folder; what was made is undone where that fails.
    fn make(id: &str, wish: Wish, folder: &Path) -> Result<Sandbox> {
        let mut sandbox = Sandbox {
            record: Record {
                id: id.to_owned(),
                wish,
                started: None,
                ended: None,
                init: None,
            },
            folder: folder.to_owned(),
            init: None,
            waiters: Vec::new(),
        };
        sandbox.write()?;
        match sandbox.furnish() {
            Ok(()) => Ok(sandbox),
            Err(error) => Err(match sandbox.dissolve() {
                Ok(()) => error,
                Err(also) => error.also(also),
            }),
        }
    }

    fn furnish(&mut self) -> Result<()> {
        self.make_group()?;
        files::make(&self.record.wish, &self.folder)?;
        self.init = maker::make(&self.record.wish, &self.folder.join(NAMESPACES))?;
        self.record.init = self.init.as_ref().map(|init| init.stamp.clone());
        self.write()
    }

    /// What the program must know that this one becomes, beside the record.
    pub(super) fn save<'a>(&'a self, handing: &mut Handing<'a>) -> SandboxState {
        let init = self.init.as_ref();
        SandboxState {
            init: init.map(|init| (handing.hand(init.as_fd()), init.is_child())),
            waiters: self.waiters.clone(),
        }
    }

    /// Goes on where another program was.
    pub(super) fn restore(state: SandboxState, folder: &Path) -> Result<Option<Sandbox>> {
        let Some(record) = Record::read(folder)? else {
            return Ok(None);
        };
        let init = match (state.init, record.init.clone()) {
            (Some((pidfd, is_child)), Some(stamp)) => Some(Life::restore(stamp, pidfd.take()?, is_child)?),
            _ => None,
        };
        Ok(Some(Sandbox {
            record,
            folder: folder.to_owned(),
            init,
            waiters: state.waiters,
        }))
    }

    /// That of a supervisor before us, if it had one.
    pub(super) fn adopt(folder: &Path) -> Result<Option<Sandbox>> {
        let Some(record) = Record::read(folder)? else {
            return Ok(None);
        };
        let init = record.init.as_ref().map_or(Ok(None), Life::adopt)?;
        let mut sandbox = Sandbox {
            record,
            folder: folder.to_owned(),
            init,
            waiters: Vec::new(),
        };
        if sandbox.record.init.is_some() && sandbox.init.is_none() {
            sandbox.end()?;
        }
        Ok(Some(sandbox))
    }

    /// Removes what is left of a sandbox in a pod's folder, if there was one.
    pub(super) fn bury(folder: &Path) -> Result<()> {
        Sandbox::adopt(folder)?.map_or(Ok(()), |mut sandbox| sandbox.dissolve())
    }

    fn write(&self) -> Result<()> {
        let path = self.folder.join(FILE);
        let bytes = serde_json::to_vec(&self.record)
            .map_err(|e| Error::new(Kind::Internal, "write", path.display()).from_source(e))?;
        tare_store::replace(&path, Durability::Volatile, 0o600, &bytes)
    }

    /// The pid by whose namespaces containerd describes the pod's containers.
    fn pid(&self) -> u32 {
        let init = self.init.as_ref().map(|init| init.pid().unsigned_abs());
        init.unwrap_or_else(std::process::id)
    }

    /// It is ready no more: its pid 1 has ended, or is ended here, with all that is in that namespace.
    pub(super) fn end(&mut self) -> Result<()> {
        if let Some(init) = self.init.take() {
            init.kill_and_reap();
        }
        self.record
            .ended
            .get_or_insert_with(|| nanoseconds(SystemTime::now()));
        self.write()
    }

    /// Ends it, and removes everything that was made for it.
    pub(super) fn dissolve(&mut self) -> Result<()> {
        if let Some(init) = self.init.take() {
            init.kill_and_reap();
        }
        let namespaces = maker::unmake(&self.folder.join(NAMESPACES));
        let files = files::unmake(&self.folder);
        let group = self.remove_group();
        if group.is_err() {
            // By the record whoever comes next finds it.
            return namespaces.and(files).and(group);
        }
        let path = self.folder.join(FILE);
        let record = match std::fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e).op("remove", path.display()),
            _ => Ok(()),
        };
        namespaces.and(files).and(record)
    }

    /// Where a namespace is that a container shares with the pod.
    fn namespace(&self, kind: NamespaceKind) -> Place {
        let wish = &self.record.wish;
        let bound = |has: bool, name: &str| has.then(|| self.folder.join(NAMESPACES).join(name));
        let (own, host) = match kind {
            NamespaceKind::Network => {
                let own = bound(wish.own_network, maker::NETWORK);
                (wish.network.clone().or(own), wish.host.network)
            }
            NamespaceKind::Uts => (bound(wish.uts, maker::UTS), wish.host.network),
            NamespaceKind::Ipc => (bound(wish.ipc, maker::IPC), wish.host.ipc),
            NamespaceKind::Pid => (bound(wish.pid, maker::PID), wish.host.pid),
            _ => (None, false),
        };
        match (own, host) {
            (Some(path), _) => Place::Pods(path),
            (None, true) => Place::Hosts,
            (None, false) => Place::Nowhere,
        }
    }
}

/// Where a namespace is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// It is the pod's own.
    Pods(PathBuf),
    /// It is the host's, as the pod was asked for.
    Hosts,
    /// The pod has none: each container has its own.
    Nowhere,
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn time(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}
