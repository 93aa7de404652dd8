//! **What.** The life of an OCI container whose state is a folder on disk: created from a bundle by one process,
//! started, signalled, looked at and deleted by others (runtime-spec: `runtime.md`, "Lifecycle").
//!
//! **Not.** No command line and no supervision: nobody stays behind to wait for a container. How its process is set up
//! is `tare-container`'s plan; images and networks are other people's.
//!
//! **Words.** *Home*: the folder with all containers. *Bundle*: a folder with `config.json` and usually the root.
//! *Record*: what is known of a container without asking the kernel. *Condition*: where in its life it is, which only
//! the kernel knows. *Gate*: the socket at which a created container waits.
//!
//! **Life.**
//! ```text
//!            Create::make             Container::start                        Container::delete
//! (nothing) --------------> created ------------------> running --> stopped ------------------> (nothing)
//!               |                                          |
//!            creating                                    paused
//! ```
//!
//! **Rules.** The folder is made first and removed last; what lies in between is named in the record before it is made,
//! so that [`Container::delete`] with force ends whatever a killed process left. Nothing in the record is believed where
//! the kernel can be asked: a process is found by number, start time and boot. Creating forks, so the calling process
//! has one thread and runs sealed (`tare_process::seal`).
//! Compiled filters of a home's policies are kept beside its containers; without them they are compiled again.

mod annotation;
mod bundle;
mod clock;
mod complaint;
mod console;
mod container;
mod create;
mod delete;
mod driver;
mod exec;
mod features;
mod filter;
mod group;
mod home;
mod hooks;
mod id;
mod mounts;
mod pending;
mod record;
mod start;
mod watch;

pub use bundle::Bundle;
pub use clock::now;
pub use complaint::words_of_runc;
pub use console::send as send_terminal;
pub use container::{Condition, Container};
pub use create::{Create, Made, Making, own_stdio};
pub use delete::Deleting;
pub use driver::Driver;
pub use exec::{Entering, Exec, has_own};
pub use features::features;
pub use home::Home;
pub use id::ContainerId;
pub use pending::{Awaited, Pending};
pub use record::Record;
pub use start::Starting;
pub use tare_cgroup::{OwnGroup, SubGroup};
pub use watch::{Event, Watch};
