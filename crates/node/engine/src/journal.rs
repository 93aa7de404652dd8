//! What was done here, by whom, and what came of it: one journal for `tare events` and for the audit.
//!
//! ```text
//! <data>/journal/               0700
//!   lock                        held by who writes, for the moment of one write
//!   events.jsonl                one JSON object a line, the newest last
//!   events.jsonl.1 … .4         older ones
//! <run>/journal-gap             what could not be written, a line each, until something can
//! ```
//!
//! A record is appended by one `write(2)` under a lock, and never synced: a power cut may take the last ones. Where it cannot be
//! written (a full or read-only disk) the action goes on; the next record that can be is preceded by one that says how many are
//! missing, since when and why. Readers hold no lock: a line that is no record is passed over.

mod append;
mod caller;
mod event;
mod forward;
mod read;

pub use event::{Event, Subject};
pub use forward::Forward;
pub use read::{EventFilter, Events};

use crate::Engine;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The journal of an engine.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    /// Where it is remembered what could not be written.
    gap: PathBuf,
    forward: Forward,
    door: &'static str,
    /// Who asks: looked up with the first record.
    caller: OnceLock<serde_json::Value>,
}

impl Journal {
    pub(crate) fn new(folder: PathBuf, gap: PathBuf, forward: Forward, door: &'static str) -> Journal {
        Journal {
            folder,
            gap,
            forward,
            door,
            caller: OnceLock::new(),
        }
    }
}

impl Engine {
    /// Writes down that something was done, or could not be. Never fails, and never waits for a disk to be synced.
    pub fn note(&self, event: &Event) {
        self.journal().append(event);
    }

    /// What was written down, from the oldest record that is kept.
    ///
    /// # Errors
    /// The kernel's.
    pub fn events(&self) -> tare_error::Result<Events> {
        Events::open(&self.journal().folder)
    }
}

#[cfg(test)]
mod tests;
