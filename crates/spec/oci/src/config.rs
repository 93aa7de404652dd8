//! The top of `config.json`: root, mounts, hooks and what belongs to every platform (spec: `config.md`).

use crate::{IdMapping, Linux, Process};
use std::collections::BTreeMap;
use std::path::PathBuf;

document! {
    /// A container's configuration: the whole of `config.json`.
    pub struct Spec {
        must {
            /// The version of the specification the document follows.
            pub oci_version: String,
        }
        maybe {
            /// What runs; needed at start.
            pub process: Option<Process>,
            /// The container's root file system.
            pub root: Option<Root>,
            /// The host name inside; needs a uts namespace.
            pub hostname: Option<String>,
            /// The NIS domain name inside; needs a uts namespace.
            pub domainname: Option<String>,
            /// Mounts below the root, made in this order.
            pub mounts: Vec<Mount>,
            /// Programs run at points of the container's life.
            pub hooks: Option<Hooks>,
            /// Free metadata.
            pub annotations: BTreeMap<String, String>,
            /// What is particular to Linux.
            pub linux: Option<Linux>,
        }
    }
}

document! {
    /// The root file system.
    pub struct Root {
        must {
            /// Absolute, or relative to the bundle.
            pub path: PathBuf,
        }
        maybe {
            /// Whether the root is read-only inside.
            pub readonly: bool,
        }
    }
}

document! {
    /// One mount (spec: `config.md`, "Mounts").
    pub struct Mount {
        must {
            /// Where, as a path inside the container.
            pub destination: PathBuf,
        }
        maybe {
            /// The file system type; `bind` or absent with the option `bind` for a bind mount.
            #[serde(rename = "type")]
            pub kind: Option<String>,
            /// A device, a name, or the path of a bind mount (absolute, or relative to the bundle).
            pub source: Option<PathBuf>,
            /// Options as of fstab, and the specification's own (`rbind`, `rro`, `idmap` ...).
            pub options: Vec<String>,
            /// User ids of an idmapped mount, from the file system's to the mount's.
            pub uid_mappings: Vec<IdMapping>,
            /// Group ids of an idmapped mount.
            pub gid_mappings: Vec<IdMapping>,
        }
    }
}

document! {
    /// Programs run at points of the container's life (spec: `config.md`, "POSIX-platform Hooks").
    pub struct Hooks {
        maybe {
            /// Deprecated: as `create_runtime`, before it.
            pub prestart: Vec<Hook>,
            /// In the runtime's namespaces, after the container's were made, before `pivot_root`.
            pub create_runtime: Vec<Hook>,
            /// In the container's namespaces, before `pivot_root`; paths are the host's.
            pub create_container: Vec<Hook>,
            /// In the container, at start, before its process; paths are the container's.
            pub start_container: Vec<Hook>,
            /// In the runtime's namespaces, after the process was started.
            pub poststart: Vec<Hook>,
            /// In the runtime's namespaces, after the container was deleted.
            pub poststop: Vec<Hook>,
        }
    }
}

document! {
    /// One program of a hook; it reads the container's state on its standard input.
    pub struct Hook {
        must {
            /// An absolute path.
            pub path: PathBuf,
        }
        maybe {
            /// Its arguments, the first being its name.
            pub args: Vec<String>,
            /// Its whole environment, as `NAME=value`.
            pub env: Vec<String>,
            /// After how many seconds it is ended; greater than zero.
            pub timeout: Option<i64>,
        }
    }
}
