//! **What.** The few system calls a container stack needs and rustix lacks, each as a safe function.
//!
//! **Not.** No policy, no paths, no sequences of calls: those are `tare-mount`, `tare-process` and above. What
//! rustix has is taken from rustix.
//!
//! **Words.** *Child*: the process that [`fork_with`] makes; it shares no memory with its parent.
//!
//! **Life.** Plain functions; nothing is kept.
//!
//! **Rules.** Nothing here allocates or takes a lock, so all of it may be used between a fork and an exec. A call
//! the kernel does not have says `ENOSYS`; the caller names the fallback.
#![expect(unsafe_code, reason = "this crate is where system calls are made safe")]

mod arena;
mod call;
mod domain;
mod exec;
mod fd;
mod filter;
mod fork;
mod interface;
mod keyring;
mod landlock;
mod mount;
mod namespace;
mod notification;
mod pidfd;
mod scheduling;
mod signal;

pub use arena::Arena;
pub use domain::{set_memory_policy, set_personality};
pub use exec::{CStrings, Extended, exec, exec_extended, exec_fd, exit_now};
pub use fd::{close_range, close_range_on_exec};
pub use filter::{FilterFlags, load_filter, load_filter_with_listener};
pub use fork::{CloneFlags, Forked, fork_sibling, fork_whole, fork_with};
pub use interface::bring_up;
pub use keyring::join_session_keyring;
pub use landlock::{
    PathRights, PortRights, Scopes, allow_below, allow_port, landlock_version, make_ruleset, restrict_self,
};
pub use mount::{MountAttributes, mount_setattr};
pub use namespace::{is_single_threaded, unshare};
pub use notification::{Notification, receive_notification, refuse_call};
pub use pidfd::{PidfdInfo, pidfd_info};
pub use scheduling::{Scheduling, set_io_priority, set_scheduling, use_all_processors};
pub use signal::{end_when_asked, leave_children_to_the_kernel, reset_signals};
