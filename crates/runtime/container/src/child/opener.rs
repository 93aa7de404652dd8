//! The opener of a child in a new user namespace: a second child that kept the host's rights, opens what the first may
//! not, and passes it on. Nothing here allocates; see [`crate::child`].

use crate::child::{Child, Done, mounts};
use crate::plan::Plan;
use crate::report;
use crate::step::Action;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Pid};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tare_mount::Propagation;
use tare_process::CloneFlags;
use tare_sys::exit_now;

/// Executes the opener's steps in order and sends what they made to the child `child`: in mounts of its own, which it was
/// born with, or makes once it has joined the user namespace that it is handed.
pub(crate) fn run(
    plan: &Plan,
    child: Pid,
    (maps, joins): (&[OwnedFd], Option<BorrowedFd<'_>>),
    channel: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
) -> i32 {
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let entered = joins.map_or(Ok(()), enter);
    let mut done = entered
        .map_err(Into::into)
        .and_then(|()| mounts::host_propagation(Propagation::Slave));
    for (index, step) in plan.opener.iter().enumerate() {
        if done.is_ok()
            && let Action::Prepare { from, .. } = &step.action
        {
            done = mounts::prepare(from, child, maps).and_then(|made| Ok(report::send_fd(to, made.as_fd())?));
        }
        if let Err(failure) = done {
            report::send_failure(channel, plan.steps.len() + index, failure, &[]);
            return 1;
        }
    }
    0
}

/// Joins a user namespace, and copies the mounts.
fn enter(namespace: BorrowedFd<'_>) -> rustix::io::Result<()> {
    move_into_link_name_space(namespace, Some(LinkNameSpaceType::User))?;
    tare_sys::unshare(CloneFlags::NEWNS)
}

impl Child<'_> {
    /// Takes the next thing of the opener, which sends in the order in which they are asked for.
    pub(super) fn receive(&mut self, slot: usize) -> Done {
        match report::receive_fd(self.opener.ok_or(Errno::BADF)?)? {
            Some(fd) => *self.slots.get_mut(slot).ok_or(Errno::BADF)? = Some(fd),
            // It failed, and has said so itself.
            None => exit_now(1),
        }
        Ok(())
    }
}
