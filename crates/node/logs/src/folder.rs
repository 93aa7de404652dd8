//! A log's folder in the run folder: what outlives its writer and the supervisor.
//!
//! ```text
//! <pod>/streams/<name>/       0700
//!   log.json                  the address, whose log it is, where odd things are noted
//!   stdout stderr             FIFOs: open read-write in the container, for reading in the keeper
//!   writer                    locked by the living writer (fcntl(2)): F_GETLK says who that is
//!   progress                  what of the spools is written (progress.rs)
//!   stdout.spool stderr.spool what was taken; as long as all that ever was, with a hole where it is written
//!   compressor                locked (flock(2)) by whoever renames or compresses older files
//!   disk stdout.marks …       of a non-blocking log: the lock of whoever writes, and where something is missing
//! ```

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result};
use tare_store::Durability;

/// The longest record of a log.
const LONGEST: usize = 64 * 1024;
/// How long the file of notes grows.
const MOST_NOTES: u64 = 16 * 1024;

/// One of a container's output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }

    /// The stream of a name.
    pub fn named(name: &str) -> Option<Stream> {
        [Stream::Stdout, Stream::Stderr]
            .into_iter()
            .find(|stream| stream.name() == name)
    }

    /// Its place among two.
    pub(crate) fn place(self) -> usize {
        match self {
            Stream::Stdout => 0,
            Stream::Stderr => 1,
        }
    }
}

/// Whose log it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The namespace that the id is in.
    pub namespace: String,
    /// The container's id.
    pub container: String,
}

/// What a log's folder says about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) address: String,
    pub(crate) owner: Owner,
    pub(crate) streams: Vec<Stream>,
    /// The file in which it is noted what is odd.
    pub(crate) notes: PathBuf,
}

/// A log's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    /// A folder by its path; nothing is looked at.
    pub fn at(path: impl Into<PathBuf>) -> Folder {
        Folder(path.into())
    }

    /// Makes it, empty: what an earlier one left there is removed.
    pub(crate) fn create(&self, record: &Record) -> Result<()> {
        self.remove()?;
        make(&self.0)?;
        let path = self.0.join("log.json");
        let text = serde_json::to_vec(record)
            .map_err(|e| Error::new(Kind::Internal, "write", path.display()).from_source(e))?;
        for stream in &record.streams {
            let fifo = self.0.join(stream.name());
            let (kind, mode) = (rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR);
            rustix::fs::mknodat(CWD, &fifo, kind, mode, 0).op("make the FIFO", fifo.display())?;
        }
        // The last: a folder that has it is whole.
        tare_store::replace(&path, Durability::Volatile, 0o600, &text)
    }

    pub(crate) fn record(&self) -> Result<Record> {
        let path = self.0.join("log.json");
        let text = tare_store::read(&path, LONGEST).op("read", path.display())?;
        serde_json::from_slice(&text)
            .map_err(|e| Error::new(Kind::Corrupt, "read", path.display()).from_source(e))
    }

    /// Removes it with all that is in it; what has it open goes on.
    ///
    /// # Errors
    /// The kernel's; a folder that is gone is none.
    pub fn remove(&self) -> Result<()> {
        match std::fs::remove_dir_all(&self.0) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).op("remove", self.0.display()),
            _ => Ok(()),
        }
    }

    /// Moves it into another folder, which is made where it is not there: where it is then.
    pub(crate) fn move_into(&self, parent: &Path) -> Result<Folder> {
        make(parent)?;
        let moved = parent.join(self.0.file_name().unwrap_or_default());
        std::fs::rename(&self.0, &moved).op("move", self.0.display())?;
        Ok(Folder(moved))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Opens an end of a stream's FIFO. Never waits: reading is opened without a writer, and for both at once.
    pub(crate) fn fifo(&self, stream: Stream, flags: OFlags) -> Result<OwnedFd> {
        self.open(stream.name(), flags | OFlags::NONBLOCK)
    }

    /// Opens one of its files, for reading and writing; makes it where it is missing.
    pub(crate) fn file(&self, name: &str) -> Result<OwnedFd> {
        self.open(name, OFlags::RDWR | OFlags::CREATE)
    }

    /// Where nothing comes from and nothing goes.
    pub(crate) fn null() -> Result<OwnedFd, Errno> {
        rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
    }

    fn open(&self, name: &str, flags: OFlags) -> Result<OwnedFd> {
        let path = self.0.join(name);
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NOCTTY;
        rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR).op("open", path.display())
    }
}

/// Makes a folder, 0700, with those that it is in.
fn make(folder: &Path) -> Result<()> {
    let mut private = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700);
    let made = private.recursive(true).create(folder);
    made.op("make folder", folder.display())
}

/// Notes what is odd, for whoever looks for a reason; where that is not possible there is nobody to tell.
pub(crate) fn note(notes: &Path, line: impl std::fmt::Display) {
    let mut options = std::fs::File::options();
    let Ok(mut file) = options.create(true).append(true).open(notes) else {
        return;
    };
    if file.metadata().is_ok_and(|found| found.len() < MOST_NOTES) {
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }
}

/// Takes a lock on a whole file that this process alone has, and that the kernel takes back when it ends: whether it was free.
pub(crate) fn lock(file: &OwnedFd) -> Result<bool, Errno> {
    match rustix::fs::fcntl_lock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(false),
        Err(e) => Err(e),
    }
}
