//! The supervisor: to containerd a shim of version 2 (`docs/design/shim-v2.md`), whose containers are the library's own.
//!
//! ```text
//! containerd --exec--> start --fork--> serve: ttrpc calls -> containers -> processes -> their ends -> events
//!     |                  |                         ^
//!     |                  +-- the address ----------+ connects
//!     +--exec--> delete, where the connection broke: what is left is ended, and the record is read
//! ```
//!
//! Our own engine asks by the same calls: it starts the supervisor itself, is its keeper, and needs no `start` and no `delete`.
//!
//! The loop handles what epoll reports, makes the steps that became possible, and computes anew what to wait for. Nothing
//! in it waits: making, starting and entering go on in steps, and a process's streams are the client's own FIFOs.

mod adoption;
mod arguments;
mod birth;
mod calls;
mod connection;
mod container;
mod creation;
mod delete;
mod departure;
mod foreign;
mod handing;
mod health;
mod held_up;
mod home;
mod journal;
mod keeper;
mod life;
mod memory;
mod options;
mod process;
mod publisher;
mod record;
mod sandbox;
mod serve;
mod service;
mod source;
mod start;
mod stats;
mod stdio;
mod telling;
mod tree;
mod upgrade;

pub use arguments::{Action, Arguments, Own};
pub(crate) use container::EXIT_RECORD;
pub(crate) use foreign::find as foreign_record;
pub use foreign::{mount_root, unmount_root};
pub(crate) use home::{Home, SUPERVISORS};
pub(crate) use keeper::KeeperState;
pub(crate) use options::lines;
pub(crate) use sandbox::FILE as SANDBOX;

use std::io::Read;
use tare_error::{Error, Kind, Result};
use tare_spec_containerd::types::{RuntimeInfo, RuntimeVersion};
use tare_spec_containerd::{Any, Message, typeurl};

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
        Action::Info => info(),
        Action::Upgrade => upgrade::upgrade(arguments),
        Action::CheckState => upgrade::check_state(),
    }
}

/// What a supervisor says to whoever started it where it cannot come to itself: one line, which is read again there.
pub fn last_word(error: &Error) -> String {
    serde_json::to_string(&crate::failure::Failure::from(error))
        .unwrap_or_else(|_| tare_error::Report::new(error).to_string())
}

fn version() -> String {
    format!(
        "containerd-shim-tare-v2:\n  Version:  {}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// What the runtime can do. containerd and docker ask before they offer recursive read-only or idmapped mounts.
fn info() -> Result<Vec<u8>> {
    let mut options = Vec::new();
    // A closed or unreadable one says nothing.
    let _ = std::io::stdin()
        .lock()
        .take(start::MOST_INPUT)
        .read_to_end(&mut options);
    let options = Any::decode(options.as_slice()).ok();
    let options = options.filter(|any| !any.type_url.is_empty());
    let failed = |e| Error::new(Kind::Internal, "describe", "the runtime").from_source(e);
    let features = match foreign::features(options.as_ref()) {
        Some(features) => features,
        None => serde_json::to_vec(&tare_lifecycle::features()).map_err(failed)?,
    };
    let info = RuntimeInfo {
        name: "io.containerd.tare.v2".to_owned(),
        version: Some(RuntimeVersion {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: String::new(),
        }),
        options,
        features: Some(Any::json(typeurl::FEATURES, features)),
        annotations: std::collections::BTreeMap::new(),
    };
    Ok(info.encode_to_vec())
}
