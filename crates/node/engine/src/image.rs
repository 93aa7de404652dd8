//! Images: how they come in, are found, shown and removed.

mod archive;
mod import;
mod inspect;
mod load;
mod made;
mod pipeline;
mod progress;
mod pull;
mod remote;
mod remove;
mod source;

pub use inspect::Summary;
pub use load::{LoadOptions, LoadSource};
pub use made::CommitOptions;
pub use progress::{Event, PlannedLayer, Progress, Silent};
pub use pull::{PullOptions, Pulled};
pub use remove::Removed;

use crate::Engine;
use crate::records::images::{self, ImageRecord, Names};
use oci_spec::image::ImageConfiguration;
use tare_error::nearest;
use tare_error::{Error, Kind, Result};
use tare_registry::{Platform, Reference};
use tare_snapshot::ChainId;

/// An image on this node.
#[derive(Clone, Debug)]
pub struct Image {
    /// Digest of the configuration, `sha256:` and 64 digits.
    pub id: String,
    /// Digest of the manifest.
    pub manifest: String,
    /// The configuration: data of the image, never control data of ours.
    pub config: ImageConfiguration,
    /// Its layers, base first: what a top is prepared over.
    pub layers: Vec<ChainId>,
    /// Bytes of all layers, inflated.
    pub size: u64,
    /// Its familiar names.
    pub names: Vec<String>,
    /// Its familiar repositories with the digest they gave it out under.
    pub digests: Vec<String>,
}

impl Image {
    /// The first 12 digits of the id.
    pub fn short_id(&self) -> &str {
        self.id
            .split(':')
            .nth(1)
            .and_then(|hex| hex.get(..12))
            .unwrap_or(&self.id)
    }

    /// What the image says it runs on.
    pub fn platform(&self) -> Platform {
        let (os, architecture) = (
            self.config.os().to_string(),
            self.config.architecture().to_string(),
        );
        Platform::stated(&os, &architecture, self.config.variant().as_deref())
    }

    fn of_record(record: &ImageRecord, names: &Names) -> Result<Image> {
        let corrupt = |e| Error::new(Kind::Corrupt, "read image", &record.id).from_source(e);
        let size: i64 = record.layers.iter().map(|l| l.size).sum();
        let digests = names.digests.iter().map(|(repository, digest)| {
            let name = Reference::parse(repository).map_or_else(|_| repository.clone(), |r| r.repository());
            format!("{name}@{digest}")
        });
        Ok(Image {
            id: record.id.clone(),
            manifest: record.manifest.clone(),
            config: serde_json::from_slice(&record.config).map_err(corrupt)?,
            layers: record
                .layers
                .iter()
                .map(|l| l.chain.parse())
                .collect::<Result<_>>()?,
            size: u64::try_from(size).unwrap_or_default(),
            digests: digests.collect(),
            names: names.tags.iter().map(|name| familiar(name)).collect(),
        })
    }
}

/// A canonical name as people type it.
fn familiar(canonical: &str) -> String {
    Reference::parse(canonical).map_or_else(|_| canonical.to_owned(), |r| r.to_string())
}

/// Lower-case hexadecimal digits that may begin an id.
fn as_prefix(text: &str) -> Option<&str> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    let digits = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    ((1..=64).contains(&hex.len()) && hex.bytes().all(digits)).then_some(hex)
}

impl Engine {
    /// The image that a person means: a name, a name with digest, an id, or the unique beginning of one.
    ///
    /// # Errors
    /// `NotFound` with the nearest name that exists here; `Invalid` for a bad name or an ambiguous beginning.
    pub fn resolve_image(&self, typed: &str) -> Result<Image> {
        match self.lookup(typed)? {
            Some(id) => self
                .image(&id)?
                .ok_or_else(|| Error::new(Kind::NotFound, "find image", typed)),
            None => Err(self.no_image(typed)?),
        }
    }

    /// The image under a name, or `None`.
    ///
    /// # Errors
    /// The database's.
    pub fn find_image(&self, reference: &Reference) -> Result<Option<Image>> {
        let found = self
            .records()
            .read("find image", |tx| by_reference(tx, reference))?;
        found.map_or(Ok(None), |id| self.image(&id))
    }

