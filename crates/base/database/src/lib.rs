//! **What.** SQLite as Tare uses it: one file, several processes, each commit on disk when it returns.
//!
//! **Not.** No tables (their owners give the migrations), no cache, no pool.
//!
//! **Words.** *Migration*: one step from schema version n to n+1 (`PRAGMA user_version`). *Synced commit*: a
//! transaction that changed something and is on disk, hence one `fsync` of the write-ahead log. *Unsynced commit*: one
//! that all processes see at once, and that a power cut may undo, with those after it and without those before it. *Settled*:
//! no commit of a process that was killed can come to be seen any more.
//!
//! **Life.** `Database::open(path, migrations)` → `read` / `write` → drop. Open late, and close before a child is
//! spawned: a run needs it only to record what was asked.
//!
//! **Rules.** `write` is one `IMMEDIATE` transaction and its body does nothing but SQL: no file, process or network
//! call while others wait. What `write` returned survives a power cut: it syncs the log itself, when the commit is seen
//! by all and holds up nobody. No connection crosses a fork: the fd is close-on-exec, use from another process is an error, and
//! drop there does nothing (SQLite, "How To Corrupt An SQLite Database File", 2.6). A damaged file is an error, never replaced.
//!
//! ```
//! # fn main() -> tare_error::Result<()> {
//! # let path = std::env::temp_dir().join(format!("tare-database-doc-{}.db", std::process::id()));
//! use tare_database::{Database, Migration, Query};
//! const SCHEMA: &[Migration] = &[Migration { name: "pets", sql: "CREATE TABLE pets (name TEXT NOT NULL)" }];
//! let mut database = Database::open(&path, SCHEMA)?;
//! database.write("add pet", |tx| tx.execute("INSERT INTO pets VALUES (?1)", ["rex"]).query("add", "rex"))?;
//! let count: i64 = database.read("count pets", |tx| {
//!     tx.query_row("SELECT count(*) FROM pets", [], |row| row.get(0)).query("count", "pets")
//! })?;
//! assert_eq!(count, 1);
//! # for end in ["", "-wal", "-shm"] { std::fs::remove_file(format!("{}{end}", path.display())).ok(); }
//! # Ok(())
//! # }
//! ```

mod filesystem;
mod migrate;
mod query;

pub use migrate::Migration;
pub use query::Query;
/// The SQL library itself: statements, parameters, rows.
pub use rusqlite as sql;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tare_error::{Context, Error, Kind, Result, While};
use tare_store::Reserve;

/// How long a writer waits for another before it gives up.
const BUSY: Duration = Duration::from_secs(30);

/// Bytes of the write-ahead log from which on it is moved into the file and cut to nothing.
///
/// The first process after all others have gone reads the whole log, and a process of ours is most often alone: what
/// stands in the log is paid by every command, so it is kept short. SQLite's own automatic checkpoint would move the
/// pages again and again and never shorten the log, as what it remembers of them dies with the last connection
/// (observed: 310 pages read and four more fsyncs with every command, for ever).
const LONGEST_LOG: u64 = 256 * 1024;

/// What is kept beside the file for writing that something has ended or goes: the memory that its users share (32 KiB), which is
/// made anew by the first of them, and some pages of the log.
const RESERVE: u64 = 256 * 1024;

/// What file(1) tells such a file by: `Tare`.
const APPLICATION: i32 = i32::from_be_bytes(*b"Tare");

/// An open database; belongs to the process that opened it.
#[derive(Debug)]
pub struct Database {
    /// `None` only while dropping.
    connection: Option<Connection>,
    path: PathBuf,
    owner: u32,
    commits: u64,
    /// Whether the name of the log's file may not be on disk yet.
    log_is_new: bool,
}

impl Database {
    /// Opens the file at `path`, makes it if there is none, and brings its schema up to the last of `migrations`.
    ///
    /// # Errors
    /// `Unsupported` on a network file system and for a schema newer than ours; `Corrupt` for a damaged file;
    /// `Conflict` where another process keeps it locked; else the kernel's.
    pub fn open(path: &Path, migrations: &[Migration]) -> Result<Database> {
        match Database::try_open(path, migrations) {
            // Whoever wants to read or to remove something needs what its users share.
            Err(e) if e.kind() == Kind::Exhausted && reserve(path).give_up() => {
                Database::try_open(path, migrations)
            }
            opened => {
                let opened = opened?;
                reserve(path).keep();
                Ok(opened)
            }
        }
    }

