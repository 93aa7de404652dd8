//! The supervisor's side: one thread, one epoll set, one state machine a container.
//!
//! ```text
//! birth -> greet -> create -> [Creating] -> [Running] -> [Emptying] -> [Draining] -> [Told] -> leave
//!                      |           |            |             |             |           |
//!                      |     set-up fails:  init ends:   leftovers      last byte    client says Reaped: leave
//!                      |     reply error    exit.json    killed         sent: tell   client gone: execute reap, leave
//!                      +-- client gone before create: leave nothing
//! ```
//!
//! The loop handles what epoll reports, lets the container make the steps that became possible, and computes anew what
//! to wait for. Nothing in it waits: not on a disk, a client, a lock or a child.

mod birth;
mod calls;
mod container;
mod copy;
mod death;
mod group;
mod journal;
mod peer;
mod reap;
mod scope;
mod service;
mod source;
mod streams;

pub(crate) use birth::{keep_from_the_oom_killer, leave_mount_namespace};
pub use copy::{Copy, copy};
pub(crate) use death::{exit_of, exit_of_status, unknown as unknown_exit};
pub(crate) use group::{Home, SUPERVISORS};
pub(crate) use journal::Journal;

use tare_error::Result;

/// What a supervisor is born with.
#[derive(Clone, Debug)]
pub struct Supervise {
    /// The pod's directory.
    pub pod: std::path::PathBuf,
}

/// Runs a supervisor; its control connection is stdin. Returns when its pod has ended and nothing is left to do.
///
/// # Errors
/// Where it cannot live at all: no control connection, no pod directory. The client learns what it was.
pub fn supervise(arguments: &Supervise) -> Result<()> {
    let service = birth::settle(arguments)?;
    service.run()
}
