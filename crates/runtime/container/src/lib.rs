//! **What.** From an OCI configuration to a running process: a plan of small typed steps, computed purely, executed in a
//! forked child that allocates nothing, watched by a parent that never waits.
//!
//! **Not.** No images, networks, state on disk or supervision; no cgroup is made here (the caller makes it, and
//! hands in its directory or a function that attaches). The process is the caller's child: the caller reaps it.
//!
//! **Words.** *Plan*: steps in the order of one table ([`plan()`], [`Plan`]). *Step*: an operation with a name and a
//! subject, by which a failure is told (`mount /proc`). *Gate*: where the child waits to be started,
//! by its maker, or by another process through a socket ([`Waiting`]).
//!
//! **Life.**
//! ```text
//!            begin                 advance...               start                advance
//! Request ----------> Setting up -------------> Created ------------> (exec) --------------> Running
//!                          |                       |                     |
//!                          +-----------------------+---------------------+----> Error{step name, subject, cause}
//! ```
//! [`Creation`] is an fd to poll: readable means that [`Creation::advance`] has something to say.
//!
//! **Rules.** All mounts are made in the child's own mount namespace, so nothing is left in the host's. A path of the
//! container is only ever resolved below a held root, without magic links. The child keeps the fds it was given and
//! closes every one of its own before exec. The calling process has one thread, and runs sealed
//! (`tare_process::seal`). Every Linux member of the specification is served; what this host cannot do is refused by the
//! name and value of the member. Labels and profiles of a security module that the host lacks are left out.

mod child;
mod creation;
mod failure;
mod landlock;
mod listener;
mod numbers;
mod plan;
mod report;
mod request;
mod step;
mod waiting;

pub use creation::{Creation, Running, Stage, change_class};
pub use landlock::{Landlock, PathRule};
pub use listener::send_listener;
pub use numbers::{ExecAffinity, Processors};
pub use plan::{Plan, doubts, plan, resctrl_groups};
pub use request::{Cgroups, Change, Filter, HostFacts, LabelOption, Options, Request, Stdio};
pub use tare_sys::{FilterFlags, PathRights, Scopes};
pub use waiting::{Starting, Waiting};