    fn try_open(path: &Path, migrations: &[Migration]) -> Result<Database> {
        let shown = path.display();
        filesystem::refuse_network(path)?;
        let _alone = make_first(path)?;
        let log_is_new = !log_of(path).exists();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).query("open database", &shown)?;
        configure(&connection, log_is_new).query("open database", &shown)?;
        let mut database = Database {
            connection: Some(connection),
            path: path.to_owned(),
            owner: std::process::id(),
            commits: 0,
            log_is_new,
        };
        if migrate::run(database.connection()?, migrations).during("open database", &shown)? {
            database.committed("migrate")?;
            // Whoever finds nobody else here reads the whole log: the schema is not to lie there until that is long.
            database.empty_log();
        }
        Ok(database)
    }

    /// Runs `body` on one consistent view of the data; nothing it does is kept.
    ///
    /// # Errors
    /// Those of `body`, and SQLite's.
    pub fn read<T>(
        &mut self,
        operation: &'static str,
        body: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let tx = self.begin(operation, TransactionBehavior::Deferred)?;
        body(&tx)
    }

    /// Runs `body` as one transaction: all of it is on disk when this returns, or none of it.
    ///
    /// The lock is taken at the start (`IMMEDIATE`), so `body` sees the last state and cannot lose to another
    /// writer half-way. `body` must do nothing but SQL.
    ///
    /// # Errors
    /// Those of `body` (then nothing is kept), `Conflict` after half a minute behind other writers, `Exhausted` on
    /// a full disk, else SQLite's.
    pub fn write<T>(
        &mut self,
        operation: &'static str,
        body: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let (value, changed) = self.transact(operation, body)?;
        if changed {
            self.sync_log()?;
            self.committed(operation)?;
            self.shorten_log();
        }
        Ok(value)
    }

    /// As [`Database::write`], for what nobody misses after a power cut: it is not waited for the disk. The file stays whole
    /// whatever happens.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub fn write_unsynced<T>(
        &mut self,
        operation: &'static str,
        body: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let (value, _) = self.transact(operation, body)?;
        self.shorten_log();
        Ok(value)
    }

    /// As [`Database::write`], for what ends or removes something: that is possible where there is no space for anything else.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub fn write_in_reserve<T>(
        &mut self,
        operation: &'static str,
        body: impl Fn(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.in_reserve(|database| database.write(operation, &body))
    }

    /// Does it once more, by the reserve, where there was no space for it.
    fn in_reserve<T>(&mut self, act: impl Fn(&mut Database) -> Result<T>) -> Result<T> {
        match act(self) {
            Err(e) if e.kind() == Kind::Exhausted && reserve(&self.path).give_up() => act(self),
            done => done,
        }
    }

    /// Has the last word after another process was killed, which may have been in the middle of a commit: what cannot be seen
    /// when this returns never will be.
    ///
    /// A commit stands in the log first, and only then the index that all users share says that it is there. Who is killed in
    /// between has told nobody. But the first process that finds itself alone makes the index anew, from the log, and the commit is
    /// there after all: long after others saw that it was not, and cleared away what belonged to it. A transaction after the last one
    /// that can be seen writes over it.
    ///
    /// # Errors
    /// As [`Database::write_in_reserve`].
    pub fn settle(&mut self, operation: &'static str) -> Result<()> {
        // The least that can be written; nobody but file(1) reads it.
        let sign = |tx: &Transaction<'_>| {
            tx.pragma_update(None, "application_id", APPLICATION)
                .query(operation, "application_id")
        };
        self.in_reserve(|database| database.transact(operation, sign))?;
        // With all that was said by others, and is acted upon now.
        self.sync_log()
    }

    /// Waits until what is in the log is on disk. SQLite itself would (`synchronous=FULL`), before it says to the other users that
    /// the commit is there: they would wait too, and for those milliseconds a writer that is killed leaves one half-said.
    fn sync_log(&self) -> Result<()> {
        let log = log_of(&self.path);
        rustix::fs::openat(CWD, &log, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .and_then(rustix::fs::fdatasync)
            .op("sync", log.display())
    }

    /// One transaction, and whether it changed anything.
    fn transact<T>(
        &mut self,
        operation: &'static str,
        body: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<(T, bool)> {
        let path = self.path.clone();
        let tx = self.begin(operation, TransactionBehavior::Immediate)?;
        let before = tx.total_changes();
        let value = body(&tx)?;
        let changed = tx.total_changes() != before;
        tx.commit().query(operation, path.display())?;
        Ok((value, changed))
    }

    /// Moves a long log into the file.
    fn shorten_log(&mut self) {
        if std::fs::metadata(log_of(&self.path)).is_ok_and(|about| about.len() > LONGEST_LOG) {
            self.empty_log();
        }
    }

    /// Moves the log into the file. Where another process reads or writes just now it is left to a later commit.
    fn empty_log(&mut self) {
        if let Ok(connection) = self.connection() {
            // Nobody is waited for, and what was committed is on disk whether or not this succeeds.
            let _ = connection.busy_timeout(Duration::ZERO);
            let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            let _ = connection.busy_timeout(BUSY);
        }
    }

    /// How many synced commits this handle has made.
    pub fn synced_commits(&self) -> u64 {
        self.commits
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn begin(&mut self, operation: &'static str, how: TransactionBehavior) -> Result<Transaction<'_>> {
        let shown = self.path.display().to_string();
        self.connection()?
            .transaction_with_behavior(how)
            .query(operation, shown)
    }

    fn connection(&mut self) -> Result<&mut Connection> {
        let forked = self.owner != std::process::id();
        match &mut self.connection {
            Some(connection) if !forked => Ok(connection),
            _ => Err(Error::new(Kind::Internal, "use database", self.path.display())
                .because("it was opened by another process")),
        }
    }

    /// After a commit that was waited for. The name of the log's file is once, too: SQLite as we build it does not do that, and by
    /// itself would do it again in every process.
    fn committed(&mut self, operation: &'static str) -> Result<()> {
        if self.log_is_new {
            sync_folder(filesystem::folder(&self.path))?;
            self.log_is_new = false;
        }
        self.commits += 1;
        // What a test counts from outside, over several processes of one command.
        tracing::debug!(op = operation, commits = self.commits, "synced commit");
        Ok(())
    }
}

fn sync_folder(folder: &Path) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, folder, flags, Mode::empty())
        .and_then(rustix::fs::fsync)
        .op("sync folder", folder.display())
}

/// The write-ahead log of a database.
fn log_of(path: &Path) -> PathBuf {
    let mut log = path.to_owned().into_os_string();
    log.push("-wal");
    log.into()
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.owner != std::process::id() {
            // Closing here would drop the locks that the opener still holds (fcntl(2), POSIX locks).
            std::mem::forget(self.connection.take());
        }
    }
}

