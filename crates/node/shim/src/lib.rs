//! **What.** The supervisor that keeps a pod's containers, their streams and the truth about their end; and the client
//! side that starts it and talks to it.
//!
//! **Not.** No images, networks, records in a database or container set-up of its own (`tare-container`). No threads,
//! no executor, nothing that waits for a disk. A program around it is `bin/containerd-shim-tare-v2`.
//!
//! **Words.** *Supervisor*: the process that is a container's parent; containerd calls it a shim. *Keeper*: the client of
//! ours whose pod it is, as long as its connection lives. *Pod directory*: where the supervisor leaves what the client, a
//! successor or a later command must know. *Reap*: to undo what a container needed outside (mounts, records); the engine's
//! own command does it.
//!
//! **Life.** Under containerd: [`supervisor`]. For our own engine the same supervisor is asked by the same calls: [`launch`] →
//! [`Connection::create`] → [`Connection::attach`] → [`Exit`] → the caller cleans up → [`Connection::finish`] →
//! [`PodDir::remove`]. Where the keeper vanishes, the supervisor kills the container (if so told) and executes the reap command.
//! Where the supervisor vanishes, [`launch`] starts a successor. What nobody looks after is ended by [`end`].
//!
//! **Rules.** A container's `exit.json` is written before anyone is told. The supervisor's loop never waits. Every buffer has a
//! bound. A container's stdout and stderr are FIFOs open read-write in the container, so that what it wrote survives either
//! side. A supervisor killed with -9 leaves records by which its successor takes over, and an end that nobody saw is
//! recorded as unknown with its reason.

mod client;
mod clock;
mod elsewhere;
mod entrance;
mod exit;
mod failure;
mod health;
mod hexadecimal;
mod orphan;
mod own;
mod pod;
mod pods;
mod poller;
mod record;
mod signals;
pub mod supervisor;
mod terminal;

pub use client::{
    Attach, Connection, CreateRequest, Created, Ended, ExecRequest, Executed, Keys, Launch, Leaving, Maker,
    Manner, Moment, Parted, RuntimeCommand, ShimCommand, Starting, begin, end, find, launch,
};
pub use elsewhere::Elsewhere;
pub use exit::{Exit, Oom};
pub use failure::{Failure, restore};
pub use health::{Health, HealthPlan, HealthResult, HealthStatus};
pub use own::{Hangup, PodPlan};
pub use pod::PodDir;
pub use pods::PodDirs;
pub use record::SupervisorRecord;
pub use tare_process::Stamp;
pub use tare_spec_containerd::process::Status as Condition;
