//! The records of one node in `tare.db`: images, containers, pods, volumes.

pub(crate) mod bundles;
pub mod containers;
pub mod images;
pub(crate) mod keys;
pub mod life;
pub mod pods;
pub mod schema;
pub mod volumes;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tare_database::Database;
use tare_database::sql::Transaction;
use tare_error::Result;

/// The database of an engine: opened with the first question, closed before this process forks or waits for long.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    open: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    database: Option<Database>,
    /// Commits of handles closed since.
    commits: u64,
}

impl Records {
    /// Records kept in the file at `path`; nothing is opened yet.
    pub fn new(path: &Path) -> Records {
        Records {
            path: path.to_owned(),
            open: Mutex::default(),
        }
    }

    /// Runs `body` on one consistent view.
    ///
    /// # Errors
    /// As [`Database::open`] and [`Database::read`].
    pub fn read<T>(
        &self,
        operation: &'static str,
        body: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.database(&mut self.state())?.read(operation, body)
    }

    /// For who decides by what is on record after somebody was killed who may have been about to write it: what that had not said
    /// by now it never will have. Costs a synced commit.
    ///
    /// # Errors
    /// As [`Database::open`] and [`Database::settle`].
    pub fn settle(&self, operation: &'static str) -> Result<()> {
        self.database(&mut self.state())?.settle(operation)
    }

    /// Runs `body` as one transaction, on disk when this returns. `body` does nothing but SQL.
    ///
    /// # Errors
    /// As [`Database::open`] and [`Database::write`].
    pub fn write<T>(
        &self,
        operation: &'static str,
        body: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.database(&mut self.state())?.write(operation, body)
    }

    /// As [`Records::write`], for what nobody misses after a power cut.
    ///
    /// # Errors
    /// As [`Database::open`] and [`Database::write_unsynced`].
    pub fn write_unsynced<T>(
        &self,
        operation: &'static str,
        body: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.database(&mut self.state())?.write_unsynced(operation, body)
    }

    /// As [`Records::write`], for what ends or removes something: that is possible on a full disk too.
    ///
    /// # Errors
    /// As [`Database::open`] and [`Database::write_in_reserve`].
    pub fn write_in_reserve<T>(
        &self,
        operation: &'static str,
        body: impl Fn(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.database(&mut self.state())?
            .write_in_reserve(operation, body)
    }

    /// Closes the database: to be called before this process forks (what is executed at once closes it by itself), and before it
    /// waits for something long. The next question opens it again.
    pub fn close(&self) {
        let mut state = self.state();
        if let Some(database) = state.database.take() {
            state.commits += database.synced_commits();
        }
    }

    /// How many synced commits this process has made.
    pub fn synced_commits(&self) -> u64 {
        let state = self.state();
        state.commits + state.database.as_ref().map_or(0, Database::synced_commits)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn database<'a>(&self, state: &'a mut State) -> Result<&'a mut Database> {
        match &mut state.database {
            Some(database) => Ok(database),
            none => Ok(none.insert(Database::open(&self.path, schema::MIGRATIONS)?)),
        }
    }
}

/// A time as records have it: seconds since 1970.
pub(crate) fn seconds(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