fn reserve(path: &Path) -> Reserve {
    let mut name = path.to_owned().into_os_string();
    name.push("-reserve");
    Reserve::new(name.into(), RESERVE)
}

/// Makes the file, private, where there is none; whoever meets an empty one sets it up alone.
///
/// Two that switch a new file to WAL at once would see `SQLITE_BUSY` without a wait. The file is never opened
/// here: closing a second fd of it would drop the locks of this process's other connections (fcntl(2)).
fn make_first(path: &Path) -> Result<Option<OwnedFd>> {
    let shown = path.display();
    // SQLite would make it readable for all; its -wal and -shm take the mode of the file.
    match rustix::fs::mknodat(CWD, path, FileType::RegularFile, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(e) => return Err(Error::os("make database", shown, e)),
    }
    if rustix::fs::stat(path).op("open database", &shown)?.st_size > 0 {
        return Ok(None);
    }
    let folder = filesystem::folder(path);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(CWD, folder, flags, Mode::empty()).op("open folder", folder.display())?;
    rustix::fs::flock(&folder, FlockOperation::LockExclusive).op("lock folder of", &shown)?;
    Ok(Some(folder))
}

/// Settings of each connection. What is a statement costs every command, so it is none where SQLite has another way, or a default
/// (`synchronous=NORMAL`, by which the file stays whole, and `wal_autocheckpoint=0`, as we build it).
fn configure(connection: &Connection, log_is_new: bool) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    // Without this the last to close would move the log into the file: two more fsyncs for every short command.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    if log_is_new {
        // The file remembers it, and its log stays.
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
