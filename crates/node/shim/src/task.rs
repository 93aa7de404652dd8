//! The supervisor under containerd: a shim of version 2 (`docs/design/shim-v2.md`), whose containers are the library's own.
//!
//! ```text
//! containerd --exec--> start --fork--> serve: ttrpc calls -> containers -> processes -> their ends -> events
//!     |                  |                         ^
//!     |                  +-- the address ----------+ connects
//!     +--exec--> delete, where the connection broke: what is left is ended, and the record is read
//! ```
//!
//! The loop handles what epoll reports, makes the steps that became possible, and computes anew what to wait for. Nothing
//! in it waits: making, starting and entering go on in steps, and a process's streams are the client's own FIFOs.

mod arguments;
mod calls;
mod connection;
mod container;
mod creation;
mod delete;
mod options;
mod process;
mod publisher;
mod serve;
mod service;
mod source;
mod start;
mod stats;
mod stdio;

pub use arguments::{Action, Arguments};

use tare_error::{Error, Kind, Result};

/// Does what containerd started this program for; what is to be said on standard output.
///
/// # Errors
/// The action's. [`Action::Serve`] comes back when its containers are gone.
pub fn run(arguments: &Arguments) -> Result<Vec<u8>> {
    match arguments.action {
        Action::Start => start::start(arguments).map(String::into_bytes),
        Action::Delete => delete::delete(arguments),
        Action::Serve => serve::serve(arguments).map(|()| Vec::new()),
        Action::Version => Ok(version().into_bytes()),
        Action::Info => {
            Err(Error::new(Kind::Unsupported, "describe", "the runtime").because("-info is not served yet"))
        }
    }
}

fn version() -> String {
    format!(
        "containerd-shim-tare-v2:\n  Version:  {}\n",
        env!("CARGO_PKG_VERSION")
    )
}
