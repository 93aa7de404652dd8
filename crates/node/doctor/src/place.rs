//! Where the probes look: folders, search path, who asks.

use crate::probe::words;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::thread::CapabilitySet;
use std::path::{Path, PathBuf};
use tare_store::{Id, Roots};

/// What a probe may know about its surroundings.
#[derive(Debug)]
pub struct Place {
    pub(crate) roots: Roots,
    search: Vec<PathBuf>,
    /// The kernel's release, as `uname -r` says it.
    pub(crate) release: String,
    pub(crate) is_root: bool,
    capabilities: CapabilitySet,
}

impl Place {
    /// The surroundings of this process.
    pub fn new(roots: &Roots, search_path: &str) -> Place {
        let search = search_path.split(':').chain(["/usr/sbin", "/sbin"]);
        let capabilities = rustix::thread::capabilities(None).map(|sets| sets.effective);
        Place {
            roots: roots.clone(),
            search: search
                .filter(|folder| folder.starts_with('/'))
                .map(PathBuf::from)
                .collect(),
            release: rustix::system::uname().release().to_string_lossy().into_owned(),
            is_root: rustix::process::geteuid().is_root(),
            capabilities: capabilities.unwrap_or(CapabilitySet::empty()),
        }
    }

    pub(crate) fn has(&self, capability: CapabilitySet) -> bool {
        self.capabilities.contains(capability)
    }

    /// Where a program lies in the search path.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        let found = self.search.iter().map(|folder| folder.join(name));
        found.into_iter().find(|path| path.is_file())
    }

    /// The folder itself, or the nearest one above that exists.
    pub(crate) fn nearest(path: &Path) -> &Path {
        path.ancestors()
            .find(|above| above.is_dir())
            .unwrap_or(Path::new("/"))
    }
}

/// An empty folder of our own beside the data, removed with its owner.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn below(folder: &Path) -> Result<Scratch, String> {
        let said = |why: String| format!("cannot make a folder in {}: {why}", folder.display());
        let id = Id::random().map_err(|e| said(e.to_string()))?;
        let path = folder.join(format!(".tare-doctor-{}", id.short()));
        rustix::fs::mkdirat(CWD, &path, Mode::RWXU).map_err(|e| said(words(e)))?;
        Ok(Scratch(path))
    }

    /// A folder in it.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.0.join(name);
        let made = std::fs::create_dir(&path);
        made.map(|()| path)
            .map_err(|e| format!("cannot make a folder: {e}"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn open(&self) -> Result<rustix::fd::OwnedFd, String> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(&self.0, flags, Mode::empty()).map_err(words)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nowhere to report it; the next probe uses another name. Not by tare-path, whose openat2 may be missing.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
