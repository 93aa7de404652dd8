//! What a killed command leaves of images, and how the next one clears it away.
//!
//! ```text
//! <data>/intents/<id>   locked while its command lives; empty
//! <data>/images.lock    shared: images are being made or used; exclusive: what nothing needs is being removed
//! ```
//! A command that makes or removes content writes an intent first. The next command finds an intent that nobody
//! holds and collects: tops and folders of containers without a record, layers no image and no top needs, blobs no image needs,
//! staging folders, partial blobs.
//! Where no intent is dead, a command pays one directory listing.

use crate::Engine;
use crate::records::images;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tare_error::{Context, Error, Kind, Result};
use tare_store::{Id, Lock};

/// A command's announcement; dropped, it is taken back.
#[derive(Debug)]
pub(crate) struct Intent {
    path: PathBuf,
    _lock: Lock,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Layers.
    pub layers: usize,
    /// Blobs.
    pub blobs: usize,
    /// Bytes of those blobs.
    pub bytes: u64,
}

impl Intent {
    pub(crate) fn begin(dir: &Path) -> Result<Intent> {
        match std::fs::create_dir(dir) {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Error::os("make folder", dir.display(), e));
            }
            _ => {}
        }
        let path = dir.join(Id::random()?.short());
        Ok(Intent {
            _lock: Lock::exclusive(&path)?,
            path,
        })
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        // One that stays costs the next command a needless collection.
        std::fs::remove_file(&self.path).ok();
    }
}

impl Engine {
    /// Collects where a command died in the middle of its work.
    pub(crate) fn clear_leftovers(&self) -> Result<()> {
        let dir = self.intents();
        let entries = match std::fs::read_dir(&dir) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries.op("read folder", dir.display())?,
        };
        let mut dead = Vec::new();
        for entry in entries {
            let path = entry.op("read folder", dir.display())?.path();
            if let Some(lock) = Lock::try_exclusive(&path)? {
                dead.push((path, lock));
            }
        }
        if dead.is_empty() {
            return Ok(());
        }
        self.records().settle("clear away")?;
        if self.collect()?.is_none() {
            return Ok(());
        }
        for (path, _lock) in dead {
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::os("remove", path.display(), e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes what no image and no container needs; `None` where images are being made or used just now.
    ///
    /// # Errors
    /// The first error of the stores or the records; what was removed by then stays removed.
    pub fn collect(&self) -> Result<Option<Collected>> {
        let Some(_alone) = Lock::try_exclusive(&self.images_lock())? else {
            return Ok(None);
        };
        // Tops first: they hold layers.
        self.sweep_containers()?;
        self.sweep_volumes()?;
        let (layers, blobs) = self.records().read("find what is in use", |tx| {
            Ok((images::layers_in_use(tx)?, images::blobs_in_use(tx)?))
        })?;
        let mut layers: HashSet<String> = layers.into_iter().collect();
        for top in self.snapshots().tops()? {
            match self.snapshots().chain_of(&top) {
                // Its container is being removed just now.
                Err(e) if e.kind() == Kind::NotFound => {}
                chain => layers.extend(chain?.iter().map(ToString::to_string)),
            }
        }
        let blobs: HashSet<String> = blobs.into_iter().collect();
        let mut collected = Collected::default();
        for chain in self.snapshots().layers()? {
            if !layers.contains(&chain.to_string()) {
                self.snapshots().remove_layer(&chain)?;
                collected.layers += 1;
            }
        }
        for (digest, size) in self.content().list()? {
            if !blobs.contains(digest.as_ref()) {
                self.content().remove(&digest)?;
                collected.blobs += 1;
                collected.bytes += size;
            }
        }
        self.snapshots().sweep()?;
        // Nothing resumes a partial blob yet, so none is worth keeping.
        self.content().sweep(Duration::ZERO)?;
        Ok(Some(collected))
    }
}
