//! A pod's directory in the run folder: what the supervisor writes there, and what a later command reads.
//!
//! ```text
//! <run>/pods/<id>/          0700
//!   supervisor.json         while a supervisor lives: pid, start time, boot, version, its scope
//!   keeper.json             what the engine wants when its command is gone
//!   health.json             how its container's health is looked after, and what came of it
//!   sock                    0600; further clients (peer credentials are checked)
//!   stdin stdout stderr     the engine's FIFOs; stdout and stderr are open read-write in the container
//!   execs/ID/               the same FIFOs of a process that is executed
//!   containers/ID.json      what a successor must know of a container
//!   streams/ID/             a folder for each log that is kept (tare-logs)
//!   log                     what the supervisor found odd, at most 16 KiB
//!   spare                   a page for the record of an end, where there is no other
//! ```
//!
//! Where several containers share a supervisor, it has a folder of its own: `supervisor.json`, `sock`, `containers`, `streams` and
//! `log` are there, with what they share ([`PodPlan`](crate::PodPlan)). Each container's folder has the rest, and a link to it:
//!
//! ```text
//! <run>/pods/<pod>/pod.json sandbox.json ns/ shm/ ...
//! <run>/pods/<id>/pod -> <pod>
//! ```

use crate::clock::wait_readable;
use crate::own::PodPlan;
use crate::record::SupervisorRecord;
use crate::supervisor::KeeperState;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Kind, Result};
use tare_store::{Durability, Lock};

/// The longest record that is read.
const LONGEST: usize = 64 * 1024;

/// In a container's folder: the name of the folder beside it that its supervisor has; in that one, its own.
const SHARED: &str = "pod";
/// In the folder of a supervisor that several containers share: what it is made of. The engine's.
const PLAN: &str = "pod.json";
/// Beside it: held by whoever starts its supervisor, as each of its containers' commands may.
const LAUNCH: &str = "launch.lock";

/// The folder with a record of each container.
const CONTAINERS: &str = "containers";
/// The folder with a folder for each process that is executed.
const EXECS: &str = "execs";
/// The folder with what is kept of streams.
const STREAMS: &str = "streams";

/// A file of a pod's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Supervisor,
    Keeper,
    Health,
    Socket,
    Log,
    Spare,
    Stdin,
    Stdout,
    Stderr,
}

impl Entry {
    /// Whether it is in the folder that the supervisor has, where that is another than a container's.
    fn is_supervisors(self) -> bool {
        matches!(self, Entry::Supervisor | Entry::Socket | Entry::Log)
    }

    /// All of them.
    const ALL: [Entry; 9] = [
        Entry::Spare,
        Entry::Keeper,
        Entry::Health,
        Entry::Socket,
        Entry::Stdin,
        Entry::Stdout,
        Entry::Stderr,
        Entry::Log,
        Entry::Supervisor,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Entry::Supervisor => "supervisor.json",
            Entry::Keeper => "keeper.json",
            Entry::Health => "health.json",
            Entry::Socket => "sock",
            Entry::Log => "log",
            Entry::Spare => "spare",
            Entry::Stdin => "stdin",
            Entry::Stdout => "stdout",
            Entry::Stderr => "stderr",
        }
    }
}

/// A pod's directory.
#[derive(Clone, Debug)]
pub struct PodDir {
    path: PathBuf,
    /// Where its supervisor is: the same, but for a container that shares one.
    home: PathBuf,
    /// It has a link to that.
    linked: bool,
}

impl PodDir {
    /// A directory that exists.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where it is not a directory.
    pub fn open(path: impl Into<PathBuf>) -> Result<PodDir> {
        let path = path.into();
        let found = std::fs::symlink_metadata(&path).op("open the pod's folder", path.display())?;
        if found.is_dir() {
            // A name, made by the engine alone; most have none.
            let home = std::fs::read_link(path.join(SHARED)).map(|pod| path.with_file_name(pod));
            return Ok(PodDir {
                linked: home.is_ok(),
                home: home.unwrap_or_else(|_| path.clone()),
                path,
            });
        }
        Err(Error::new(Kind::Invalid, "open the pod's folder", path.display()).because("it is not a folder"))
    }

