//! The wire between a client and a supervisor: framing, messages and errors that survive the crossing.
//!
//! ```text
//! frame    = kind u8, length u32 (little endian), payload
//! control  = Hello | Request | Reply | Notice        JSON, at most 4 MiB
//! data     = Stdin | Stdout | Stderr                 raw bytes, at most 64 KiB; empty = end of the stream
//! Credit   = stream u8, bytes u32 (little endian)    the receiver of a stream has room for so many bytes more
//!
//! client                                  supervisor
//!   Hello{version}  ------------------->                    the first frame of each side, nothing before it
//!                   <-------------------  Hello{version}    or Reply{id 0, error} and the end
//!   Request{1, Create}  --------------->
//!                   <-------------------  Reply{1, Created{pid}} | Reply{1, error}
//!   Request{2, Attach}  --------------->
//!   Stdin.. Credit..  <--------------->   Stdout.. Stderr.. Credit..
//!                   <-------------------  Notice{Exited}    after the last byte of both streams
//!   Request{3, Reaped}  --------------->                    the end: the supervisor leaves
//! ```
//!
//! Each stream starts with [`WINDOW`] bytes of credit. A sender that exceeds its credit, a frame of unknown kind, one
//! that is too long, and anything before the greeting end the connection.

mod failure;
mod frame;
pub(crate) mod hexadecimal;
mod message;
mod wire;

pub use failure::{Failure, restore};
pub use frame::{Credit, FrameKind, HEADER, MAX_CONTROL, MAX_DATA, Malformed, Parsed, Stream, parse, push};
pub use message::{
    Answer, Call, CreateRequest, Exit, Filter, Hangup, Hello, Notice, Oom, Phase, Reply, Request, State,
    WindowSize,
};
pub use wire::{Filled, Received, Wire};

/// The version of the protocol; both sides must speak the same until a second one exists.
pub const VERSION: u32 = 1;

/// How many bytes of one stream may be on their way, unacknowledged.
pub const WINDOW: u32 = 64 * 1024;
