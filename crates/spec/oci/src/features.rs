//! What a runtime can do, for its callers to ask (spec: `features.md`, `features-linux.md`).

use crate::{Action, Arch, FilterFlag, NamespaceKind, Operator};
use std::collections::BTreeMap;

document! {
    /// What a runtime can do. An absent member means that nothing is said about it.
    pub struct Features {
        must {
            /// The oldest version of the specification that is understood.
            pub oci_version_min: String,
            /// The newest.
            pub oci_version_max: String,
        }
        maybe {
            /// Hooks that are run.
            pub hooks: Vec<String>,
            /// Mount options that are more than a file system's own.
            pub mount_options: Vec<String>,
            /// What is particular to Linux.
            pub linux: Option<LinuxFeatures>,
            /// Free metadata.
            pub annotations: BTreeMap<String, String>,
            /// Annotations of a configuration that may do harm when others write them.
            pub potentially_unsafe_config_annotations: Vec<String>,
        }
    }
}

document! {
    /// The `linux` member of the features.
    pub struct LinuxFeatures {
        maybe {
            /// Kinds of namespace.
            pub namespaces: Vec<NamespaceKind>,
            /// Capabilities that are known by name.
            pub capabilities: Vec<String>,
            /// Control groups.
            pub cgroup: Option<CgroupFeatures>,
            /// System call filters.
            pub seccomp: Option<SeccompFeatures>,
            /// AppArmor profiles.
            pub apparmor: Option<Enabled>,
            /// SELinux labels.
            pub selinux: Option<Enabled>,
            /// Intel RDT.
            pub intel_rdt: Option<Enabled>,
            /// NUMA memory policy (1.3).
            pub memory_policy: Option<Enabled>,
            /// Further members of mounts.
            pub mount_extensions: Option<MountExtensions>,
            /// Network interfaces moved into the container (1.3).
            pub net_devices: Option<Enabled>,
        }
    }
}

document! {
    /// Whether something is there at all.
    #[derive(Copy, Eq)]
    pub struct Enabled {
        always {
            /// Whether it is.
            pub enabled: bool,
        }
    }
}

document! {
    /// Control groups.
    #[derive(Copy, Eq)]
    pub struct CgroupFeatures {
        always {
            /// Version 1.
            pub v1: bool,
            /// Version 2.
            pub v2: bool,
            /// Groups that systemd makes.
            pub systemd: bool,
            /// Groups that a user's own systemd makes.
            pub systemd_user: bool,
            /// The rdma controller.
            pub rdma: bool,
        }
    }
}

document! {
    /// System call filters.
    pub struct SeccompFeatures {
        always {
            /// Whether there are any.
            pub enabled: bool,
        }
        maybe {
            /// What can happen to a call.
            pub actions: Vec<Action>,
            /// How arguments can be compared.
            pub operators: Vec<Operator>,
            /// For which architectures.
            pub archs: Vec<Arch>,
            /// Flags that are known by name.
            pub known_flags: Vec<FilterFlag>,
            /// Flags that this kernel takes.
            pub supported_flags: Vec<FilterFlag>,
        }
    }
}

document! {
    /// Further members of mounts.
    #[derive(Copy, Eq)]
    pub struct MountExtensions {
        maybe {
            /// Idmapped mounts.
            pub idmap: Option<Enabled>,
        }
    }
}
