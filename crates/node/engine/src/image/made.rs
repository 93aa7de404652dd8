//! Images made here: of an archive of files, or of a container.
//!
//! The layer lies in a file without a name, which goes with us; from there it comes in as any other image does: its blob, its
//! files flushed, then the record.

mod change;

use super::import::Import;
use super::progress::Silent;
use super::source::{Pieces, Source};
use super::{Image, familiar};
use crate::Engine;
use crate::journal::{Event, Subject};
use crate::records::images::Names;
use oci_spec::image::Descriptor;
use rustix::fs::{CWD, Mode, OFlags};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::SystemTime;
use tare_content::{Digest, Hasher};
use tare_error::{Context, Error, Kind, Result};
use tare_registry::{Bytes, Document, Platform, Reference, digest_of};

/// Bytes of a manifest that are read.
const MOST: u64 = 4 << 20;
/// Bytes of a piece.
const PIECE: usize = 128 << 10;

/// What an image that is made here is told to be.
#[derive(Clone, Debug, Default)]
pub struct CommitOptions {
    /// Its name.
    pub name: Option<Reference>,
    /// Who made it.
    pub author: Option<String>,
    /// What was done.
    pub message: Option<String>,
    /// Changes of its configuration, as lines of a Dockerfile.
    pub changes: Vec<String>,
    /// What it runs on; absent: this machine, or what the image runs on that it was made of.
    pub platform: Option<Platform>,
    /// Whether a container that runs stands still while it is packed.
    pub pause: bool,
}

/// A layer's archive, inflated, in a file without a name.
#[derive(Debug)]
pub(crate) struct Spooled {
    file: Arc<File>,
    digest: Digest,
    size: u64,
}

/// Counts and hashes what is written.
struct Counting {
    out: BufWriter<File>,
    hasher: Hasher,
    size: u64,
}

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

impl Engine {
    /// Makes an image of an archive of files, plain or compressed.
    ///
    /// # Errors
    /// `Corrupt` for what is no archive, `Exhausted` for a limit or a full disk, `Invalid` for a bad change.
    pub fn import_archive(&self, reader: &mut dyn Read, options: &CommitOptions) -> Result<Image> {
        let limits = self.config().layers.clone();
        let layer = self.spool(|out| tare_layer::inflate(reader, out, &limits).map(drop));
        let made = layer
            .map_err(|e| self.about_storage(e))
            .and_then(|layer| self.make_image(None, layer, options));
        let subject = Subject {
            kind: "image",
            id: made.as_ref().map(|image| image.id.clone()).unwrap_or_default(),
            name: options.name.as_ref().map(ToString::to_string).unwrap_or_default(),
            ..Subject::default()
        };
        self.note(&Event::new(subject, "import").came_to(&made));
        made
    }

