//! **What.** Control groups of version 1, hybrid and version 2: found, made, limited, entered, frozen, killed,
//! asked about memory, removed.
//!
//! **Not.** No policy on names or defaults (the engine's), no systemd (`tare-systemd`), no mounts of
//! cgroup file systems inside containers (`tare-mount`), no statistics yet.
//!
//! **Words.** *Hierarchy*: one mounted tree. *Controller*: what the kernel can limit, bound to one hierarchy.
//! *Group*: one directory of the same path in every hierarchy (`cgroups(7)`). *Member*: that directory in one of
//! them. *Home*: the version on which a controller is available to a group. *Hybrid*: controllers on version 1 and
//! a version 2 tree beside them. *Leftover*: a group of a name to be made that holds no process. *Own group*: one below a
//! group for a single process and what that starts, in one hierarchy. *Named group*: one in some hierarchies alone, by
//! cgcreate's notation `cpu,memory:/path`.
//!
//! **Life.**
//! ```text
//! Host::current() -> GroupPath::parse("/tare/<id>") -> Group::create(limits asked for), or adopt what systemd has made
//!   -> apply_where_possible(default limits) -> one warning
//!   -> memory_report()                                            before
//!   -> child: CLONE_INTO_CGROUP with clone_into() and entrance_beside_clone(), or entrance(), or attach(pid)
//!   -> freeze, thaw, apply (update), kill
//!   -> memory_report().since(before) -> which limit killed it
//!   -> remove()
//! ```
//!
//! **Rules.** Mounts are looked up once by path (the host's own mount table); everything below is opened from a held
//! directory, with `RESOLVE_BENEATH`, and a group's path is a parsed type without `..`. A limit that somebody asked
//! for is set or is an error naming controller, file and value; only what the caller calls a default may be left
//! out. Device rules mean the same on both versions. Waiting has a deadline and goes by the kernel's event wherever
//! it sends one. Nothing here needs to survive a crash: the groups are the state, and [`Group::open`] finds them.
//!
//! **Kernel floor** 5.10: `cgroup.kill` (5.14) falls back to freeze, SIGKILL by pidfd, thaw; `memory.peak` (5.19)
//! and huge page reservations are left out where missing; a `cpu.idle` or burst (5.15, 5.14) that was asked for is
//! an error that says so; entering by `tasks` is faster since 5.19 and right before.
//!
//! ```no_run
//! # fn main() -> tare_error::Result<()> {
//! use tare_cgroup::{Group, GroupPath, Host};
//! use tare_spec_oci::{Memory, Resources};
//!
//! let memory = Memory { limit: Some(64 << 20), ..Memory::default() };
//! let limits = Resources { memory: Some(memory), ..Resources::default() };
//! let group = Group::create(&Host::current()?, &GroupPath::parse("/tare/web")?, &limits)?;
//! let before = group.memory_report()?;
//! // ... a process enters, runs and ends ...
//! if let Some(kill) = group.memory_report()?.since(Some(&before)) {
//!     assert_eq!(kill.limit, Some(64 << 20));
//! }
//! group.remove()
//! # }
//! ```

mod bpf;
mod control;
mod devices;
mod dir;
mod freezer;
mod group;
mod host;
mod limits;
mod notice;
mod path;
mod pressure;
mod report;
mod usage;
mod wait;

pub use devices::{Access as DeviceAccess, Device as DeviceSet, Policy as DevicePolicy};
pub use freezer::Freezers;
pub use group::{Entrance, Group, GroupLine, NamedGroup, OwnGroup, SubGroup};
pub use host::{Controller, Hierarchy, Host, Layout, Version};
pub use limits::{io_weight, swap_alone, weight_of_shares};
pub use notice::MemoryNotice;
pub use path::GroupPath;
pub use pressure::{Pressure, Stall};
pub use report::{GroupMemory, MemoryReport, OomKill};
pub use usage::{Amount, CpuUsage, IoUsage, MemoryUsage, Usage};
