//! Images made by hand: layers in, an OCI layout or committed snapshots out.
#![allow(dead_code, reason = "several test programs share this file, each uses a part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tare_content::{Digest, Hasher};
use tare_snapshot::{ChainId, Limits, Snapshots};
use tare_spec_oci::Mount;

/// A private directory of its own, removed at the end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Scratch {
        let dir = std::env::temp_dir().join(format!("tare-snapshot-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn run(command: &mut Command) {
    let out = command.output().unwrap();
    let text = [out.stdout, out.stderr].concat();
    assert!(
        out.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&text)
    );
}

/// Runs an ignored test of this program in a mount namespace of its own.
pub(crate) fn in_private_namespace(test: &str) {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private"]).arg(program);
    run(command.args(["--exact", test, "--ignored", "--nocapture"]));
}

/// Makes the mounts by mount(8).
pub(crate) fn mount(mounts: &[Mount], at: &Path) {
    for mount in mounts {
        let mut command = Command::new("mount");
        if mount.kind.as_deref() != Some("bind") {
            command.arg("-t").arg(mount.kind.as_deref().unwrap());
        }
        command
            .arg("-o")
            .arg(mount.options.join(","))
            .arg(mount.source.as_deref().unwrap());
        run(command.arg(at));
    }
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::sha256();
    hasher.update(bytes);
    hasher.finish().unwrap()
}

/// Unpacks and commits plain layers, all at once, as a pull does.
pub(crate) fn commit_layers(snapshots: &Snapshots, layers: &[Vec<u8>]) -> Vec<ChainId> {
    let diffs: Vec<Digest> = layers.iter().map(|layer| digest(layer)).collect();
    let ids = ChainId::layers(&diffs).unwrap();
    let mut stages = snapshots.stage(&ids, &Limits::default(), |_| {}).unwrap();
    std::thread::scope(|scope| {
        for (n, staging) in stages.needed() {
            let layer = &layers[n];
            scope.spawn(move || staging.unpack(&layer[..]).unwrap().entries);
        }
    });
    stages.commit().unwrap();
    ids.into_iter().map(|id| id.chain).collect()
}

/// An OCI layout with one image, `test`, of uncompressed layers.
pub(crate) fn write_layout(dir: &Path, layers: &[Vec<u8>]) -> PathBuf {
    let layout = dir.join("layout");
    let _ = fs::remove_dir_all(&layout);
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    let put = |bytes: &[u8], kind: &str| {
        let digest = digest(bytes);
        fs::write(layout.join("blobs/sha256").join(digest.digest()), bytes).unwrap();
        let kind = format!("application/vnd.oci.image.{kind}");
        serde_json::json!({"mediaType": kind, "digest": digest.to_string(), "size": bytes.len()})
    };
    let diffs: Vec<String> = layers.iter().map(|layer| digest(layer).to_string()).collect();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diffs},
        "history": layers.iter().map(|_| serde_json::json!({"created_by": "test"})).collect::<Vec<_>>(),
    });
    let config = put(config.to_string().as_bytes(), "config.v1+json");
    let layers: Vec<_> = layers.iter().map(|layer| put(layer, "layer.v1.tar")).collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers,
    });
    let mut manifest = put(manifest.to_string().as_bytes(), "manifest.v1+json");
    manifest["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": "test"});
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
    layout
}