    /// Makes the directory, 0700; one that exists already is taken as it is.
    ///
    /// # Errors
    /// The kernel's.
    pub fn create(path: impl Into<PathBuf>) -> Result<PodDir> {
        let path = path.into();
        match rustix::fs::mkdir(&path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => PodDir::open(path),
            Err(e) => Err(Error::os("make the pod's folder", path.display(), e)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says that the container of this folder shares the supervisor of the folder of that name beside it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn share(self, pod: &str) -> Result<PodDir> {
        let link = self.path.join(SHARED);
        std::os::unix::fs::symlink(pod, &link).op("make", link.display())?;
        PodDir::open(self.path)
    }

    /// Where its supervisor is.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// The name of the folder beside it that its supervisor has, where that is shared.
    pub fn of_pod(&self) -> Option<&str> {
        self.member()?;
        self.home.file_name()?.to_str()
    }

    /// Its container, where that shares a supervisor with others.
    pub(crate) fn member(&self) -> Option<&str> {
        let name = || self.path.file_name().and_then(|name| name.to_str());
        (self.home != self.path).then(name).flatten()
    }

    /// Writes what a supervisor that several containers share is made of: from here on this is its folder.
    ///
    /// # Errors
    /// The file system's.
    pub fn plan(self, plan: &PodPlan) -> Result<()> {
        write_as(&self.path.join(PLAN), plan)?;
        self.share(&plan.id).map(drop)
    }

    /// Whether this is the folder of a supervisor that several containers may share.
    pub fn is_shared(&self) -> bool {
        self.linked && self.home == self.path
    }

    /// Whether its namespaces were made.
    pub fn has_sandbox(&self) -> bool {
        self.path.join(crate::supervisor::SANDBOX).exists()
    }

    /// Removes what [`PodDir::plan`] and those who started supervisors have left, where this is such a folder, by whatever name.
    ///
    /// # Errors
    /// The kernel's.
    pub fn forget_plan(self) -> Result<PodDir> {
        if !self.linked || !self.path.join(PLAN).exists() {
            return Ok(self);
        }
        for name in [PLAN, LAUNCH, SHARED] {
            let path = self.path.join(name);
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(e).op("remove", path.display());
                }
                _ => {}
            }
        }
        PodDir::open(self.path)
    }

    /// Held by whoever starts a supervisor that somebody else may start as well: one that several share, and the successor of one
    /// that was killed, which whoever was connected to that one looks for. Nobody waits for the first of a single container.
    pub(crate) fn launching(&self) -> Result<Option<Lock>> {
        match self.member().is_some() || self.is_shared() || self.supervisor()?.is_some() {
            true => Lock::exclusive(&self.home.join(LAUNCH)).map(Some),
            false => Ok(None),
        }
    }

    /// The supervisor that wrote its record here last, whether or not it still lives.
    ///
    /// # Errors
    /// `Corrupt` where the record is not one, else the kernel's.
    pub fn supervisor(&self) -> Result<Option<SupervisorRecord>> {
        self.read(Entry::Supervisor)
    }

    /// A handle on the living supervisor.
    ///
    /// # Errors
    /// As [`PodDir::supervisor`].
    pub fn living_supervisor(&self) -> Result<Option<OwnedFd>> {
        match self.supervisor()? {
            // One that is ending looks after nothing any more.
            Some(record) => record.stamp.running(),
            None => Ok(None),
        }
    }

    /// Whether a supervisor looks after this pod: by pid, start time and boot. One that is shared looks after a container of which
    /// it has a record.
    ///
    /// # Errors
    /// As [`PodDir::supervisor`].
    pub fn supervisor_alive(&self) -> Result<bool> {
        if self.member().is_some() && !self.has_containers()? {
            return Ok(false);
        }
        // One that is ending looks after nothing any more.
        self.supervisor()?.map_or(Ok(false), |record| record.stamp.runs())
    }

    /// Whether a supervisor takes calls here, or will when it has come to itself: from the first moment of its life until it leaves.
    /// Not where several share one, which has other things to do than this folder's.
    pub fn has_listener(&self) -> bool {
        self.member().is_none() && self.connect().is_ok()
    }

    /// Connects to it. One that was killed takes connections still, until the kernel has closed what it had open, and answers none:
    /// its end is waited for first.
    pub(crate) fn connect(&self) -> Result<UnixStream> {
        self.await_dying()?;
        crate::entrance::connect(&self.file(Entry::Socket))
    }

    /// Whether what lives here is to live on without its keeper.
    ///
    /// # Errors
    /// As [`PodDir::supervisor`].
    pub fn outlives_its_keeper(&self) -> Result<bool> {
        Ok(self.keeper()?.is_some_and(|keeper| !keeper.kill))
    }

    /// What the last keeper wanted.
    pub(crate) fn keeper(&self) -> Result<Option<KeeperState>> {
        self.read(Entry::Keeper)
    }

    /// What the supervisor found odd; empty where nothing was.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.file(Entry::Log)).unwrap_or_default()
    }

