//! The cgroup that a supervisor lives in.

mod scope;

use tare_cgroup::{Group, GroupPath, Host, Version};
use tare_error::{Context, Error, Kind, Result};

/// The group of all supervisors; it carries no limit, and no pod's limit is above it.
pub(crate) const SUPERVISORS: &str = "/tare/supervisors";

/// Where a supervisor lives.
#[derive(Debug)]
pub(crate) enum Home {
    /// In its starter's group still.
    Starters,
    /// In the group of all supervisors.
    Shared,
    /// In a scope of systemd, whose group this is.
    Scope(GroupPath),
}

impl Home {
    /// Leaves the starter's group: for a scope of the pod's where systemd runs the machine, else for the group of all
    /// supervisors, which stays when they go. An ordinary user without either stays where it is. What went wrong on the way is
    /// handed to `odd`.
    ///
    /// A group for each would be made and removed in every hierarchy, nine times on version 1, and would limit and own nothing.
    pub(crate) fn enter(pod: &str, mut odd: impl FnMut(Error)) -> Home {
        let entered = Host::current().and_then(|host| {
            let shared = GroupPath::parse(SUPERVISORS)?;
            // One that has become another version of its program stays where it is.
            let is_there = scope::own(&host).is_some_and(|own| own == shared);
            let asked = if is_there {
                Ok(None)
            } else {
                scope::enter(&host, pod)
            };
            match asked {
                Ok(Some(scope)) => return Ok(Home::Scope(scope)),
                Ok(None) => {}
                Err(error) => odd(error),
            }
            enter(&Group::share(&host, &shared)?).map(|()| Home::Shared)
        });
        match entered {
            Ok(home) => home,
            Err(e) if matches!(e.kind(), Kind::Denied | Kind::Unsupported) => Home::Starters,
            Err(error) => {
                odd(error);
                Home::Starters
            }
        }
    }

    /// The group of the scope, where it is in one.
    pub(crate) fn scope(&self) -> Option<&GroupPath> {
        match self {
            Home::Scope(scope) => Some(scope),
            _ => None,
        }
    }
}

/// Enters a group in every hierarchy but one: the version 2 tree beside version 1, where we are at its root. There is
/// nothing to leave there, and entering would wait for an RCU grace period (10 ms here) for no limit and no owner.
fn enter(group: &Group) -> Result<()> {
    let host = group.host();
    let at_root = host.v2().and_then(|tree| tree.own_group.as_deref()) == Some("/");
    let beside = host.hierarchies().iter().any(|h| h.version == Version::V1);
    let entrance = if beside && at_root {
        group.entrance_beside_clone()
    } else {
        group.entrance()
    };
    entrance?.enter().op("enter cgroup", group.path())
}
