//! The folders of all pods, looked at one after the other: what is asked of each of hundreds, by as little as tells it.

use crate::health::{Health, HealthFile};
use crate::pod::{Entry, read_in};
use crate::record::SupervisorRecord;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use std::path::Path;
use tare_error::{Context, Result};

/// The folder with the folders of all pods, held open: each of their files is a short way from there.
#[derive(Debug)]
pub struct PodDirs(OwnedFd);

impl PodDirs {
    /// Opens it; none where there is none yet.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &Path) -> Result<Option<PodDirs>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
            Err(Errno::NOENT) => Ok(None),
            folder => Ok(Some(PodDirs(folder.op("open", path.display())?))),
        }
    }

    /// Whether the container of this folder has a supervisor that it shares with no other, and that lives. False for one
    /// that shares it, or whose supervisor is older than such a word: of those [`PodDir`](crate::PodDir) tells.
    ///
    /// # Errors
    /// As [`PodDir::supervisor_alive`](crate::PodDir::supervisor_alive).
    pub fn has_own_supervisor(&self, name: &str) -> Result<bool> {
        let path = Path::new(name).join(Entry::Supervisor.name());
        match read_in::<SupervisorRecord>(&self.0, &path)? {
            Some(record) if record.alone => record.stamp.runs(),
            _ => Ok(false),
        }
    }

    /// What is known of the health of the container of this folder, as by [`Health::in_folder`].
    ///
    /// # Errors
    /// As there.
    pub fn health(&self, name: &str) -> Result<Option<Health>> {
        let path = Path::new(name).join(Entry::Health.name());
        let file: Option<HealthFile> = read_in(&self.0, &path)?;
        Ok(file.map(|file| file.health))
    }
}