    /// The folder with a record of each container, made where it is not there.
    pub(crate) fn containers(&self) -> Result<PathBuf> {
        let path = self.home.join(CONTAINERS);
        match rustix::fs::mkdir(&path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Ok(path),
            Err(e) => Err(Error::os("make folder", path.display(), e)),
        }
    }

    /// Where the FIFOs of a process that is executed are, made where that is not there.
    pub(crate) fn make_exec(&self, id: &str) -> Result<PathBuf> {
        let path = self.exec(id);
        let mut private = std::fs::DirBuilder::new();
        let made = std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700)
            .recursive(true)
            .create(&path);
        made.op("make folder", path.display()).map(|()| path)
    }

    /// Removes them.
    pub(crate) fn remove_exec(&self, id: &str) -> Result<()> {
        tare_store::remove_tree(&self.exec(id))
    }

    fn exec(&self, id: &str) -> PathBuf {
        self.path.join(EXECS).join(id)
    }

    /// Where the logs of containers are kept, each in a folder of its own.
    pub(crate) fn streams(&self) -> PathBuf {
        self.home.join(STREAMS)
    }

    /// Removes everything a supervisor ever makes here, then the directory if nothing of others is left in it.
    ///
    /// # Errors
    /// The kernel's; a directory that is gone already is none, one that still holds something is `Conflict`.
    pub fn remove(&self) -> Result<()> {
        match self.remove_all() {
            // Somebody else was at it, and has brought it to its end.
            Err(e) if e.kind() == Kind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn remove_all(&self) -> Result<()> {
        let shares = self.member().is_some();
        let turn = self.path.join(LAUNCH);
        let held = match !shares && !self.linked && turn.exists() {
            true => Some(Lock::try_exclusive(&turn)?.ok_or_else(|| {
                Error::new(Kind::Conflict, "remove the pod's folder", self.path.display())
                    .because("somebody is about to start a supervisor in it")
            })?),
            false => None,
        };
        let kept = |entry: &&Entry| match entry {
            // By this one it is known that somebody is at it still, and it goes when the rest has gone.
            Entry::Supervisor => true,
            entry => shares && entry.is_supervisors(),
        };
        self.remove_entries(Entry::ALL.iter().filter(|entry| !kept(entry)))?;
        if shares {
            let link = self.path.join(SHARED);
            std::fs::remove_file(&link).op("remove", link.display())?;
        } else {
            let containers = self.path.join(CONTAINERS);
            if containers.is_dir() {
                tare_store::sweep_temporaries(&containers, Duration::ZERO)?;
                std::fs::remove_dir(&containers).op("remove", containers.display())?;
            }
            tare_logs::Folder::at(self.streams()).remove()?;
        }
        tare_store::remove_tree(&self.path.join(EXECS))?;
        if self.path.is_dir() {
            tare_store::sweep_temporaries(&self.path, Duration::ZERO)?;
        }
        if !shares {
            self.remove_entries([Entry::Supervisor].iter())?;
        }
        if held.is_some() {
            std::fs::remove_file(&turn).op("remove", turn.display())?;
        }
        std::fs::remove_dir(&self.path).op("remove the pod's folder", self.path.display())
    }

    /// Whether something of a container is on record here: one that is to be taken over, or removed.
    ///
    /// # Errors
    /// The kernel's.
    pub fn has_containers(&self) -> Result<bool> {
        match self.member() {
            None => has_entries(&self.path.join(CONTAINERS)),
            Some(id) => Ok(self.home.join(CONTAINERS).join(format!("{id}.json")).exists()),
        }
    }

    /// Whether something of a log is here: what a container has said may not be written down yet.
    pub(crate) fn has_streams(&self) -> Result<bool> {
        match self.member() {
            None => has_entries(&self.streams()),
            Some(id) => has_entries(&self.streams().join(id)),
        }
    }

    fn remove_entries<'a>(&self, entries: impl Iterator<Item = &'a Entry>) -> Result<()> {
        for entry in entries {
            let path = self.file(*entry);
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(e).op("remove", path.display());
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn file(&self, entry: Entry) -> PathBuf {
        let folder = if entry.is_supervisors() {
            &self.home
        } else {
            &self.path
        };
        folder.join(entry.name())
    }

    /// Writes a record atomically, without waiting for a disk.
    pub(crate) fn write(&self, entry: Entry, record: &impl Serialize) -> Result<()> {
        write_as(&self.file(entry), record)
    }

    /// Keeps a page for the record of an end.
    pub(crate) fn keep_spare(&self) {
        tare_store::keep_spare(&self.file(Entry::Spare));
    }

    /// Writes the record of an end to this file, on the page that was kept for it where there is no other.
    pub(crate) fn write_end(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        tare_store::replace_from(&self.file(Entry::Spare), path, 0o600, bytes)
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, entry: Entry) -> Result<Option<T>> {
        read_as(&self.file(entry))
    }
}

fn write_as(path: &Path, record: &impl Serialize) -> Result<()> {
    let bytes = serde_json::to_vec(record)
        .map_err(|e| Error::new(Kind::Internal, "write", path.display()).from_source(e))?;
    tare_store::replace(path, Durability::Volatile, 0o600, &bytes)
}

pub(crate) fn read_as<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    read_in(CWD, path)
}

/// The same by a path that starts in an open folder.
pub(crate) fn read_in<T: DeserializeOwned>(folder: impl AsFd, path: &Path) -> Result<Option<T>> {
    let bytes = match tare_store::read_at_once_in(folder, path, LONGEST) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.op("read", path.display())?,
    };
    let record = serde_json::from_slice(&bytes)
        .map_err(|e| Error::new(Kind::Corrupt, "read", path.display()).from_source(e))?;
    Ok(Some(record))
}

