//! `load`: images from an archive, in docker's form or as an OCI image layout.

use super::archive::{Archive, Archived};
use super::import::Import;
use super::progress::Progress;
use crate::Engine;
use crate::image::Image;
use crate::journal::{Event, Subject};
use crate::records::images::Names;
use oci_spec::image::{Descriptor, ImageIndex};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;
use tare_error::{Error, Kind, Result};
use tare_registry::{DOCUMENT_LIMIT, Document, Platform, Reference, digest_of, select};

/// Bytes of an image's configuration.
pub(super) const CONFIG_LIMIT: u64 = 8 * 1024 * 1024;
/// Images in one archive.
const IMAGES_LIMIT: usize = 1000;
/// Where an image layout keeps the name of an image: containerd's and docker's, then OCI's (annotations.md).
const NAME_ANNOTATIONS: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// What to load from.
pub enum LoadSource<'a> {
    /// A tar archive, plain, gzip or zstd; read to its end.
    Archive(&'a mut dyn Read),
    /// A folder that is an OCI image layout, or docker's archive unpacked.
    Folder(&'a Path),
}

impl std::fmt::Debug for LoadSource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadSource::Archive(_) => f.write_str("Archive(..)"),
            LoadSource::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
        }
    }
}

/// How to load.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Which image of several of one name; absent means this machine's.
    pub platform: Option<Platform>,
    /// A name for an archive of one image, in place of those it carries.
    pub name: Option<Reference>,
}

/// One image of docker's `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// One image of an archive, ready to be imported.
struct Found {
    top: Document,
    names: Vec<Reference>,
}

impl Engine {
    /// Loads every image of an archive; nothing it says is trusted beyond its digests.
    ///
    /// # Errors
    /// `Corrupt` for what is no image archive or does not keep its digests, `NotFound` for another platform,
    /// `Exhausted` for a limit or a full disk. Images loaded before the error stay.
    pub fn load(
        &self,
        source: LoadSource<'_>,
        options: &LoadOptions,
        progress: &dyn Progress,
    ) -> Result<Vec<Image>> {
        let loaded = self.try_load(source, options, progress);
        let of = |id: String, name: String| Subject {
            kind: "image",
            id,
            name,
            ..Subject::default()
        };
        match &loaded {
            Ok(images) => images.iter().for_each(|image| {
                let name = image.names.first().cloned().unwrap_or_default();
                self.note(&Event::new(of(image.id.clone(), name), "load"));
            }),
            Err(_) => self.note(&Event::new(of(String::new(), String::new()), "load").came_to(&loaded)),
        }
        loaded
    }

    fn try_load(
        &self,
        source: LoadSource<'_>,
        options: &LoadOptions,
        progress: &dyn Progress,
    ) -> Result<Vec<Image>> {
        let archive = match source {
            LoadSource::Archive(reader) => Archive::spool(reader, self.roots().data(), &self.config().layers)
                .map_err(|e| self.about_storage(e))?,
            LoadSource::Folder(path) => Archive::folder(path)?,
        };
        let platform = options.platform.clone().unwrap_or_else(Platform::host);
        let mut source = Archived {
            archive: &archive,
            places: HashMap::new(),
        };
        let mut found = find(&mut source, &platform)?;
        if let Some(name) = &options.name {
            let [one] = found.as_mut_slice() else {
                return Err(
                    Error::new(Kind::Invalid, "load image", name).because("the archive has several images")
                );
            };
            one.names = vec![name.clone()];
        }
        let mut loaded = Vec::new();
        for Found { top, names } in found {
            let shown = names
                .first()
                .map_or_else(|| top.digest().to_string(), ToString::to_string);
            let tags = names
                .iter()
                .filter(|n| n.digest().is_none())
                .map(Reference::canonical)
                .collect();
            let names = Names {
                tags,
                digests: Vec::new(),
            };
            let import = Import {
                engine: self,
                source: &source,
                platform: &platform,
                progress,
                shown,
            };
            let imported = self.bring_in(|| import.run(top, &names))?;
            loaded.extend(self.image(&imported.id)?);
        }
        Ok(loaded)
    }
}

/// The images of an archive. Docker's list comes first: archives that have both name their images there.
fn find(source: &mut Archived<'_>, platform: &Platform) -> Result<Vec<Found>> {
    if let Some(list) = source.archive.small("manifest.json", DOCUMENT_LIMIT)? {
        return docker(source, &list);
    }
    if let Some(index) = source.archive.small("index.json", DOCUMENT_LIMIT)? {
        return layout(source, &index, platform);
    }
    if source.archive.member("repositories")?.is_some() {
        return Err(Error::new(Kind::Unsupported, "load image", "")
            .because("the archive is of a docker before 1.10")
            .hint("load and save it with a newer docker"));
    }
    Err(Error::new(Kind::Corrupt, "load image", "")
        .because("it is no image archive: neither manifest.json nor index.json is in it")
        .hint("tare load takes what docker save, podman save and skopeo write"))
}

