//! **What.** Logs of containers: what they write, brought into docker's, CRI's or journald's form, into files that are capped,
//! rotated and compressed; by a process that exists only while there is something to write.
//!
//! **Not.** No programs that log (`binary://`, `tare-shim`), no clients' FIFOs, no choice of a log for a container.
//!
//! **Words.** *Address*: where a log goes and how, as one URI ([`Target`]). *Keeper*: the side of the supervisor, which holds the
//! FIFOs ([`Log`]). *Writer*: its child, which takes what is in them. *Spool*: what was taken and may not be written yet, in a
//! file of the run folder. *Piece*: a line, or as much of one as a record holds. *Gap*: what was not kept, counted.
//!
//! **Life.**
//! ```text
//! container --FIFO--> keeper: readable? --fork--> writer --splice--> spool --format--> x.log --full--> x.log.1 --child--> x.log.1.gz
//!                        ^                          |
//!                        +---- looks again ---------+ nothing came for a while: it ends
//! ```
//!
//! **Rules.** The keeper opens nothing but what is in the run folder: no disk, no foreign mount. What is in the FIFO, the spool and the
//! log is each byte exactly once: a byte leaves the FIFO into the spool in one system call, and what is written of the spool
//! follows from a record made before (`progress`), so that a writer killed at any instruction is gone on from. One writer at a
//! time, by a lock that the kernel takes back. A log's policy: *blocking*, where the container waits for its log, or
//! *non-blocking*, where a bounded spool fills up and what comes then is counted and missing, and the log says so.

mod address;
mod collector;
mod compose;
mod file;
mod folder;
mod format;
mod intake;
mod journal;
mod keeper;
mod line;
mod moment;
mod outlet;
mod piece;
mod progress;
mod read;
mod rotation;
mod scribe;
mod sink;
mod writer;

pub use address::{Cap, Destination, Policy, Target, decoded};
pub use folder::{Folder, Owner, Stream};
pub use keeper::{Ends, Log};
pub use line::{Line, Parsed, parse};
pub use moment::Moment;
pub use outlet::Outlet;
pub use read::{Query, Reader};
pub use scribe::Scribe;