/// Whether there is such a folder with something in it.
fn has_entries(folder: &Path) -> Result<bool> {
    match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        entries => Ok(entries.op("list", folder.display())?.next().is_some()),
    }
}

/// Whether a process that is held by its pidfd has ended, perhaps not been reaped.
pub(crate) fn has_ended(process: &OwnedFd) -> bool {
    wait_readable(process, Some(Instant::now())).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tare_process::Stamp;

    fn scratch(name: &str) -> PodDir {
        let path = std::env::temp_dir().join(format!("tare-shim-pod-{name}-{}", std::process::id()));
        PodDir::create(path).unwrap()
    }

    #[test]
    fn records_come_back_and_absent_ones_are_none() {
        let pod = scratch("records");
        assert_eq!(pod.supervisor().unwrap(), None);
        assert!(!pod.supervisor_alive().unwrap());
        let record = SupervisorRecord {
            stamp: Stamp::of(i32::try_from(std::process::id()).unwrap()).unwrap(),
            version: "0".into(),
            alone: true,
            socket: None,
            scope: None,
        };
        pod.write(Entry::Supervisor, &record).unwrap();
        assert!(pod.supervisor_alive().unwrap());
        pod.remove().unwrap();
        assert!(PodDir::open(pod.path()).is_err());
    }

    #[test]
    fn a_torn_record_is_corrupt_not_absent() {
        let pod = scratch("torn");
        std::fs::write(pod.file(Entry::Supervisor), "{\"pid\":1").unwrap();
        assert_eq!(pod.supervisor().unwrap_err().kind(), Kind::Corrupt);
        pod.remove().unwrap();
    }

    #[test]
    fn what_others_left_keeps_the_directory() {
        let pod = scratch("others");
        let other = pod.path().join("intent.json");
        std::fs::write(&other, "{}").unwrap();
        assert_eq!(pod.remove().unwrap_err().kind(), Kind::Conflict);
        std::fs::remove_file(other).unwrap();
        pod.remove().unwrap();
        pod.remove().unwrap();
    }
}
