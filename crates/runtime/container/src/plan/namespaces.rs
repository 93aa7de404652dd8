//! Namespaces: made at birth, joined, or entered later; and the names and devices that belong to new ones.

use crate::plan::{Draft, Outside, c_string};
use crate::request::Cgroups;
use crate::step::{Action, Place, Signal};
use tare_error::{Error, Kind, Result};
use tare_process::CloneFlags;
use tare_spec_oci::{IdMapping, Namespace, NamespaceKind};

/// Adds what namespaces need.
pub(crate) fn contribute(draft: &mut Draft<'_>) -> Result<()> {
    for (index, namespace) in draft.linux.namespaces.iter().enumerate() {
        if draft.linux.namespaces[..index]
            .iter()
            .any(|n| n.kind == namespace.kind)
        {
            return Err(invalid(
                draft,
                format!("namespace {} is given twice", namespace.kind),
            ));
        }
        match &namespace.path {
            Some(_) => join(draft, namespace),
            None => make(draft, namespace.kind),
        }
    }
    if draft.is_new(NamespaceKind::User) {
        user(draft)?;
    }
    if !draft.is_new(NamespaceKind::Cgroup) && matches!(draft.facts.cgroups, Cgroups::V1(_)) {
        // A mount of version 1 begins at the namespace's own group: without one, the container would see the host's
        // whole tree. So one is borrowed while cgroups are mounted.
        draft.push(
            Place::CgroupNamespace,
            "borrow",
            "a cgroup namespace",
            Action::BorrowCgroupNamespace,
        );
        draft.push(
            Place::CgroupNamespaceBack,
            "give back",
            "the cgroup namespace",
            Action::ReturnCgroupNamespace,
        );
    }
    draft.push(
        Place::Group,
        "await",
        "the cgroup",
        Action::Await(Signal::Grouped),
    );
    if !draft.request.entrances.is_empty() {
        draft.push(Place::Group, "enter", "the cgroup", Action::EnterGroups);
    }
    let keyring = if draft.request.options.shared_keyring {
        None
    } else {
        Some(c_string(format!("_tare.{}", draft.request.id), "the id")?)
    };
    draft.push(Place::Session, "start a session", "", Action::Session { keyring });
    names(draft)
}

fn make(draft: &mut Draft<'_>, kind: NamespaceKind) {
    match kind {
        // The namespace begins at the group of whoever makes it, so it is made once the child is in its own.
        NamespaceKind::Cgroup => {
            let action = Action::Unshare(CloneFlags::NEWCGROUP);
            draft.push(Place::CgroupNamespace, "make", "a cgroup namespace", action);
        }
        NamespaceKind::Network => {
            draft.plan.flags |= CloneFlags::NEWNET;
            draft.push(Place::Loopback, "bring up", "lo", Action::Loopback);
        }
        NamespaceKind::Pid => draft.plan.flags |= CloneFlags::NEWPID,
        NamespaceKind::Mount => draft.plan.flags |= CloneFlags::NEWNS,
        NamespaceKind::Ipc => draft.plan.flags |= CloneFlags::NEWIPC,
        NamespaceKind::Uts => draft.plan.flags |= CloneFlags::NEWUTS,
        NamespaceKind::User => draft.plan.flags |= CloneFlags::NEWUSER,
        // Refused before.
        NamespaceKind::Time => {}
    }
}

fn join(draft: &mut Draft<'_>, namespace: &Namespace) {
    let index = draft.plan.joined.len();
    draft.plan.joined.push(namespace.clone());
    // A process cannot change its own pid namespace: the parent makes the child in it.
    if namespace.kind != NamespaceKind::Pid {
        let action = Action::Join { namespace: index };
        draft.push(Place::Join, "join namespace", namespace.kind, action);
    }
}

fn user(draft: &mut Draft<'_>) -> Result<()> {
    let (uids, gids) = (&draft.linux.uid_mappings, &draft.linux.gid_mappings);
    if uids.is_empty() || gids.is_empty() {
        return Err(invalid(
            draft,
            "a new user namespace needs uidMappings and gidMappings",
        ));
    }
    let owner = draft.process.user.uid;
    draft.plan.outside = Some(Outside {
        uids: uids.clone(),
        gids: gids.clone(),
        owner: outside(uids, owner),
        oom_score_adj: draft.process.oom_score_adj,
        limits: Vec::new(),
    });
    draft.push(Place::Maps, "await", "the id maps", Action::Await(Signal::Mapped));
    draft.push(
        Place::BecomeRoot,
        "become",
        "root of the user namespace",
        Action::BecomeRoot,
    );
    Ok(())
}

/// What an inside id is outside.
fn outside(maps: &[IdMapping], id: u32) -> Option<u32> {
    let map = maps
        .iter()
        .find(|m| id >= m.container_id && id - m.container_id < m.size)?;
    map.host_id.checked_add(id - map.container_id)
}

fn names(draft: &mut Draft<'_>) -> Result<()> {
    let spec = draft.request.spec;
    let given = [
        (
            "hostname",
            &spec.hostname,
            Action::HostName as fn(Vec<u8>) -> Action,
        ),
        ("domainname", &spec.domainname, Action::DomainName),
    ];
    for (what, name, action) in given {
        let Some(name) = name.as_deref().filter(|n| !n.is_empty()) else {
            continue;
        };
        if !draft.has_namespace(NamespaceKind::Uts) {
            return Err(invalid(
                draft,
                format!("{what} is given, but no uts namespace: it would be the host's"),
            ));
        }
        draft.push(
            Place::Names,
            "set host name",
            name,
            action(name.as_bytes().to_vec()),
        );
    }
    Ok(())
}

fn invalid(draft: &Draft<'_>, reason: impl std::fmt::Display) -> Error {
    Error::new(Kind::Invalid, "plan", draft.request.id).because(reason)
}
