//! `spec`: a configuration to begin with, which is runc's.

use crate::reading::Arguments;
use std::io::ErrorKind;
use std::process::ExitCode;
use tare_container::Cgroups;
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::{IdMapping, Mount, Namespace, NamespaceKind, Spec};

/// The configuration for root.
const TEMPLATE: &str = include_str!("spec.json");

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(0)?;
    let path = match arguments.path("file") {
        None => arguments.bundle().join("config.json"),
        Some(file) => file.to_owned(),
    };
    let internal = |e| Error::new(Kind::Internal, "write", path.display()).from_source(e);
    let mut spec: Spec = serde_json::from_str(TEMPLATE).map_err(internal)?;
    // On version 2 containers get a cgroup namespace, as runc's do.
    if Cgroups::are_unified() {
        add_namespace(&mut spec, NamespaceKind::Cgroup);
    }
    // As an option of `spec` it takes no value, and one as an option of all.
    if arguments
        .values("rootless")
        .any(|value| ["", "true"].contains(&value))
    {
        make_rootless(&mut spec);
    }
    let mut text = serde_json::to_string_pretty(&spec).map_err(internal)?;
    text.push('\n');
    let mut file = match std::fs::File::create_new(&path) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            return Err(Error::new(Kind::AlreadyExists, "write", path.display())
                .because("File config.json exists. Remove it first"));
        }
        file => file.op("write", path.display())?,
    };
    std::io::Write::write_all(&mut file, text.as_bytes()).op("write", path.display())?;
    Ok(ExitCode::SUCCESS)
}

fn add_namespace(spec: &mut Spec, kind: NamespaceKind) {
    let namespaces = spec.linux.iter_mut().map(|linux| &mut linux.namespaces);
    namespaces.for_each(|list| list.push(Namespace { kind, path: None }));
}

/// What an ordinary user can run: a user namespace with the one id there is, the host's network, no limits.
fn make_rootless(spec: &mut Spec) {
    let one = |host_id| IdMapping {
        container_id: 0,
        host_id,
        size: 1,
    };
    if let Some(linux) = &mut spec.linux {
        linux
            .namespaces
            .retain(|n| !matches!(n.kind, NamespaceKind::Network | NamespaceKind::User));
        linux.uid_mappings = vec![one(rustix::process::geteuid().as_raw())];
        linux.gid_mappings = vec![one(rustix::process::getegid().as_raw())];
        linux.resources = None;
    }
    add_namespace(spec, NamespaceKind::User);
    for mount in &mut spec.mounts {
        mount
            .options
            .retain(|option| !option.starts_with("gid=") && !option.starts_with("uid="));
        if mount.destination.as_os_str() == "/sys" {
            *mount = Mount {
                destination: "/sys".into(),
                kind: Some("none".to_owned()),
                source: Some("/sys".into()),
                options: ["rbind", "nosuid", "noexec", "nodev", "ro"]
                    .map(str::to_owned)
                    .to_vec(),
                ..Mount::default()
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_a_configuration() {
        let spec: Spec = serde_json::from_str(TEMPLATE).unwrap();
        let mut own = spec.clone();
        make_rootless(&mut own);
        assert_eq!(own.mounts.len(), spec.mounts.len());
        assert!(own.linux.unwrap().resources.is_none());
    }
}
