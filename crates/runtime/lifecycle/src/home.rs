//! The folder with all containers: one folder each, named by id.

use crate::container::Container;
use crate::id::ContainerId;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tare_error::{Context, Result};

/// Where containers are kept (`--root`).
#[derive(Clone, Debug)]
pub struct Home {
    path: PathBuf,
    /// The folder, where it is held open.
    held: Option<Arc<OwnedFd>>,
}

impl Home {
    /// The folder at `path`, which need not exist yet.
    pub fn at(path: impl Into<PathBuf>) -> Home {
        Home {
            path: path.into(),
            held: None,
        }
    }

    /// As [`Home::at`], with the folder held open where it is there: for who looks at many.
    pub fn held_at(path: impl Into<PathBuf>) -> Home {
        let path = path.into();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let held = rustix::fs::openat(CWD, &path, flags, Mode::empty());
        Home {
            held: held.ok().map(Arc::new),
            path,
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The container `id`.
    ///
    /// # Errors
    /// `NotFound` where there is none, `Corrupt` where its record cannot be read.
    pub fn container(&self, id: &ContainerId) -> Result<Container> {
        Container::open(self, id)
    }

    /// The ids of all containers, sorted.
    ///
    /// # Errors
    /// The kernel's.
    pub fn list(&self) -> Result<Vec<ContainerId>> {
        let entries = match std::fs::read_dir(&self.path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.op("list", self.path.display())?,
        };
        let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
        let mut ids: Vec<ContainerId> = names.filter_map(|name| ContainerId::parse(&name).ok()).collect();
        ids.sort();
        Ok(ids)
    }

    pub(crate) fn folder(&self, id: &ContainerId) -> PathBuf {
        self.path.join(id)
    }

    /// Reads a file of a container's folder, which is replaced as a whole.
    pub(crate) fn read(&self, id: &ContainerId, file: &str, most: usize) -> std::io::Result<Vec<u8>> {
        match &self.held {
            Some(folder) => tare_store::read_at_once_in(folder, Path::new(id.as_str()).join(file), most),
            None => tare_store::read_at_once(self.folder(id).join(file), most),
        }
    }
}
