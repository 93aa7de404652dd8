//! The client's side: starting a supervisor, asking it, joining streams with a container's, and ending what one left.

mod attach;
mod connection;
mod container;
mod end;
mod exec;
mod fifos;
mod keys;
mod launch;
mod leaving;
mod pod;
mod raw;
mod relay;
mod runtime;
mod usage;

pub use attach::{Attach, Manner, Parted};
pub use connection::Connection;
pub use container::{CreateRequest, Created};
pub use end::{Ended, end};
pub use exec::{ExecRequest, Executed, Moment};
pub use keys::Keys;
pub use launch::{Launch, Starting, begin, find, launch};
pub use leaving::Leaving;
pub use runtime::{Maker, RuntimeCommand, ShimCommand};
