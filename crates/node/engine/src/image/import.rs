//! From a document to an image on this node: platform, configuration, layers, records; whatever the source.

use super::pipeline::{self, Job, Works};
use super::progress::{Event, PlannedLayer, Progress};
use super::source::Source;
use crate::Engine;
use crate::records::images::{self, ImageRecord, LayerRecord, Names, Stored};
use crate::records::seconds;
use oci_spec::image::{Descriptor, Digest, ImageConfiguration, ImageManifest};
use std::collections::HashMap;
use std::time::SystemTime;
use tare_error::{Error, Kind, Result, While};
use tare_registry::{Content, Document, Platform, no_platform, select};
use tare_snapshot::{ChainId, LayerId};

/// Indexes inside indexes that are followed.
const NESTING: usize = 3;

/// One image on its way in.
pub(crate) struct Import<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) source: &'a dyn Source,
    pub(crate) platform: &'a Platform,
    pub(crate) progress: &'a dyn Progress,
    /// What the person calls it, for messages.
    pub(crate) shown: String,
}

/// An image's documents, read and checked, before any layer is fetched.
struct Plan {
    /// The indexes on the way and the manifest.
    documents: Vec<Document>,
    manifest: ImageManifest,
    config: Vec<u8>,
    layers: Vec<LayerId>,
}

/// An image that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Imported {
    pub(crate) id: String,
    /// Whether any layer had to be made.
    pub(crate) fresh: bool,
}

