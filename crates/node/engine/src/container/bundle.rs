//! What lies in a container's folder from the beginning, and how that outlives a power cut.
//!
//! The files are written without waiting for the disk. Of a container that is to be there after a reboot they are in the database
//! too, in the commit by which it is recorded: one sync holds all of them, where a sync of its folder would wait for whatever
//! else is being written to that disk. After a boot what did not arrive is made again.

use super::draft::{Draft, init};
use super::place::make_folder;
use super::request::RunRequest;
use crate::Engine;
use crate::image::Image;
use crate::records::bundles::{self, KeptFile};
use crate::records::containers::ContainerRecord;
use std::path::Path;
use tare_database::sql::Transaction;
use tare_error::{Error, Kind, Result};
use tare_store::{Durability, Id};

/// The specification's name.
const SPEC: &str = "config.json";

/// The files of one container.
#[derive(Debug)]
pub(super) struct Bundle {
    files: Vec<KeptFile>,
}

impl Bundle {
    /// In the transaction by which the container is recorded.
    pub(super) fn keep(&self, tx: &Transaction<'_>, container: &str) -> Result<()> {
        self.files
            .iter()
            .try_for_each(|file| bundles::put(tx, container, file))
    }

    /// Into its folder.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        make_folder(folder)?;
        self.files.iter().try_for_each(|file| write(folder, file))
    }
}

impl Engine {
    /// What comes of a draft.
    pub(super) fn bundle(
        &self,
        id: &Id,
        request: &RunRequest,
        image: &Image,
        draft: &Draft,
    ) -> Result<Bundle> {
        let file = |name: &str, mode: u32, content: Vec<u8>| KeptFile {
            name: name.to_owned(),
            mode,
            content,
        };
        let mut files: Vec<KeptFile> = draft
            .files
            .iter()
            .map(|made| file(made.name, 0o644, made.content.clone()))
            .collect();
        // The program is ours, and need not be kept.
        files.extend(draft.init.then(|| file(init::FILE, 0o555, Vec::new())));
        let spec = serde_json::to_vec(&draft.spec(request.files.read_only))
            .map_err(|e| Error::new(Kind::Internal, "write", SPEC).from_source(e))?;
        files.push(file(SPEC, 0o600, spec));
        let health = self.health_of(request, image)?;
        let plan = self.health_plan(id.as_str(), &health, &draft.process)?;
        files.extend(plan.map(|plan| file(super::health::PLAN, 0o600, plan)));
        Ok(Bundle { files })
    }

    /// Makes again what a power cut took of containers that are to be there; one sentence for each where that fails.
    pub(super) fn restore_bundles(&self, records: &[ContainerRecord]) -> Vec<String> {
        let failed = records
            .iter()
            .filter_map(|record| Some((record, self.restore_bundle(record).err()?)));
        failed
            .map(|(record, error)| {
                let why = tare_error::Report::new(&error);
                format!("the files of container {} are not whole: {why}", record.name)
            })
            .collect()
    }

    fn restore_bundle(&self, record: &ContainerRecord) -> Result<()> {
        let files = self
            .records()
            .read("read bundle", |tx| bundles::all(tx, &record.id))?;
        if files.is_empty() {
            return Ok(());
        }
        self.restore_top(record)?;
        let folder = self.container_folder(&record.id);
        make_folder(&self.container_folders())?;
        make_folder(&folder)?;
        let mut lost = files.iter().filter(|file| is_lost(&folder, file));
        lost.try_for_each(|file| write(&folder, file))
    }

    /// A top whose folder did not arrive on the disk held nothing yet.
    fn restore_top(&self, record: &ContainerRecord) -> Result<()> {
        match self.snapshots().chain_of(&record.id) {
            Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Corrupt) => {}
            known => return known.map(drop),
        }
        let image = self.resolve_image(&record.image)?;
        let intent = self.intend()?;
        self.snapshots().remove(&record.id)?;
        self.snapshots().prepare(&record.id, &image.layers)?;
        drop(intent);
        Ok(())
    }
}

/// Whether a file is not there, or is empty where it was not, which is what a power cut leaves of one that was just written. What
/// was changed since is another matter: that was waited for.
fn is_lost(folder: &Path, file: &KeptFile) -> bool {
    let there = tare_store::read(folder.join(&file.name), bundles::LONGEST);
    match there {
        Err(_) => true,
        Ok(bytes) if file.name == SPEC => serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_err(),
        Ok(bytes) => bytes.is_empty() && (!file.content.is_empty() || file.name == init::FILE),
    }
}

fn write(folder: &Path, file: &KeptFile) -> Result<()> {
    let content = match file.name == init::FILE {
        true => tare_init::PROGRAM,
        false => &file.content,
    };
    tare_store::replace(&folder.join(&file.name), Durability::Volatile, file.mode, content)
}
