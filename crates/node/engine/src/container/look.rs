//! What has to be looked up for a request: on the machine, and in the image by fd.

mod devices;
mod machine;
mod view;

pub use machine::host_facts;
pub use view::ImageView;

use super::facts::{FileKind, Found};
use super::request::{MountKind, RunRequest, SeccompChoice};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result};

/// The most that is read of a file that a person or an image brings.
const LONGEST: u64 = 4 << 20;

/// Looks everything up that the contributors will ask for.
///
/// # Errors
/// `NotFound` for a mount source or device, naming the missing part; `Invalid` for a device that is none; else the
/// kernel's.
pub fn look(request: &RunRequest, view: &ImageView) -> Result<Found> {
    let mut found = Found {
        passwd: view.read("/etc/passwd")?,
        group: view.read("/etc/group")?,
        hosts: of_machine("/etc/hosts"),
        resolv_conf: of_machine("/etc/resolv.conf"),
        devices: devices::find(request)?,
        ..Found::default()
    };
    found.sources = sources(request)?;
    for mount in &request.files.mounts {
        if let Some(kind) = view.kind(&mount.target)? {
            found.targets.insert(mount.target.clone(), kind);
        }
    }
    if let SeccompChoice::File(path) = &request.security.seccomp {
        found.seccomp_profile = bounded(path).op("read seccomp profile", path.display())?;
    }
    Ok(found)
}

/// What the sources of bind mounts are.
fn sources(request: &RunRequest) -> Result<BTreeMap<PathBuf, FileKind>> {
    let mut kinds = BTreeMap::new();
    for mount in &request.files.mounts {
        if let MountKind::Bind(source) = &mount.kind {
            let about = std::fs::metadata(&source.path).map_err(|e| missing(&source.path, e))?;
            let kind = if about.is_dir() {
                FileKind::Directory
            } else {
                FileKind::File
            };
            kinds.insert(source.path.clone(), kind);
        }
    }
    Ok(kinds)
}

/// A path that cannot be used as a source, with the part of it that is not there.
fn missing(path: &Path, e: std::io::Error) -> Error {
    if e.kind() != std::io::ErrorKind::NotFound {
        return Error::os("mount", path.display(), e);
    }
    let there = path
        .ancestors()
        .skip(1)
        .find(|p| p.exists())
        .unwrap_or(Path::new("/"));
    let gone = path
        .strip_prefix(there)
        .ok()
        .and_then(|rest| rest.components().next());
    let gone = gone.map_or_else(|| path.to_owned(), |first| there.join(first));
    Error::new(Kind::NotFound, "mount", path.display())
        .because(format!("there is no {}", gone.display()))
        .hint("tare makes no directory for a mount: make it first")
}

/// A file of the machine that every container gets a copy of; one that is not there is empty.
fn of_machine(path: &str) -> Vec<u8> {
    bounded(Path::new(path)).unwrap_or_default()
}

/// A file's content up to [`LONGEST`].
fn bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    std::fs::File::open(path)?
        .take(LONGEST)
        .read_to_end(&mut content)?;
    Ok(content)
}
