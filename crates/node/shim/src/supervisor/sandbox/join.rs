//! A container's specification, made to mean the pod.

use super::{Place, Sandbox, files};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result};
use tare_lifecycle::Bundle;
use tare_spec_oci::{Mount, NamespaceKind, Spec};
use tare_store::Durability;

/// The largest configuration that is read.
const LARGEST: usize = 16 << 20;

/// What a container gets of the pod's where its configuration has nothing at the place.
const FILES: [(&str, &str); 3] = [
    ("/etc/hostname", "hostname"),
    ("/etc/hosts", "hosts"),
    ("/etc/resolv.conf", "resolv.conf"),
];
const MEMORY: &str = "/dev/shm";

/// Writes into a bundle's configuration what was made of it, for a runtime that reads it there. All else stays as it was written.
pub(in crate::supervisor) fn rewrite(bundle: &Bundle) -> Result<()> {
    let path = bundle.path.join("config.json");
    let failed = |e| Error::new(Kind::Invalid, "rewrite", path.display()).from_source(e);
    let text = tare_store::read(&path, LARGEST).op("read", path.display())?;
    let mut config: Value = serde_json::from_slice(&text).map_err(failed)?;
    let namespaces = bundle.spec.linux.as_ref().map(|linux| &linux.namespaces);
    let parts = [
        ("/linux/namespaces", serde_json::to_value(namespaces)),
        ("/mounts", serde_json::to_value(&bundle.spec.mounts)),
    ];
    for (place, part) in parts {
        if let Some(old) = config.pointer_mut(place) {
            *old = part.map_err(failed)?;
        }
    }
    let text = serde_json::to_vec(&config).map_err(failed)?;
    tare_store::replace(&path, Durability::Volatile, 0o666, &text)
}

impl Sandbox {
    /// Replaces the namespaces of the process that stands for the sandbox by the sandbox's, and adds what is common to the pod.
    pub(in crate::supervisor) fn join(&self, spec: &mut Spec) {
        let own = PathBuf::from(format!("/proc/{}/ns", self.pid()));
        let namespaces = spec.linux.iter_mut().flat_map(|linux| &mut linux.namespaces);
        for namespace in namespaces {
            let stands_for_it = |path: &PathBuf| path.parent() == Some(own.as_path());
            if !namespace.path.as_ref().is_some_and(stands_for_it) {
                continue;
            }
            match self.namespace(namespace.kind) {
                Place::Pods(path) => namespace.path = Some(path),
                // Where this process is.
                Place::Hosts => {}
                // Whoever asks for the pod's, of which there is none, is not to get the host's.
                Place::Nowhere => namespace.path = None,
            }
        }
        self.add_files(spec);
    }

    fn add_files(&self, spec: &mut Spec) {
        let read_only = spec.root.as_ref().is_some_and(|root| root.readonly);
        for (at, name) in FILES {
            let has = spec.mounts.iter().any(|mount| mount.destination == Path::new(at));
            if !has {
                let source = self.folder.join(files::SHARED).join(name);
                spec.mounts.push(bind(at, source, read_only));
            }
        }
        let Place::Pods(ipc) = self.namespace(NamespaceKind::Ipc) else {
            return;
        };
        let mut namespaces = spec.linux.iter().flat_map(|linux| &linux.namespaces);
        if !namespaces.any(|one| one.path.as_ref() == Some(&ipc)) {
            return;
        }
        let memory = bind(MEMORY, self.folder.join(files::MEMORY), false);
        let mut mounts = spec.mounts.iter_mut();
        match mounts.find(|mount| mount.destination == Path::new(MEMORY)) {
            // The container's own, as every configuration has it.
            Some(mount) if mount.kind.as_deref() == Some("tmpfs") => *mount = memory,
            Some(_) => {}
            None => spec.mounts.push(memory),
        }
    }
}

fn bind(at: &str, source: PathBuf, read_only: bool) -> Mount {
    let access = if read_only { "ro" } else { "rw" };
    Mount {
        destination: PathBuf::from(at),
        kind: Some("bind".to_owned()),
        source: Some(source),
        options: ["rbind", "rprivate", access].map(str::to_owned).to_vec(),
        ..Mount::default()
    }
}
