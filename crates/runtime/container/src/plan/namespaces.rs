//! Namespaces: made at birth, joined, or entered later; and the names and devices that belong to new ones.

use crate::plan::{Draft, Outside, c_string};
use crate::request::Cgroups;
use crate::step::{Action, Place, Prepared, Signal};
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
    time(draft)?;
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
        // The child makes it, and sets its clocks before it enters.
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

/// Clocks by the name that the kernel gives them.
const CLOCKS: &[&str] = &["monotonic", "boottime"];

/// The time namespace and its clocks.
fn time(draft: &mut Draft<'_>) -> Result<()> {
    let offsets = &draft.linux.time_offsets;
    if !draft.is_new(NamespaceKind::Time) {
        let why = if draft.has_namespace(NamespaceKind::Time) {
            "the time namespace that is joined has its own"
        } else {
            "the container has no time namespace"
        };
        return match offsets.keys().next() {
            None => Ok(()),
            Some(clock) => Err(Error::new(Kind::Invalid, "use linux.timeOffsets", clock).because(why)),
        };
    }
    let mut text = String::new();
    for (clock, offset) in offsets {
        let invalid = |why| Error::new(Kind::Invalid, "use linux.timeOffsets", clock).because(why);
        if !CLOCKS.contains(&clock.as_str()) {
            return Err(invalid("it is neither \"monotonic\" nor \"boottime\"".to_owned()));
        }
        if offset.nanosecs >= 1_000_000_000 {
            return Err(invalid(format!(
                "nanosecs {} is a second or more",
                offset.nanosecs
            )));
        }
        text += &format!("{clock} {} {}\n", offset.secs, offset.nanosecs);
    }
    // Not the child's to write in a new user namespace: it is not dumpable, so the file is the host's root's.
    let file = (draft.is_new(NamespaceKind::User) && !text.is_empty())
        .then(|| draft.prepare("open", "the clock offsets", Prepared::TimeOffsets));
    let action = Action::TimeNamespace {
        offsets: text.into_bytes(),
        file,
    };
    draft.push(Place::TimeNamespace, "make", "a time namespace", action);
    Ok(())
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
