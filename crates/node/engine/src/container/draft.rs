//! From request, image and machine to the runtime specification: pure, by contributors called in one order.
//!
//! ```text
//! request  image  host  found ─▶ Input ─▶ contributor 1 ─▶ contributor 2 ─▶ … ─▶ Draft ─▶ Spec + files + warnings
//! ```
//!
//! What has to be looked up (files of the image, device numbers, mount sources) is looked up before, into
//! [`Found`]; no contributor touches the machine.

mod annotations;
mod capabilities;
mod devices;
mod hostname;
pub(super) mod init;
mod limits;
mod mounts;
mod namespaces;
mod paths;
mod process;
pub(super) mod resources;
mod seccomp;
mod security;
mod sysctls;
pub(super) mod user;

use super::facts::{Found, HostFacts, ImageFacts};
use super::request::RunRequest;
use std::collections::BTreeMap;
use std::path::Path;
use tare_error::Result;
use tare_spec_oci::{Linux, Mount, Process, Resources, Root, Spec};
use tare_store::Id;

/// Everything a contributor may look at.
#[derive(Debug)]
pub struct Input<'a> {
    /// The container's id.
    pub id: &'a Id,
    /// What was asked.
    pub request: &'a RunRequest,
    /// What the image says.
    pub image: &'a ImageFacts,
    /// What the machine is and allows.
    pub host: &'a HostFacts,
    /// What was looked up for this request.
    pub found: &'a Found,
    /// The container's folder, where the generated files will lie.
    pub folder: &'a Path,
}

/// The specification as it grows.
#[derive(Debug, Default)]
pub struct Draft {
    /// The process.
    pub process: Process,
    /// What is particular to Linux, but for its resources.
    pub linux: Linux,
    /// Limits and device rules.
    pub resources: Resources,
    /// Mounts in order.
    pub mounts: Vec<Mount>,
    /// The host name inside.
    pub hostname: Option<String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Capabilities granted, as a set of bits.
    pub granted: u64,
    /// Files to be written into the container's folder before the container is created.
    pub files: Vec<GeneratedFile>,
    /// Whether a first process of ours starts the one that was asked for.
    pub init: bool,
    /// What the person should know.
    pub warnings: Vec<Warning>,
}

/// A file of the container's folder that is bind-mounted into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Its name in the folder.
    pub name: &'static str,
    /// What it holds.
    pub content: Vec<u8>,
}

/// Something abnormal that was served all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// One sentence.
    pub text: String,
    /// Where set, it is told once per boot and not each time: about the machine, not about the request.
    pub once: Option<&'static str>,
}

/// One subject's part of the specification.
type Contributor = fn(&Input<'_>, &mut Draft) -> Result<()>;

/// Every contributor, in the order they are called; later ones may read what earlier ones wrote.
const CONTRIBUTORS: &[(&str, Contributor)] = &[
    ("namespaces", namespaces::contribute),
    ("user", user::contribute),
    ("process", process::contribute),
    ("capabilities", capabilities::contribute),
    ("system calls", seccomp::contribute),
    ("security options", security::contribute),
    ("masked paths", paths::contribute),
    ("hostname", hostname::contribute),
    ("mounts", mounts::contribute),
    ("init", init::contribute),
    ("devices", devices::contribute),
    ("resources", resources::contribute),
    ("process limits", limits::contribute),
    ("kernel parameters", sysctls::contribute),
    ("annotations", annotations::contribute),
];

impl Draft {
    /// Calls every contributor.
    ///
    /// # Errors
    /// The first contributor's, saying which part of the request it was about.
    pub fn compose(input: &Input<'_>) -> Result<Draft> {
        let mut draft = Draft::default();
        for (_, contribute) in CONTRIBUTORS {
            contribute(input, &mut draft)?;
        }
        Ok(draft)
    }

    /// The specification; its root is `rootfs` in the bundle.
    pub fn spec(&self, read_only: bool) -> Spec {
        Spec {
            oci_version: tare_spec_oci::VERSION.to_owned(),
            process: Some(match self.init {
                true => Process {
                    args: init::before(&self.process.args),
                    ..self.process.clone()
                },
                false => self.process.clone(),
            }),
            root: Some(Root {
                path: "rootfs".into(),
                readonly: read_only,
            }),
            hostname: self.hostname.clone(),
            mounts: self.mounts.clone(),
            annotations: self.annotations.clone(),
            linux: Some(Linux {
                resources: Some(self.resources.clone()),
                ..self.linux.clone()
            }),
            ..Spec::default()
        }
    }

    /// Adds a warning about this request.
    fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(Warning {
            text: text.into(),
            once: None,
        });
    }
}

/// Which contributor wrote what, for `--explain`-like output: the names in order.
pub fn contributors() -> impl Iterator<Item = &'static str> {
    CONTRIBUTORS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests;