/// Docker's form: a list of images, their configurations and layers being members under any names.
fn docker(source: &mut Archived<'_>, list: &[u8]) -> Result<Vec<Found>> {
    let saved: Vec<Saved> =
        serde_json::from_slice(list).map_err(|e| corrupt(format!("manifest.json: {e}")))?;
    if saved.len() > IMAGES_LIMIT {
        return Err(corrupt(format!("it lists {} images", saved.len())));
    }
    saved
        .into_iter()
        .map(|image| docker_image(source, &image))
        .collect()
}

fn docker_image(source: &mut Archived<'_>, saved: &Saved) -> Result<Found> {
    let config = source.archive.need_small(&saved.config, CONFIG_LIMIT)?;
    let mut layers = Vec::new();
    for name in saved.layers.iter().flatten() {
        let size = source.archive.need(name)?.size;
        let digest = source.archive.digest(name)?;
        source.places.insert(digest.to_string(), name.clone());
        layers
            .push(json!({ "mediaType": layer_type(source.archive, name)?, "digest": digest, "size": size }));
    }
    let digest = digest_of(&config);
    source.places.insert(digest.to_string(), saved.config.clone());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": config.len(),
        },
        "layers": layers,
    });
    let top = Document::parse(manifest.to_string().into_bytes(), None, "the archive")?;
    let tags = saved.repo_tags.iter().flatten();
    Ok(Found {
        top,
        names: tags.map(|t| Reference::parse(t)).collect::<Result<_>>()?,
    })
}

/// The media type of a layer, by its first bytes.
fn layer_type(archive: &Archive, name: &str) -> Result<&'static str> {
    let mut head = Vec::new();
    let mut reader = archive.need(name)?.reader.take(4);
    reader
        .read_to_end(&mut head)
        .map_err(|e| Error::os("read", name.escape_debug(), e))?;
    Ok(match head.as_slice() {
        [0x1f, 0x8b, ..] => "application/vnd.oci.image.layer.v1.tar+gzip",
        [0x28, 0xb5, 0x2f, 0xfd] => "application/vnd.oci.image.layer.v1.tar+zstd",
        _ => "application/vnd.oci.image.layer.v1.tar",
    })
}

/// An OCI image layout: entries of one name are one image for several platforms.
fn layout(source: &Archived<'_>, index: &[u8], platform: &Platform) -> Result<Vec<Found>> {
    use super::source::Source;
    let index: ImageIndex = serde_json::from_slice(index).map_err(|e| corrupt(format!("index.json: {e}")))?;
    let mut named: BTreeMap<Option<String>, Vec<Descriptor>> = BTreeMap::new();
    for entry in index.manifests() {
        named.entry(name_of(entry)).or_default().push(entry.clone());
    }
    if named.len() > IMAGES_LIMIT {
        return Err(corrupt(format!("it lists {} images", named.len())));
    }
    // By digest: two names of one image are one import.
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for (name, entries) in named {
        let mut of_name = index.clone();
        of_name.set_manifests(entries);
        let shown = name.as_deref().unwrap_or("the archive").to_owned();
        let entry = match of_name.manifests().as_slice() {
            [one] => one.clone(),
            _ => select(&of_name, platform, shown)?.clone(),
        };
        let top = source.document(&entry)?;
        let image = found.entry(top.digest().to_string()).or_insert(Found {
            top,
            names: Vec::new(),
        });
        image
            .names
            .extend(name.map(|n| Reference::parse(&n)).transpose()?);
    }
    Ok(found.into_values().collect())
}

/// The name an entry carries: a whole reference, or a bare name as umoci writes it. A bare tag names no image.
fn name_of(entry: &Descriptor) -> Option<String> {
    let annotations = entry.annotations().as_ref()?;
    let mut names = NAME_ANNOTATIONS.iter().filter_map(|key| annotations.get(*key));
    names
        .find(|text| text.contains(['/', ':']) || is_bare_name(text))
        .cloned()
}

/// Whether a text without a slash or colon is the name of an image, and no tag like `latest`, `1.36` or `v2`.
fn is_bare_name(text: &str) -> bool {
    let version = text.strip_prefix('v').unwrap_or(text);
    let tag = text == "latest" || version.starts_with(|c: char| c.is_ascii_digit());
    !tag && Reference::parse(text).is_ok()
}

fn corrupt(reason: String) -> Error {
    Error::new(Kind::Corrupt, "load image", "").because(reason)
}

#[cfg(test)]
mod tests {
    use super::is_bare_name;

    #[test]
    fn a_bare_tag_is_no_name() {
        for (text, name) in [
            ("busybox", true),
            ("debian-slim", true),
            ("vault", true),
            ("latest", false),
            ("1.36", false),
            ("v2", false),
            ("MyTag", false),
            ("", false),
        ] {
            assert_eq!(is_bare_name(text), name, "{text}");
        }
    }
}
