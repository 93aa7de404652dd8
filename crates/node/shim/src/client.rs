//! The client's side: start a supervisor, have it make a container, relay its streams, say good-bye.

mod attach;
mod connection;
mod launch;
mod raw;
mod relay;

pub use attach::Attach;
pub use connection::{Connection, Created};
pub(crate) use connection::{timespec, wait_readable};
pub use launch::{Launch, launch};
