//! The folder with all containers: one folder each, named by id.

use crate::container::Container;
use crate::id::ContainerId;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tare_error::{Context, Result};

/// Where containers are kept (`--root`).
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

impl Home {
    /// The folder at `path`, which need not exist yet.
    pub fn at(path: impl Into<PathBuf>) -> Home {
        Home(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
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
        let entries = match std::fs::read_dir(&self.0) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.op("list", self.0.display())?,
        };
        let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
        let mut ids: Vec<ContainerId> = names.filter_map(|name| ContainerId::parse(&name).ok()).collect();
        ids.sort();
        Ok(ids)
    }

    pub(crate) fn folder(&self, id: &ContainerId) -> PathBuf {
        self.0.join(id)
    }
}
