//! Namespaces: made at birth, joined, or entered later; and the names and devices that belong to new ones.

use crate::plan::{Draft, Outside, c_string};
use crate::request::Cgroups;
use crate::step::{Action, Place, Prepared, Signal, Step};
use tare_error::{Error, Kind, Result};
use tare_process::CloneFlags;
use tare_spec_oci::{Namespace, NamespaceKind};

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
    if draft.has_namespace(NamespaceKind::User) {
        user(draft)?;
    } else if !(draft.linux.uid_mappings.is_empty() && draft.linux.gid_mappings.is_empty()) {
        return Err(invalid(
            draft,
            "linux.uidMappings and linux.gidMappings need a user namespace",
        ));
    }
    time(draft)?;
    let mounts = !draft.request.options.enters;
    if mounts && !draft.is_new(NamespaceKind::Cgroup) && matches!(draft.facts.cgroups, Cgroups::V1(_)) {
        // A mount of version 1 begins at the namespace's own group: without one, the container would see the host's
        // whole tree. So one is borrowed while cgroups are mounted.
        draft.push(
            Place::CgroupNamespace,
            "borrow",
            "a cgroup namespace",
            Action::BorrowCgroupNamespace,
        );
        // The rights of a user namespace do not reach the host's: there the borrowed one is kept.
        if !draft.without_mknod() {
            draft.push(
                Place::CgroupNamespaceBack,
                "give back",
                "the cgroup namespace",
                Action::ReturnCgroupNamespace,
            );
        }
    }
    draft.push(
        Place::Group,
        "await",
        "the cgroup",
        Action::Await(Signal::Grouped),
    );
    draft.push(Place::Group, "enter", "the cgroup", Action::EnterGroups);
    if draft.request.options.delegates {
        let action = Action::Await(Signal::Delegated);
        draft.push(Place::Delegation, "await", "the cgroup below", action);
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
    let step = Step {
        place: Place::Join,
        name: "join namespace",
        subject: namespace.kind.to_string(),
        action: Action::Join { namespace: index },
    };
    if draft.joins(NamespaceKind::User) {
        // The user namespace last: most others are entered with the host's rights.
        let entry = &mut draft.plan.entry;
        let user = NamespaceKind::User.as_str();
        let at = entry.iter().position(|s| s.subject == user);
        entry.insert(at.unwrap_or(entry.len()), step);
    } else if namespace.kind != NamespaceKind::Pid {
        draft.plan.steps.push(step);
    } else if draft.facts.user_namespace {
        // A process cannot change its own pid namespace, so that the parent makes the child in it. One whose own belongs to
        // a user namespace above could not come back to it (setns(2)): a process between goes there.
        draft.plan.entry.push(step);
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
    // Not the child's to write in a user namespace: it is not dumpable, so the file is the host's root's.
    let file = (draft.has_namespace(NamespaceKind::User) && !text.is_empty())
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
    let new = draft.is_new(NamespaceKind::User);
    if new && (uids.is_empty() || gids.is_empty()) {
        return Err(invalid(
            draft,
            "a new user namespace needs uidMappings and gidMappings",
        ));
    }
    draft.plan.outside = Some(Outside {
        new,
        uids: uids.clone(),
        gids: gids.clone(),
        owner: draft.process.user.uid,
        oom_score_adj: draft.process.oom_score_adj,
        limits: Vec::new(),
    });
    if new {
        draft.push(Place::Maps, "await", "the id maps", Action::Await(Signal::Mapped));
    }
    draft.push(
        Place::BecomeRoot,
        "become",
        "root of the user namespace",
        Action::BecomeRoot,
    );
    Ok(())
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
