//! What this library can do, from the tables by which it does it.

use crate::annotation::UNSAFE_ANNOTATIONS;
use std::collections::BTreeMap;
use tare_mount::Options;
use tare_process::CapabilitySet;
use tare_spec_oci::{
    Action, CgroupFeatures, Enabled, Features, FilterFlag, LinuxFeatures, MountExtensions, NamespaceKind,
    Operator, SeccompFeatures,
};

const HOOKS: &[&str] = &[
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

const YES: Option<Enabled> = Some(Enabled { enabled: true });

/// What this library can do, as the specification has it (`features.md`).
pub fn features() -> Features {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let unsafe_annotations = UNSAFE_ANNOTATIONS.iter().map(|name| (*name).to_owned());
    Features {
        oci_version_min: "1.0.0".to_owned(),
        oci_version_max: tare_spec_oci::VERSION.to_owned(),
        hooks: HOOKS.iter().map(|hook| (*hook).to_owned()).collect(),
        mount_options: Options::names(),
        linux: Some(linux()),
        annotations: BTreeMap::from([
            ("io.tare.runtime.version".to_owned(), version),
            // In the manner of runc's "org.opencontainers.runc.checkpoint.enabled": the specification has no member for it.
            ("io.tare.runtime.landlock.enabled".to_owned(), "true".to_owned()),
        ]),
        potentially_unsafe_config_annotations: unsafe_annotations.collect(),
    }
}

fn linux() -> LinuxFeatures {
    let capabilities = CapabilitySet::all()
        .iter_names()
        .map(|(name, _)| format!("CAP_{name}"));
    LinuxFeatures {
        namespaces: NamespaceKind::ALL.to_vec(),
        capabilities: capabilities.collect(),
        cgroup: Some(CgroupFeatures {
            v1: true,
            v2: true,
            systemd: true,
            systemd_user: true,
            rdma: true,
        }),
        seccomp: Some(SeccompFeatures {
            enabled: true,
            actions: Action::ALL.to_vec(),
            operators: Operator::ALL.to_vec(),
            archs: tare_seccomp::architectures().collect(),
            known_flags: FilterFlag::ALL.to_vec(),
            supported_flags: FilterFlag::ALL.to_vec(),
        }),
        apparmor: YES,
        selinux: YES,
        intel_rdt: YES,
        memory_policy: YES,
        mount_extensions: Some(MountExtensions { idmap: YES }),
        net_devices: YES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        let text = serde_json::to_string(&features()).unwrap();
        assert_eq!(serde_json::from_str::<Features>(&text).unwrap(), features());
        assert!(
            text.contains("\"CAP_CHOWN\"") && text.contains("\"rro\"") && text.contains("SCMP_ARCH_X86_64")
        );
    }
}