    /// A layer's archive as it is written.
    pub(crate) fn spool(&self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Spooled> {
        let folder = self.roots().data();
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = rustix::fs::openat(CWD, folder, flags, Mode::RUSR | Mode::WUSR)
            .op("make a temporary file in", folder.display())?;
        let file = File::from(file);
        let same = file.try_clone().op("write in", folder.display())?;
        let mut out = Counting {
            out: BufWriter::with_capacity(1 << 20, same),
            hasher: Hasher::sha256(),
            size: 0,
        };
        write(&mut out)?;
        out.flush().op("write in", folder.display())?;
        Ok(Spooled {
            digest: out.hasher.finish()?,
            file: Arc::new(file),
            size: out.size,
        })
    }

    /// Makes an image of a layer, over those of another one where there is one; with that comes what is put over its
    /// configuration.
    pub(crate) fn make_image(
        &self,
        base: Option<(&Image, &Map<String, Value>)>,
        layer: Spooled,
        options: &CommitOptions,
    ) -> Result<Image> {
        let mut layers = match base {
            Some((base, _)) => self.layers_of(base)?,
            None => Vec::new(),
        };
        layers.push(json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer.digest, "size": layer.size,
        }));
        let config = self.configured(base, &layer.digest, options)?;
        let digest = digest_of(&config);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": config.len(),
            },
            "layers": layers,
        });
        let top = Document::parse(manifest.to_string().into_bytes(), None, "the new image")?;
        let names = Names {
            tags: options.name.iter().map(Reference::canonical).collect(),
            digests: Vec::new(),
        };
        let platform = match (&options.platform, base) {
            (Some(platform), _) => platform.clone(),
            (None, Some((base, _))) => base.platform(),
            (None, None) => Platform::host(),
        };
        let import = Import {
            engine: self,
            source: &Made { config, layer },
            platform: &platform,
            progress: &Silent,
            shown: options
                .name
                .as_ref()
                .map_or_else(|| digest.to_string(), |name| familiar(&name.canonical())),
        };
        let imported = self.bring_in(|| import.run(top, &names))?;
        self.image(&imported.id)?.ok_or_else(|| {
            Error::new(Kind::NotFound, "find image", &imported.id).because("it was just removed")
        })
    }

    /// How an image's manifest describes its layers.
    fn layers_of(&self, image: &Image) -> Result<Vec<Value>> {
        let corrupt =
            |why: &str| Error::new(Kind::Corrupt, "read manifest of", &image.id).because(why.to_owned());
        let digest: Digest = image.manifest.parse().map_err(|_| corrupt("it has none"))?;
        let blob = self
            .content()
            .blob(&digest)?
            .ok_or_else(|| corrupt("it is not here"))?;
        let mut text = Vec::new();
        blob.take(MOST)
            .read_to_end(&mut text)
            .op("read", &image.manifest)?;
        let manifest: Value = serde_json::from_slice(&text).map_err(|_| corrupt("it is malformed"))?;
        let layers = manifest.get("layers").and_then(Value::as_array).cloned();
        layers.ok_or_else(|| corrupt("it lists no layers"))
    }

    /// The configuration: the other image's, with what is put over it, one layer more, and the changes.
    fn configured(
        &self,
        base: Option<(&Image, &Map<String, Value>)>,
        layer: &Digest,
        options: &CommitOptions,
    ) -> Result<Vec<u8>> {
        let internal = |e| Error::new(Kind::Internal, "write", "the configuration").from_source(e);
        let mut whole = match base {
            Some((base, _)) => serde_json::to_value(&base.config).map_err(internal)?,
            None => {
                let platform = options.platform.clone().unwrap_or_else(Platform::host);
                json!({
                    "architecture": platform.architecture(), "os": platform.os(),
                    "rootfs": { "type": "layers", "diff_ids": [] },
                })
            }
        };
        let now = tare_logs::Moment::from(SystemTime::now()).to_string();
        whole["created"] = json!(now);
        if let Some(author) = &options.author {
            whole["author"] = json!(author);
        }
        let mut config = whole["config"].as_object().cloned().unwrap_or_default();
        if let Some((_, own)) = base {
            config.extend(own.clone());
        }
        for text in &options.changes {
            change::apply(&mut config, text)?;
        }
        whole["config"] = config.into();
        let by = match base {
            Some(_) => "tare commit",
            None => "tare import",
        };
        let step = json!({
            "created": now, "created_by": by,
            "author": options.author.clone().unwrap_or_default(), "comment": options.message.clone().unwrap_or_default(),
        });
        add(&mut whole["history"], step);
        add(&mut whole["rootfs"]["diff_ids"], json!(layer));
        serde_json::to_vec(&whole).map_err(internal)
    }
}

/// Adds to a list that may not be there.
fn add(list: &mut Value, one: Value) {
    match list {
        Value::Array(list) => list.push(one),
        none => *none = json!([one]),
    }
}

/// The parts of an image that is made here; what it has of another one is there.
struct Made {
    config: Vec<u8>,
    layer: Spooled,
}

impl Source for Made {
    fn document(&self, descriptor: &Descriptor) -> Result<Document> {
        Err(Error::new(Kind::Internal, "read", descriptor.digest()).because("a new image has one manifest"))
    }

    fn configuration(&self, _descriptor: &Descriptor) -> Result<Vec<u8>> {
        Ok(self.config.clone())
    }

    fn layer(&self, descriptor: &Descriptor) -> Result<Box<dyn Pieces>> {
        if *descriptor.digest() != self.layer.digest {
            return Err(Error::new(Kind::NotFound, "read layer", descriptor.digest())
                .because("a layer of the image that this one is made of is not here any more"));
        }
        Ok(Box::new(Parts {
            file: self.layer.file.clone(),
            at: 0,
        }))
    }
}

/// The layer, piece by piece.
struct Parts {
    file: Arc<File>,
    at: u64,
}

impl Pieces for Parts {
    fn next(&mut self) -> Result<Option<Bytes>> {
        let mut piece = vec![0; PIECE];
        let read = self.file.read_at(&mut piece, self.at).op("read", "the layer")?;
        piece.truncate(read);
        self.at += read as u64;
        Ok((read > 0).then(|| Bytes::from(piece)))
    }
}
