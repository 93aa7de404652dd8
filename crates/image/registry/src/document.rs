//! Manifests and indexes as they come from outside: one document, one meaning.

use crate::reference::parse_digest;
use oci_spec::image::{Descriptor, Digest, ImageIndex, ImageManifest};
use sha2::{Digest as _, Sha256};
use std::fmt;
use tare_error::{Error, Kind, Result};

/// Bytes in a manifest or index (OCI distribution-spec 1.1: "at least 4 megabytes").
pub const DOCUMENT_LIMIT: u64 = 4 * 1024 * 1024;
/// Layers of one image: overlayfs takes 500 lower folders (fs/overlayfs/params.h, Linux 6.5).
pub const LAYERS_LIMIT: usize = 500;

/// Media types of an index, OCI's and docker's.
const INDEX: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
/// Media types of a manifest, OCI's and docker's.
const MANIFEST: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// Media types of docker's schema 1, signed or not, begin so.
const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+";
/// Media types of an image's configuration.
const CONFIG: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
/// Media types of a layer that is a tar file, without the compression.
const LAYER: [&str; 3] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.",
];

/// What a client asks for (`Accept`).
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// A manifest or an index, with the exact bytes it was read from.
#[derive(Clone, Debug)]
pub struct Document {
    bytes: Vec<u8>,
    digest: Digest,
    media_type: String,
    content: Content,
}

/// What a document turned out to be.
#[derive(Clone, Debug)]
pub enum Content {
    /// A list of images, one for each platform.
    Index(Box<ImageIndex>),
    /// One image.
    Manifest(Box<ImageManifest>),
}

impl Document {
    /// Reads a document that was announced as `media_type` (a descriptor's, or a `Content-Type`).
    ///
    /// Announcement, the document's own `mediaType` and its fields must agree, so that one digest cannot mean
    /// two things (CVE-2021-41190).
    ///
    /// # Errors
    /// `Corrupt` for a malformed or ambiguous document; `Unsupported` for docker's schema 1 and for what is no
    /// container image.
    pub fn parse(bytes: Vec<u8>, media_type: Option<&str>, subject: impl fmt::Display) -> Result<Document> {
        let corrupt =
            |reason: String| Error::new(Kind::Corrupt, "read manifest of", &subject).because(reason);
        if bytes.len() as u64 > DOCUMENT_LIMIT {
            return Err(corrupt(format!("it is longer than {DOCUMENT_LIMIT} bytes")));
        }
        let probe: Probe =
            serde_json::from_slice(&bytes).map_err(|e| corrupt(format!("it is no manifest: {e}")))?;
        if probe.schema_version == 1 || media_type.is_some_and(|m| m.starts_with(SCHEMA_1)) {
            return Err(Error::new(Kind::Unsupported, "read manifest of", &subject)
                .because("it is in docker's old schema 1")
                .hint("build or copy the image anew; docker itself dropped this form"));
        }
        if probe.schema_version != 2 {
            return Err(corrupt(format!(
                "its schema version is {}, not 2",
                probe.schema_version
            )));
        }
        let announced = media_type.map(bare).filter(|m| known(m)).map(str::to_owned);
        let media_type = match (announced, probe.media_type) {
            (Some(a), Some(own)) if a != own => {
                return Err(corrupt(format!(
                    "announced as {a}, it says it is {}",
                    own.escape_debug()
                )));
            }
            (Some(t), _) | (None, Some(t)) => t,
            // OCI allows leaving it out; then the fields decide, and only one reading may be possible.
            (None, None) if probe.manifests.is_some() => INDEX[0].to_owned(),
            (None, None) => MANIFEST[0].to_owned(),
        };
        let image = probe.config.is_some() || probe.layers.is_some() || probe.fs_layers.is_some();
        if probe.manifests.is_some() && image {
            return Err(corrupt("it is a manifest and an index at once".into()));
        }
        let content = if INDEX.contains(&media_type.as_str()) {
            let index =
                serde_json::from_slice(&bytes).map_err(|e| corrupt(format!("it is no index: {e}")))?;
            Content::Index(Box::new(index))
        } else if MANIFEST.contains(&media_type.as_str()) {
            let manifest =
                serde_json::from_slice(&bytes).map_err(|e| corrupt(format!("it is no manifest: {e}")))?;
            check_manifest(&manifest, &subject)?;
            Content::Manifest(Box::new(manifest))
        } else {
            return Err(
                Error::new(Kind::Unsupported, "read manifest of", &subject).because(format!(
                    "its type {} is none of an image",
                    media_type.escape_debug()
                )),
            );
        };
        Ok(Document {
            digest: digest_of(&bytes),
            bytes,
            media_type,
            content,
        })
    }

