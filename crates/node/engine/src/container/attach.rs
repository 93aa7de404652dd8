//! Joining streams with a container that lives and is somebody else's.

use super::place::Supervised;
use crate::Engine;
use crate::journal::Event;
use tare_error::{Error, Kind, Result};
use tare_shim::{Attach, Condition, Connection, Manner, Parted};

/// A container that can be joined.
#[derive(Debug)]
pub struct Attachable {
    id: String,
    connection: Connection,
    /// It has a terminal.
    pub terminal: bool,
    /// Its input is open.
    pub interactive: bool,
}

impl Engine {
    /// Finds a container that lives, to join streams with it.
    ///
    /// # Errors
    /// `NotFound` where there is no such container; `Conflict` where it does not run or stands still.
    pub fn attachable(&self, typed: &str) -> Result<Attachable> {
        let refused =
            |why: &str| Error::new(Kind::Conflict, "attach to container", typed).because(why.to_owned());
        let record = self.find_container(typed)?;
        let stopped = || {
            refused("you cannot attach to a stopped container, start it first")
                .hint(format!("`tare start -a {typed}` does both"))
        };
        let Some(Supervised { connection, state }) = self.find_supervisor(&record.id)? else {
            return Err(stopped());
        };
        match state {
            Ok((Condition::Stopped, _)) | Err(_) => return Err(stopped()),
            Ok((Condition::Paused, _)) => {
                return Err(refused(
                    "you cannot attach to a paused container, unpause it first",
                ));
            }
            Ok(_) => {}
        }
        let process = self.spec_of(&record.id)?.process.unwrap_or_default();
        self.note(&Event::new(self.subject(&record.id), "attach"));
        self.records().close();
        Ok(Attachable {
            id: record.id,
            connection,
            terminal: process.terminal,
            interactive: record.interactive,
        })
    }
}

impl Attachable {
    /// Joins them until the container has ended, or the keys part them; its exit code, where it has ended.
    ///
    /// # Errors
    /// As [`Connection::look_on`].
    pub fn join(&mut self, streams: &Attach<'_>, manner: &Manner) -> Result<Option<u8>> {
        match self.connection.look_on(&self.id, streams, manner)? {
            Parted::Ended(exit) => Ok(Some(exit.code)),
            Parted::Left => Ok(None),
        }
    }

    /// How many bytes of its output came faster than they were written, and were left out.
    pub fn missed(&self) -> u64 {
        self.connection.missed()
    }
}
