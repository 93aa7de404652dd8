//! The program as an OCI image layout (image-spec 1.1, `image-layout.md`) in one tar archive.

use crate::PROGRAM;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One tar block.
const BLOCK: usize = 512;

/// The image, ready to be loaded.
#[derive(Debug)]
pub struct Archive {
    /// The tar archive: `oci-layout`, `index.json` and three blobs.
    pub bytes: Vec<u8>,
    /// The digest of the image configuration, `sha256:` and 64 hexadecimal digits: the image's id.
    pub config_digest: String,
}

/// Makes the image for the machine this program was compiled for.
pub fn archive() -> Archive {
    let layer = layer();
    let layer_digest = digest(&layer);
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "Env": ["PATH=/"],
            "Entrypoint": ["/hello"],
            "WorkingDir": "/",
        },
        "rootfs": { "type": "layers", "diff_ids": [layer_digest] },
        "history": [{ "created_by": "tare: the embedded image" }],
    });
    let config = config.to_string().into_bytes();
    let config_digest = digest(&config);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [descriptor("application/vnd.oci.image.manifest.v1+json", &manifest)],
    });

    let mut tar = Tar::default();
    tar.file(
        "oci-layout",
        0o644,
        json!({ "imageLayoutVersion": "1.0.0" }).to_string().as_bytes(),
    );
    tar.file("index.json", 0o644, index.to_string().as_bytes());
    for blob in [&manifest, &config, &layer] {
        let name = digest(blob).replace("sha256:", "blobs/sha256/");
        tar.file(&name, 0o644, blob);
    }
    Archive {
        bytes: tar.finish(),
        config_digest,
    }
}

/// The one layer: `/hello`, and the directories that mounts are made on.
fn layer() -> Vec<u8> {
    let mut tar = Tar::default();
    for dir in ["dev/", "etc/", "proc/", "sys/"] {
        tar.entry(dir, 0o755, b'5', &[]);
    }
    tar.entry("tmp/", 0o1777, b'5', &[]);
    tar.file("hello", 0o755, PROGRAM);
    tar.finish()
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(blob), "size": blob.len() })
}

fn digest(blob: &[u8]) -> String {
    let hash = Sha256::digest(blob);
    hash.iter().fold(String::from("sha256:"), |mut text, byte| {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        text
    })
}

/// The machine's name in Go's words, which image documents use.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "riscv64" => "riscv64",
        other => other,
    }
}

/// A writer of ustar archives (POSIX.1-2001 `pax`): names of at most 100 bytes, owner root, time zero.
#[derive(Default)]
struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    fn file(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entry(name, mode, b'0', content);
    }

    fn entry(&mut self, name: &str, mode: u32, kind: u8, content: &[u8]) {
        debug_assert!(name.len() <= 100, "a name that needs no extension header");
        let mut header = [0u8; BLOCK];
        let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
        put(0, name.as_bytes());
        put(100, format!("{mode:07o}\0").as_bytes());
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{:011o}\0", content.len()).as_bytes());
        put(136, b"00000000000\0");
        put(148, b"        ");
        put(156, &[kind]);
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(content);
        let padded = self.bytes.len().next_multiple_of(BLOCK);
        self.bytes.resize(padded, 0);
    }

    /// Two empty blocks end an archive.
    fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }
}