    /// As [`Document::parse`], for a document that must have the digest and length of `descriptor`.
    ///
    /// # Errors
    /// As [`Document::parse`], and `Corrupt` where the bytes are others.
    pub fn parse_described(
        bytes: Vec<u8>,
        descriptor: &Descriptor,
        subject: impl fmt::Display,
    ) -> Result<Document> {
        check_digest(&bytes, descriptor.digest(), &subject)?;
        if bytes.len() as u64 != descriptor.size() {
            return Err(
                Error::new(Kind::Corrupt, "read manifest of", subject).because(format!(
                    "it has {} bytes, {} were promised",
                    bytes.len(),
                    descriptor.size()
                )),
            );
        }
        Document::parse(bytes, Some(descriptor.media_type().as_ref()), subject)
    }

    /// The exact bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Their SHA-256.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What the document is, without parameters.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The parsed content.
    pub fn content(&self) -> &Content {
        &self.content
    }
}

/// The fields that tell one form from another; serde refuses a field that comes twice.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    schema_version: u64,
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    fs_layers: Option<serde::de::IgnoredAny>,
}

/// A media type without its parameters.
fn bare(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

fn known(media_type: &str) -> bool {
    INDEX.contains(&media_type) || MANIFEST.contains(&media_type)
}

/// A manifest must be an image's: a configuration and tar layers, of digests we can check.
fn check_manifest(manifest: &ImageManifest, subject: &impl fmt::Display) -> Result<()> {
    let unsupported =
        |reason: String| Error::new(Kind::Unsupported, "read manifest of", subject).because(reason);
    let config = manifest.config().media_type().as_ref();
    if !CONFIG.contains(&config) {
        let reason = format!(
            "it is no container image: its configuration is {}",
            config.escape_debug()
        );
        return Err(unsupported(reason));
    }
    let layers = manifest.layers();
    if layers.len() > LAYERS_LIMIT {
        return Err(unsupported(format!(
            "it has {} layers, at most {LAYERS_LIMIT} can be used",
            layers.len()
        )));
    }
    for layer in layers {
        let media = layer.media_type().as_ref();
        if !LAYER.iter().any(|prefix| media.starts_with(prefix)) {
            return Err(unsupported(format!(
                "a layer is {}, not a tar file",
                media.escape_debug()
            )));
        }
        if media.ends_with("+encrypted") {
            return Err(unsupported("a layer is encrypted".into()));
        }
    }
    for descriptor in layers.iter().chain([manifest.config()]) {
        parse_digest(descriptor.digest().as_ref())
            .map_err(|reason| Error::new(Kind::Corrupt, "read manifest of", subject).because(reason))?;
    }
    Ok(())
}

/// The SHA-256 of `bytes`.
#[expect(clippy::unwrap_used, reason = "64 lower-case hexadecimal digits are a digest")]
pub fn digest_of(bytes: &[u8]) -> Digest {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|b| format!("{b:02x}")).collect();
    Digest::try_from(format!("sha256:{hex}")).unwrap()
}

/// Bytes must have the digest they were asked by.
pub(crate) fn check_digest(bytes: &[u8], wanted: &Digest, subject: &impl fmt::Display) -> Result<()> {
    let got = digest_of(bytes);
    if got == *wanted {
        return Ok(());
    }
    Err(Error::new(Kind::Corrupt, "check digest of", subject)
        .because(format!("asked for {wanted}, the registry sent {got}"))
        .hint("the registry or something on the way to it changes data; do not use this image"))
}

#[cfg(test)]
mod tests;