    /// The image of this id, or `None`.
    pub(crate) fn image(&self, id: &str) -> Result<Option<Image>> {
        let found = self.records().read("read image", |tx| {
            let record = images::get(tx, id)?;
            record
                .map(|record| Ok((record, images::names_of(tx, id)?)))
                .transpose()
        })?;
        found
            .map(|(record, names)| Image::of_record(&record, &names))
            .transpose()
    }

    /// The id of the image that a person means.
    pub(crate) fn lookup(&self, typed: &str) -> Result<Option<String>> {
        let prefix = as_prefix(typed);
        let reference = match Reference::parse(typed) {
            Ok(reference) => Some(reference),
            // An id is no name; anything else is told what is wrong with it.
            Err(_) if prefix.is_some() => None,
            Err(e) => return Err(e),
        };
        self.records().read("find image", |tx| {
            if let Some(found) = reference
                .as_ref()
                .map(|r| by_reference(tx, r))
                .transpose()?
                .flatten()
            {
                return Ok(Some(found));
            }
            let Some(hex) = prefix else { return Ok(None) };
            let mut found = images::by_prefix(tx, hex)?;
            match found.len() {
                0 | 1 => Ok(found.pop()),
                _ => Err(Error::new(Kind::Invalid, "find image", typed)
                    .because("more than one image's id begins so")
                    .hint("type more digits")),
            }
        })
    }

    /// The error for an image that is not here, with the nearest name that is.
    pub(crate) fn no_image(&self, typed: &str) -> Result<Error> {
        let error = Error::new(Kind::NotFound, "find image", typed);
        Ok(match self.near_image(typed)? {
            Some(near) => error.hint(near),
            None => error.hint(format!(
                "tare pull {typed} fetches it; tare images lists what is here"
            )),
        })
    }

    /// What was perhaps meant by a name that leads to nothing here: a sentence that names an image that is here.
    ///
    /// # Errors
    /// The database's.
    pub fn near_image(&self, typed: &str) -> Result<Option<String>> {
        let names = self.records().read("list names", images::names)?;
        let here: Vec<Reference> = names.iter().filter_map(|n| Reference::parse(n).ok()).collect();
        let wanted = Reference::parse(typed).ok();
        let same = |r: &&Reference| wanted.as_ref().is_some_and(|w| w.repository() == r.repository());
        if let Some(other_tag) = here.iter().find(same) {
            return Ok(Some(format!("here is {other_tag}")));
        }
        // As a person types them: "busybx" is near to "busybox", whose tag is the usual one.
        let shown = |r: &Reference| match r.tag() {
            Some(tare_registry::DEFAULT_TAG) => r.repository(),
            _ => r.to_string(),
        };
        let shown: Vec<String> = here.iter().map(shown).collect();
        let near = nearest(typed, shown.iter().map(String::as_str));
        Ok(near.map(|near| format!("did you mean {near}? It is here")))
    }
}

/// The id of the image under a reference: by its digest where it has one.
fn by_reference(tx: &tare_database::sql::Transaction<'_>, reference: &Reference) -> Result<Option<String>> {
    let repository = format!("{}/{}", reference.domain(), reference.path());
    match (reference.digest(), reference.tag()) {
        (Some(digest), _) => images::by_digest(tx, &repository, digest.as_ref()),
        (None, tag) => images::by_name(
            tx,
            &format!("{repository}:{}", tag.unwrap_or(tare_registry::DEFAULT_TAG)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_begin_an_id_is_told_from_names() {
        let whole = "0123456789abcdef".repeat(4);
        for (typed, prefix) in [
            ("cafe", Some("cafe")),
            ("sha256:cafe", Some("cafe")),
            (whole.as_str(), Some(whole.as_str())),
            ("", None),
            ("sha256:", None),
            ("CAFE", None),
            ("busybox", None),
            ("*", None),
            (&format!("{whole}0"), None),
        ] {
            assert_eq!(as_prefix(typed), prefix, "{typed}");
        }
    }
}
