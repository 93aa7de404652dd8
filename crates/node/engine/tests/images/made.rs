//! Images made in memory, and a registry that serves them as told.

use crate::server::{Answer, Heard, Server};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;
use tare_registry::digest_of;

/// One layer: the blob as sent and the archive's own digest.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) blob: Vec<u8>,
    pub(crate) media: &'static str,
    pub(crate) diff_id: String,
}

/// A tar archive of regular files.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

pub(crate) fn plain(archive: Vec<u8>) -> Layer {
    Layer {
        diff_id: digest_of(&archive).to_string(),
        blob: archive,
        media: "application/vnd.oci.image.layer.v1.tar",
    }
}

pub(crate) fn gzip(archive: &[u8]) -> Layer {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(archive).unwrap();
    Layer {
        diff_id: digest_of(archive).to_string(),
        blob: out.finish().unwrap(),
        media: "application/vnd.oci.image.layer.v1.tar+gzip",
    }
}

pub(crate) fn zstd(archive: &[u8]) -> Layer {
    Layer {
        diff_id: digest_of(archive).to_string(),
        blob: zstd::encode_all(archive, 3).unwrap(),
        media: "application/vnd.oci.image.layer.v1.tar+zstd",
    }
}

/// Bytes that do not compress, the same for the same seed (xorshift).
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

/// What a registry serves: paths below `/v2/`, and what they answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Served(pub(crate) HashMap<String, Answer>);

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Served {
    fn blob(&mut self, name: &str, bytes: &[u8]) -> Value {
        let digest = digest_of(bytes).to_string();
        self.0.insert(format!("{name}/blobs/{digest}"), Answer::ok(bytes));
        json!({ "digest": digest, "size": bytes.len() })
    }

    /// Serves an image for `architecture` as `name:tag`; returns its manifest's descriptor.
    pub(crate) fn image(&mut self, name: &str, tag: &str, architecture: &str, layers: &[Layer]) -> Value {
        let diff_ids: Vec<&str> = layers.iter().map(|l| l.diff_id.as_str()).collect();
        let config = json!({
            "created": "2024-01-02T03:04:05Z",
            "architecture": architecture,
            "os": "linux",
            "config": { "Env": ["A=b"], "Cmd": ["/bin/true"], "Labels": { "x": "y" } },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let mut config = self.blob(name, config.to_string().as_bytes());
        config["mediaType"] = "application/vnd.oci.image.config.v1+json".into();
        let blobs: Vec<Value> = layers
            .iter()
            .map(|layer| {
                let mut descriptor = self.blob(name, &layer.blob);
                descriptor["mediaType"] = layer.media.into();
                descriptor
            })
            .collect();
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": blobs });
        let mut descriptor = self.document(name, tag, MANIFEST, &manifest);
        descriptor["platform"] = json!({ "os": "linux", "architecture": architecture });
        descriptor
    }

    /// Serves an index of these images as `name:tag`.
    pub(crate) fn index(&mut self, name: &str, tag: &str, manifests: &[Value]) {
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        self.document(name, tag, INDEX, &index);
    }

    fn document(&mut self, name: &str, tag: &str, media: &str, document: &Value) -> Value {
        let text = document.to_string();
        let digest = digest_of(text.as_bytes()).to_string();
        let answer = Answer::ok(text.clone()).header("content-type", media);
        self.0.insert(format!("{name}/manifests/{tag}"), answer.clone());
        self.0.insert(format!("{name}/manifests/{digest}"), answer);
        json!({ "mediaType": media, "digest": digest, "size": text.len() })
    }

    /// Changes what the blob of a layer answers.
    pub(crate) fn spoil(&mut self, layer: &Layer, change: impl Fn(&mut Answer)) {
        let digest = digest_of(&layer.blob).to_string();
        for (_, answer) in self.0.iter_mut().filter(|(path, _)| path.ends_with(&digest)) {
            change(answer);
        }
    }

    pub(crate) fn answer(&self, heard: &Heard) -> Answer {
        let path = heard.path.strip_prefix("/v2/").unwrap_or_default();
        self.0.get(path).cloned().unwrap_or_else(|| Answer {
            body: br#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#.to_vec(),
            ..Answer::status(404)
        })
    }

    pub(crate) fn start(self) -> Server {
        Server::start(move |heard| self.answer(heard))
    }
}

/// This machine's processor in the words of images.
pub(crate) fn here() -> &'static str {
    tare_engine::container::facts::architecture()
}

/// Three layers, one of each compression.
pub(crate) fn three_layers() -> Vec<Layer> {
    vec![
        gzip(&archive(&[("etc/base", b"base"), ("etc/gone", b"x")])),
        zstd(&archive(&[
            ("etc/.wh.gone", b""),
            ("data/big", &noise(7, 300_000)),
        ])),
        plain(archive(&[("etc/top", b"top")])),
    ]
}
