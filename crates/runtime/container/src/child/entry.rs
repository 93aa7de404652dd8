//! Namespaces entered by the process between, before the child is made in them. Nothing here allocates; see
//! [`crate::child`].

use crate::plan::Plan;
use crate::report;
use crate::step::{Action, Step};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tare_spec_oci::NamespaceKind;

/// How many kinds of namespace there are.
const KINDS: usize = 8;

/// Enters the namespaces of the plan's entry, the user namespace last; what the host's rights did not open is tried
/// again with those in the user namespace, which may own it. Tells the step that failed.
pub(crate) fn enter(plan: &Plan, joined: &[OwnedFd], channel: BorrowedFd<'_>) -> bool {
    let mut again = [false; KINDS];
    let last = plan.entry.len().saturating_sub(1);
    for retry in [false, true] {
        for (index, step) in plan.entry.iter().enumerate() {
            if retry && !again.get(index).is_some_and(|a| *a) {
                continue;
            }
            match (enter_step(plan, step, joined), again.get_mut(index)) {
                (Ok(()), _) => {}
                (Err(Errno::PERM), Some(again)) if !retry && index != last => *again = true,
                (Err(errno), _) => {
                    let number = plan.steps.len() + plan.opener.len() + index;
                    report::send_failure(channel, number, errno.into(), &[]);
                    return false;
                }
            }
        }
    }
    true
}

fn enter_step(plan: &Plan, step: &Step, joined: &[OwnedFd]) -> Result<()> {
    match step.action {
        Action::Join { namespace } => join(plan, joined, namespace),
        _ => Err(Errno::INVAL),
    }
}

/// Joins one namespace of the plan. The kernel is told its kind and refuses another: joining whatever a path leads to
/// would, for a mount namespace called ipc, make the container in the host's own mounts.
pub(super) fn join(plan: &Plan, joined: &[OwnedFd], namespace: usize) -> Result<()> {
    let (Some(of), Some(to)) = (plan.joined.get(namespace), joined.get(namespace)) else {
        return Err(Errno::BADF);
    };
    let kind = match of.kind {
        NamespaceKind::Pid => LinkNameSpaceType::ProcessID,
        NamespaceKind::Network => LinkNameSpaceType::Network,
        NamespaceKind::Mount => LinkNameSpaceType::Mount,
        NamespaceKind::Ipc => LinkNameSpaceType::InterProcessCommunication,
        NamespaceKind::Uts => LinkNameSpaceType::HostNameAndNISDomainName,
        NamespaceKind::User => LinkNameSpaceType::User,
        NamespaceKind::Cgroup => LinkNameSpaceType::ControlGroup,
        NamespaceKind::Time => LinkNameSpaceType::Time,
    };
    move_into_link_name_space(to.as_fd(), Some(kind))
}