impl Import<'_> {
    /// Brings in the image that `top` describes and records it under `names`. Nothing of it is recorded before all
    /// of it is on disk.
    ///
    /// # Errors
    /// `NotFound` for another platform, `Corrupt`, `Exhausted`, those of the source and the stores.
    pub(crate) fn run(&self, top: Document, names: &Names) -> Result<Imported> {
        let plan = self.plan(top)?;
        let (fresh, sizes) = self.layers(&plan).during("unpack image", &self.shown)?;
        tare_failpoint::pass("image-unpacked")?;
        let id = plan.manifest.config().digest().to_string();
        let stored = self.stored(&plan)?;
        let chains = plan.layers.iter().zip(sizes);
        let record = ImageRecord {
            id: id.clone(),
            manifest: plan
                .documents
                .last()
                .map(|d| d.digest().to_string())
                .unwrap_or_default(),
            config: plan.config,
            added: seconds(SystemTime::now()),
            layers: chains
                .map(|(l, size)| LayerRecord {
                    chain: l.chain.to_string(),
                    size,
                })
                .collect(),
        };
        self.engine
            .records()
            .write("record image", |tx| images::put(tx, &record, &stored, names))?;
        tare_failpoint::pass("image-recorded")?;
        Ok(Imported { id, fresh })
    }

    /// Reads down to one manifest and its configuration.
    fn plan(&self, top: Document) -> Result<Plan> {
        let mut documents = vec![top];
        let manifest = loop {
            let Some(last) = documents.last() else {
                return Err(self.corrupt("it has no manifest".into()));
            };
            match last.content() {
                Content::Manifest(manifest) => break (**manifest).clone(),
                Content::Index(index) => {
                    if documents.len() > NESTING {
                        return Err(self.corrupt("its indexes are nested too deep".into()));
                    }
                    let entry = select(index, self.platform, &self.shown)?.clone();
                    documents.push(self.source.document(&entry)?);
                }
            }
        };
        let config = self.source.configuration(manifest.config())?;
        let layers = self.configuration(&config, &manifest)?;
        Ok(Plan {
            documents,
            manifest,
            config,
            layers,
        })
    }

    /// Checks the configuration against the manifest and the wanted platform; returns the layers it lists.
    fn configuration(&self, config: &[u8], manifest: &ImageManifest) -> Result<Vec<LayerId>> {
        let parsed: ImageConfiguration = serde_json::from_slice(config)
            .map_err(|e| self.corrupt(format!("its configuration is malformed: {e}")))?;
        let (os, architecture) = (parsed.os().to_string(), parsed.architecture().to_string());
        let stated = Platform::stated(&os, &architecture, parsed.variant().as_deref());
        if !self.platform.accepts(&stated) {
            return Err(no_platform(self.platform, &[stated.to_string()], &self.shown));
        }
        let ids: Vec<Digest> = parsed
            .rootfs()
            .diff_ids()
            .iter()
            .map(|text| {
                text.parse()
                    .map_err(|_| self.corrupt(format!("{} is no diff id", text.escape_debug())))
            })
            .collect::<Result<_>>()?;
        if ids.len() != manifest.layers().len() {
            return Err(self.corrupt(format!(
                "its manifest has {} layers, its configuration {}",
                manifest.layers().len(),
                ids.len()
            )));
        }
        ChainId::layers(&ids)
    }

    /// Makes the layers that are missing and flushes everything; returns whether any was, and the inflated sizes.
    fn layers(&self, plan: &Plan) -> Result<(bool, Vec<i64>)> {
        let engine = self.engine;
        let blobs: Vec<&Descriptor> = plan.manifest.layers().iter().collect();
        let planned = |(blob, layer): (&&Descriptor, &LayerId)| -> Result<PlannedLayer> {
            let present = engine.snapshots().has(&layer.chain)?;
            Ok(PlannedLayer {
                digest: blob.digest().clone(),
                size: blob.size(),
                present,
            })
        };
        let planned: Vec<PlannedLayer> = blobs
            .iter()
            .zip(&plan.layers)
            .map(planned)
            .collect::<Result<_>>()?;
        self.progress.event(&Event::Planned { layers: &planned });
        let limits = &engine.config().layers;
        let place: HashMap<&str, usize> = plan
            .layers
            .iter()
            .enumerate()
            .map(|(n, l)| (l.chain.digest().as_ref(), n))
            .collect();
        let mut stages = engine.snapshots().stage(&plan.layers, limits, |layer| {
            let layer = place
                .get(layer.chain.digest().as_ref())
                .copied()
                .unwrap_or_default();
            self.progress.event(&Event::Waiting { layer });
        })?;
        let jobs: Vec<Job<'_>> = stages
            .needed()
            .filter_map(|(n, staging)| {
                Some(Job {
                    layer: n,
                    descriptor: (*blobs.get(n)?).clone(),
                    staging,
                })
            })
            .collect();
        let fresh = !jobs.is_empty();
        let works = Works {
            source: self.source,
            content: engine.content(),
            progress: self.progress,
        };
        let mut verified = pipeline::run(&works, jobs)?;
        self.progress.event(&Event::Storing);
        let mut sizes = vec![None; plan.layers.len()];
        for (n, staging) in stages.needed() {
            if let (Some(size), Some(unpacked)) = (sizes.get_mut(n), staging.unpacked()) {
                *size = i64::try_from(unpacked.size).ok();
            }
        }
        for document in &plan.documents {
            self.take_in(&mut verified, document.digest(), document.bytes())?;
        }
        self.take_in(&mut verified, plan.manifest.config().digest(), &plan.config)?;
        if !verified.is_empty() {
            engine.content().publish(verified)?;
        }
        stages.commit()?;
        Ok((fresh, self.known_sizes(&plan.layers, &sizes)?))
    }

    /// Which of the image's blobs are in the store by now.
    fn stored(&self, plan: &Plan) -> Result<Stored> {
        let mut stored = Stored {
            blobs: vec![plan.manifest.config().digest().to_string()],
            complete: true,
        };
        stored
            .blobs
            .extend(plan.documents.iter().map(|d| d.digest().to_string()));
        for layer in plan.manifest.layers() {
            match self.engine.content().blob(layer.digest())? {
                Some(_) => stored.blobs.push(layer.digest().to_string()),
                None => stored.complete = false,
            }
        }
        Ok(stored)
    }

    /// Adds a blob that is in memory to those that wait for their names.
    fn take_in(
        &self,
        verified: &mut Vec<tare_content::Verified>,
        digest: &Digest,
        bytes: &[u8],
    ) -> Result<()> {
        use std::io::Write;
        use tare_content::Ingestion;
        use tare_error::Context;
        if let Ingestion::Absent(mut ingest) =
            self.engine.content().ingest(digest, Some(bytes.len() as u64))?
        {
            ingest.write_all(bytes).op("write blob", digest)?;
            verified.push(ingest.verify()?);
        }
        Ok(())
    }

    /// Sizes of new layers as measured, of others as recorded with the image that brought them.
    fn known_sizes(&self, layers: &[LayerId], measured: &[Option<i64>]) -> Result<Vec<i64>> {
        if let Some(all) = measured.iter().copied().collect::<Option<Vec<i64>>>() {
            return Ok(all);
        }
        self.engine.records().read("read layer sizes", |tx| {
            let size = |(layer, known): (&LayerId, &Option<i64>)| match known {
                Some(size) => Ok(*size),
                None => Ok(images::layer_size(tx, layer.chain.digest().as_ref())?.unwrap_or_default()),
            };
            layers.iter().zip(measured).map(size).collect()
        })
    }

    fn corrupt(&self, reason: String) -> Error {
        Error::new(Kind::Corrupt, "read image", &self.shown).because(reason)
    }
}
