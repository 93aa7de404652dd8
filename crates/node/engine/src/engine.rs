//! One node's engine: the folders, the records and the stores, opened together.

use crate::config::Config;
use crate::container::Programs;
use crate::journal::Journal;
use crate::leftovers::Intent;
use crate::records::Records;
use std::path::PathBuf;
use tare_content::Store;
use tare_error::Result;
use tare_snapshot::{Flavour, Snapshots};
use tare_store::{Lock, Roots};

/// The engine: a library over state on disk that several processes may have open at once.
#[derive(Debug)]
pub struct Engine {
    roots: Roots,
    config: Config,
    programs: Programs,
    records: Records,
    content: Store,
    snapshots: Snapshots,
    journal: Journal,
}

impl Engine {
    /// Opens the state below `roots`, making what is missing, and clears away what killed commands left of images.
    ///
    /// The database is opened with the first question to it.
    ///
    /// # Errors
    /// `Denied` for folders of another user, else the file system's.
    pub fn open(roots: Roots, config: Config, programs: Programs) -> Result<Engine> {
        roots.prepare()?;
        let data = roots.data();
        let flavour = if config.rootless {
            Flavour::Rootless
        } else {
            Flavour::Privileged
        };
        let engine = Engine {
            records: Records::new(&data.join("tare.db")),
            content: Store::open(&data.join("content"))?,
            journal: Journal::new(
                data.join("journal"),
                roots.run().join("journal-gap"),
                config.forward.clone(),
                config.door.unwrap_or("library"),
            ),
            snapshots: Snapshots::open(&data.join("snapshots"), flavour)?,
            roots,
            config,
            programs,
        };
        engine.clear_leftovers()?;
        Ok(engine)
    }

    /// The folders.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// What the configuration says.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The programs that containers need besides their own.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The database.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// The blobs.
    pub fn content(&self) -> &Store {
        &self.content
    }

    /// The unpacked layers and the tops over them.
    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// What was done, and by whom.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Keeps every image as it is while held: to be held from resolving an image until a top lies over it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn hold_images(&self) -> Result<Lock> {
        Lock::shared(&self.images_lock())
    }

    /// Says on disk that something of images is about to be made or removed.
    pub(crate) fn intend(&self) -> Result<Intent> {
        Intent::begin(&self.intents())
    }

    pub(crate) fn images_lock(&self) -> PathBuf {
        self.roots.data().join("images.lock")
    }

    pub(crate) fn intents(&self) -> PathBuf {
        self.roots.data().join("intents")
    }
}
