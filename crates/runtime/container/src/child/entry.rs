//! Namespaces entered by the process between, before the child is made in them. Nothing here allocates; see
//! [`crate::child`].

use crate::plan::Plan;
use crate::report;
use crate::step::{Action, Step};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};

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
            match (join(step, joined), again.get_mut(index)) {
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

fn join(step: &Step, joined: &[OwnedFd]) -> Result<()> {
    let Action::Join { namespace } = step.action else {
        return Err(Errno::INVAL);
    };
    let namespace = joined.get(namespace).ok_or(Errno::BADF)?;
    rustix::thread::move_into_link_name_space(namespace.as_fd(), None)
}
