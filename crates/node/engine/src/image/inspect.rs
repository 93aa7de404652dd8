//! Images for people: the list, and one in full as docker shows it.

use super::Image;
use crate::Engine;
use crate::records::images;
use serde_json::{Value, json};
use tare_error::Result;

/// One line of the list of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Digest of the configuration.
    pub id: String,
    /// Familiar names; none for an image whose name has moved on.
    pub names: Vec<String>,
    /// When it was built (RFC 3339), as its configuration says.
    pub created: Option<String>,
    /// Bytes of all layers, inflated.
    pub size: u64,
}

impl Engine {
    /// All images, the last stored first.
    ///
    /// # Errors
    /// The database's.
    pub fn images(&self) -> Result<Vec<Summary>> {
        let records = self.records().read("list images", |tx| {
            let ids = images::ids(tx)?;
            let one = |id: String| -> Result<_> {
                let record = images::get(tx, &id)?;
                Ok(record.map(|record| Ok((record, images::names_of(tx, &id)?))))
            };
            let records: Vec<Option<Result<_>>> = ids.into_iter().map(one).collect::<Result<_>>()?;
            records.into_iter().flatten().collect::<Result<Vec<_>>>()
        })?;
        let summary = |(record, names): (images::ImageRecord, images::Names)| {
            let image = Image::of_record(&record, &names)?;
            Ok(Summary {
                created: image.config.created().clone(),
                id: image.id,
                names: image.names,
                size: image.size,
            })
        };
        records.into_iter().map(summary).collect()
    }

    /// One image in full, in the form of docker's `image inspect`.
    ///
    /// # Errors
    /// As [`Engine::resolve_image`].
    pub fn inspect_image(&self, typed: &str) -> Result<Value> {
        let image = self.resolve_image(typed)?;
        // Config as the image has it, with what docker has there and the specification does not.
        let raw = self
            .records()
            .read("read image", |tx| images::get(tx, &image.id))?
            .map(|r| r.config);
        let raw: Value = raw
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let digests: Vec<&String> = image.config.rootfs().diff_ids().iter().collect();
        Ok(json!({
            "Id": image.id,
            "RepoTags": image.names,
            "RepoDigests": image.digests,
            "Created": image.config.created(),
            "Author": image.config.author().clone().unwrap_or_default(),
            "Architecture": image.config.architecture().to_string(),
            "Variant": image.config.variant().clone().unwrap_or_default(),
            "Os": image.config.os().to_string(),
            "Size": image.size,
            "Config": raw.get("config").cloned().unwrap_or_default(),
            "RootFS": { "Type": "layers", "Layers": digests },
            "Descriptor": { "digest": image.manifest },
        }))
    }
}
