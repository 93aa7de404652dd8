//! **What.** Processes: forked children that inherit nothing by accident, capability sets, user-namespace maps,
//! terminals, verified writes to procfs, a program's own image made read-only, programs in namespaces of their own
//! ([`Unshare`]), and a list of the namespaces there are ([`namespaces`]).
//!
//! **Not.** What a container's process is to look like is `tare-container`'s plan.
//!
//! **Words.** *Child*: made by [`spawn`]; a copy of this process with the namespaces asked for. *Seal*: to run from an
//! image that nobody can open for writing (CVE-2019-5736). *Enter*: to re-execute inside a user namespace.
//! *Stamp*: what tells a process from a later one with its number, in a record on disk.
//!
//! **Life.** `rootless::enter` → `seal::enter` → work; each re-executes the program at most once and then returns.
//!
//! **Rules.** [`spawn`] needs a process of one thread and closes every fd in the child but those named. Functions meant
//! for children say that they allocate nothing.
#![expect(
    unsafe_code,
    reason = "fds are closed by number here, in children only; see spawn and handover"
)]

mod capabilities;
mod handover;
mod namespaces;
mod passing;
mod procfs;
mod ps;
pub mod rootless;
pub mod seal;
mod spawn;
mod stamp;
mod terminal;
mod unshare;
mod user_namespace;

pub use capabilities::{
    CapabilitySet, drop_from_bounding, parse_capabilities, set_ambient, set_thread_capabilities,
};
pub use handover::{close_all_but, leave_open, set_stdio, take_left, take_passed};
pub use namespaces::{NAMESPACE_KINDS, Namespace, namespaces, namespaces_of};
pub use passing::pass_on;
pub use procfs::Procfs;
pub use ps::lines_of_ps;
pub use spawn::{Child, Fork, spawn, spawn_through, spawn_worker};
pub use stamp::Stamp;
pub use tare_sys::CloneFlags;
pub use terminal::{Terminal, leave_line_ends, set_window_size};
pub use unshare::{Ended, IdMaps, IdRange, Place, Propagation, Unshare, end_by, first_subordinate};
pub use user_namespace::{map_text, user_namespace, write_maps};
