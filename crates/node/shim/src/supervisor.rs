//! Where a supervisor lives: the group or scope of its own, and the file of what it found odd.

mod birth;
mod group;
mod journal;
mod scope;

pub(crate) use birth::{keep_from_the_oom_killer, leave_mount_namespace};
pub(crate) use group::{Home, SUPERVISORS};
pub(crate) use journal::Journal;
