//! Read-only and masked paths, kernel parameters.

use crate::plan::{Draft, c_string, target};
use crate::step::{Action, Place};
use std::collections::BTreeSet;
use tare_error::{Error, Kind, Result};
use tare_spec_oci::NamespaceKind;

/// Kernel parameters that belong to a namespace; all others are the host's (sysctl(7), namespaces(7)).
const NAMESPACED: &[(&str, NamespaceKind)] = &[
    ("net/", NamespaceKind::Network),
    ("fs/mqueue/", NamespaceKind::Ipc),
    ("kernel/msgmax", NamespaceKind::Ipc),
    ("kernel/msgmnb", NamespaceKind::Ipc),
    ("kernel/msgmni", NamespaceKind::Ipc),
    ("kernel/sem", NamespaceKind::Ipc),
    ("kernel/shmall", NamespaceKind::Ipc),
    ("kernel/shmmax", NamespaceKind::Ipc),
    ("kernel/shmmni", NamespaceKind::Ipc),
    ("kernel/shm_rmid_forced", NamespaceKind::Ipc),
    ("kernel/domainname", NamespaceKind::Uts),
    ("kernel/hostname", NamespaceKind::Uts),
    ("user/", NamespaceKind::User),
];

/// Adds them.
pub(crate) fn contribute(draft: &mut Draft<'_>) -> Result<()> {
    // A path that stands in a list twice needs no second cover.
    for path in BTreeSet::from_iter(&draft.linux.readonly_paths) {
        let action = Action::ReadOnlyPath(target(path)?);
        draft.push(Place::ReadOnlyPaths, "make read-only", path.display(), action);
    }
    for path in BTreeSet::from_iter(&draft.linux.masked_paths) {
        draft.push(Place::Masks, "mask", path.display(), Action::Mask(target(path)?));
    }
    for (name, value) in &draft.linux.sysctl {
        let path = parameter_path(draft, name)?;
        let action = Action::Parameter {
            path: c_string(path, name)?,
            value: value.as_bytes().to_vec(),
        };
        draft.push(Place::Parameters, "set kernel parameter", name, action);
    }
    Ok(())
}

/// The file of a parameter below `/proc`: of a namespace of the container's own, and no other.
fn parameter_path(draft: &Draft<'_>, name: &str) -> Result<String> {
    let refuse = |reason: String| Error::new(Kind::Invalid, "set kernel parameter", name).because(reason);
    let path = slashed(name);
    if path
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..")
    {
        return Err(refuse("it is no name of a parameter".to_owned()));
    }
    let owner = NAMESPACED
        .iter()
        .find(|(known, _)| match known.strip_suffix('/') {
            Some(_) => path.starts_with(known),
            None => path == *known,
        });
    match owner {
        Some((_, kind)) if draft.has_namespace(*kind) => Ok(format!("sys/{path}")),
        Some((_, kind)) => Err(refuse(format!(
            "the container has no {kind} namespace of its own: it is the host's"
        ))),
        None => Err(refuse(
            "it belongs to no namespace: it is the whole host's".to_owned(),
        )),
    }
}

/// `net.ipv4.conf.eth0/1.x` and `net/ipv4/conf/eth0.1/x` name the same file: the first separator decides (sysctl(8)).
fn slashed(name: &str) -> String {
    let first = name.find(['.', '/']).and_then(|at| name[at..].chars().next());
    match first {
        Some('.') => name
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::slashed;

    #[test]
    fn both_notations_of_parameters() {
        for (name, path) in [
            ("net.core.somaxconn", "net/core/somaxconn"),
            (
                "net/ipv4/conf/eth0.1/forwarding",
                "net/ipv4/conf/eth0.1/forwarding",
            ),
            (
                "net.ipv4.conf.eth0/1.forwarding",
                "net/ipv4/conf/eth0.1/forwarding",
            ),
        ] {
            assert_eq!(slashed(name), path);
        }
    }
}
