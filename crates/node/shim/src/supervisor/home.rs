//! The cgroup that a supervisor lives in.

mod scope;

use std::time::Duration;
use tare_cgroup::{Group, GroupPath, Host, Version};
use tare_error::{Context, Error, Kind, Result};

/// Below this lie the groups of supervisors; it carries no limit, and no pod's limit is above it.
pub(crate) const SUPERVISORS: &str = "/tare/supervisors";

/// How long a child of the supervisor may be on its way out, as a log's writer that was killed.
const LEAVING: Duration = Duration::from_millis(500);

/// Where a supervisor lives.
#[derive(Debug)]
pub(crate) enum Home {
    /// In its starter's group still.
    Starters,
    /// In a group of its own below that of all supervisors.
    Group(Group),
    /// In a scope of systemd, whose group this is.
    Scope {
        /// The group.
        scope: GroupPath,
        /// Where it would be without systemd, or a predecessor was.
        other: GroupPath,
    },
}

impl Home {
    /// Leaves the starter's group for one of our own: a scope where systemd runs the machine, else below the group of all
    /// supervisors. An ordinary user without either stays where it is. What went wrong on the way is handed to `odd`.
    pub(crate) fn enter(pod: &str, mut odd: impl FnMut(Error)) -> Home {
        let path = match GroupPath::parse(SUPERVISORS).and_then(|all| all.join(pod)) {
            Ok(path) => path,
            Err(error) => {
                odd(error);
                return Home::Starters;
            }
        };
        let entered = Host::current().and_then(|host| {
            // One that has become another version of its program stays where it is.
            let is_there = scope::own(&host).is_some_and(|own| own == path);
            let asked = if is_there {
                Ok(None)
            } else {
                scope::enter(&host, pod)
            };
            match asked {
                Ok(Some(scope)) => {
                    let other = path.clone();
                    return Ok(Home::Scope { scope, other });
                }
                Ok(None) => {}
                Err(error) => odd(error),
            }
            make(&host, &path).map(Home::Group)
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
            Home::Scope { scope, .. } => Some(scope),
            _ => None,
        }
    }

    /// Steps up into the group of all supervisors and removes our own, which a member could not. A scope is systemd's to
    /// remove, when we are gone; in the other group a predecessor may have been, or what it started.
    pub(crate) fn leave(&mut self) -> Result<()> {
        match std::mem::replace(self, Home::Starters) {
            Home::Starters => Ok(()),
            Home::Group(group) => {
                let above = Group::open(group.host(), &GroupPath::parse(SUPERVISORS)?)?;
                enter(&above)?;
                group.remove_within(LEAVING)
            }
            Home::Scope { other, .. } => match Group::open(&Host::current()?, &other) {
                Err(e) if e.kind() == Kind::NotFound => Ok(()),
                group => group?.remove_within(LEAVING),
            },
        }
    }
}

/// Makes the group below that of all supervisors, and enters it.
fn make(host: &Host, path: &GroupPath) -> Result<Group> {
    let group = match Group::create_unlimited(host, path) {
        // What a supervisor before us started, and what outlived it: a logging program.
        Err(e) if e.kind() == Kind::Conflict => Group::open(host, path)?,
        made => made?,
    };
    match enter(&group) {
        Ok(()) => Ok(group),
        Err(e) => match group.remove_within(Duration::ZERO) {
            Ok(()) => Err(e),
            Err(also) => Err(e.also(also)),
        },
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
