//! A small D-Bus client: one connection, one thread, calls that wait for their answer with an end in sight.
//!
//! Values, messages and their bounds are in this room's files; nothing here knows of systemd. What comes in is outside
//! bytes: at most 1 MiB a message, read without recursion on its length, refused where it breaks the specification.

mod address;
mod connection;
mod message;
mod wire;

pub use address::Endpoint;
pub use connection::{Connection, Deadline, Fault};
pub use message::{Call, MESSAGE_MAX, Malformed, Message, MessageKind, PREFIX, Reader, length};
pub use wire::Value;

#[cfg(test)]
pub(crate) use message::tests::{answer, header};
