//! An engine in a scratch folder, and what must hold for it at any time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tare_engine::container::Programs;
use tare_engine::image::{Image, PullOptions, Pulled, Silent};
use tare_engine::records::images;
use tare_engine::{Config, Engine};
use tare_error::{Error, Report, Result};
use tare_kit::World;
use tare_registry::Reference;
use tare_store::Roots;

/// Folders for one engine; several engines may be opened in them.
#[derive(Clone, Debug)]
pub(crate) struct Bed {
    pub(crate) folder: PathBuf,
    pub(crate) config: Config,
}

impl Bed {
    pub(crate) fn new(world: &World) -> Bed {
        Bed::at(&world.folder("bed"))
    }

    pub(crate) fn at(folder: &Path) -> Bed {
        Bed {
            folder: folder.to_owned(),
            config: Config::default(),
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        self.open().unwrap()
    }

    pub(crate) fn open(&self) -> Result<Engine> {
        let at = |name: &str| self.folder.join(name);
        let roots = Roots::at(at("data"), at("run"), at("etc"));
        Engine::open(roots, self.config.clone(), Programs::default())
    }

    /// Where the files of one layer of an image are.
    pub(crate) fn layer(&self, image: &Image, layer: usize) -> PathBuf {
        let name = image.layers[layer].to_string().replace(':', "-");
        self.folder.join("data/snapshots").join(name).join("fs")
    }
}

pub(crate) fn pull(engine: &Engine, image: &str) -> Result<Pulled> {
    pull_with(engine, image, &PullOptions::default())
}

pub(crate) fn pull_with(engine: &Engine, image: &str, options: &PullOptions) -> Result<Pulled> {
    engine.pull(&Reference::parse(image).unwrap(), options, &Silent)
}

pub(crate) fn said(error: &Error) -> String {
    Report::new(error).with_hint().to_string()
}

/// Everything on disk is needed by a record, everything recorded is on disk, and nothing is half-made.
pub(crate) fn check_whole(bed: &Bed, engine: &Engine) {
    let read = |sql: fn(&tare_database::sql::Transaction<'_>) -> Result<Vec<String>>| -> BTreeSet<String> {
        engine.records().read("check", sql).unwrap().into_iter().collect()
    };
    let on_disk: BTreeSet<String> = engine
        .snapshots()
        .layers()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        on_disk,
        read(images::layers_in_use),
        "layers on disk and as recorded"
    );
    let blobs: BTreeSet<String> = engine
        .content()
        .list()
        .unwrap()
        .iter()
        .map(|(d, _)| d.to_string())
        .collect();
    assert_eq!(blobs, read(images::blobs_in_use), "blobs on disk and as recorded");
    let data = bed.folder.join("data");
    for folder in ["snapshots", "content/sha256", "content/sha512", "intents"] {
        for entry in std::fs::read_dir(data.join(folder)).into_iter().flatten() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            assert!(
                (!name.starts_with('.') || name == ".ground") && folder != "intents",
                "half-made: {}",
                entry.path().display()
            );
        }
    }
}

/// Nothing of any image is left, neither in records nor on disk.
pub(crate) fn check_empty(bed: &Bed, engine: &Engine) {
    check_whole(bed, engine);
    assert_eq!(engine.images().unwrap(), []);
    assert_eq!(engine.content().list().unwrap(), []);
}
