//! **What.** The supervisor that keeps a pod's containers, their streams and the truth about their end; and the client
//! side that starts it and talks to it.
//!
//! **Not.** No images, networks, records in a database or container set-up of its own (`tare-container`). No threads,
//! no executor, nothing that waits for a disk. A program around it is `bin/containerd-shim-tare-v2`.
//!
//! **Words.** *Supervisor*: the process that is a container's parent. *Creator*: the client that started it, at the
//! other end of a socket pair. *Pod directory*: where both leave what the other, or a later command, must know.
//! *Reap*: to undo what a container needed outside (mounts, records); the engine's own command does it.
//!
//! **Life.** [`launch`] → [`Connection::create`] → [`Connection::attach`] → [`Exit`] → the caller cleans up →
//! [`Connection::finish`] → [`PodDir::remove`]. Where the client vanishes, the supervisor kills the container (if so
//! told), writes the record and executes the reap command. Where the supervisor vanishes, [`PodDir`] tells the truth.
//!
//! **Rules.** `exit.json` is written before anyone is told. The supervisor's loop never waits. Every buffer has a
//! bound, each stream's is [`protocol::WINDOW`]. A container's stdout and stderr are FIFOs open read-write in the
//! container, so that what it wrote survives either side. A supervisor killed with -9 leaves a record by which its
//! orphan can be found and ended, and an end that nobody saw is recorded as unknown with its reason.

mod client;
mod clock;
mod entrance;
mod orphan;
mod pod;
mod poller;
pub mod protocol;
mod record;
mod signals;
mod supervisor;
pub mod task;
mod terminal;

pub use client::{Attach, Connection, Created, Launch, launch};
pub use pod::PodDir;
pub use protocol::{CreateRequest, Exit, Filter, Hangup, Oom, Phase, State};
pub use record::{InitRecord, SupervisorRecord};
pub use supervisor::{Copy, Supervise, copy, supervise};
pub use tare_process::Stamp;
