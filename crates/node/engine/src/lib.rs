//! **What.** The services of one node: images, containers and pods, over crash-safe state that several processes may open.
//!
//! **Not.** No flags, tables or progress lines (those are a program's), no system calls (those are the kernel
//! crates'), no registry protocol, no unpacking.
//!
//! **Words.** *Request*: what somebody asks a container to be. *Draft*: the runtime specification as the
//! contributors fill it. *Bundle*: the folder that holds a container's `config.json`.
//!
//! **Life.** request → image resolved → draft → bundle and snapshot → supervisor → exit → removed or kept.
//!
//! **Rules.** Everything made outside the process is named by the container's id, made again or removed again
//! without harm, and written down before it is made, so that the next command can finish or undo it.

mod claim;
pub mod config;
pub mod container;
mod engine;
pub mod image;
pub mod journal;
mod leftovers;
pub mod pod;
mod prune;
pub mod records;
mod storage;
mod usage;
pub mod volume;

pub use claim::{Claim, Claimed, Holder};
pub use config::Config;
pub use engine::Engine;
pub use leftovers::Collected;
pub use prune::{GoneImages, PruneFilter};
pub use storage::about_storage;
pub use usage::{DiskUsage, ImageUsage};
