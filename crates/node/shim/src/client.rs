//! The client's side: starting a supervisor, asking it, joining streams with a container's, and ending what one left.

mod attach;
mod connection;
mod container;
mod end;
mod exec;
mod fifos;
mod launch;
mod raw;
mod relay;
mod runtime;

pub use attach::Attach;
pub use connection::Connection;
pub use container::{CreateRequest, Created};
pub use end::{Ended, end};
pub use exec::{ExecRequest, Executed};
pub use launch::{Launch, find, launch};
pub use runtime::RuntimeCommand;
