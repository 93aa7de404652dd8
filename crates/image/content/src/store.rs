//! The directory of blobs: look up, take in, list, remove, sweep.

use crate::ingest::{Ingest, Verified};
use oci_spec::image::{Digest, DigestAlgorithm};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tare_error::{Context, Error, Kind, Result};

/// The content store below one directory. Several processes may have it open at once.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    sha256: Arc<OwnedFd>,
    sha512: Arc<OwnedFd>,
}

/// The answer to "I am about to bring this blob".
#[derive(Debug)]
pub enum Ingestion {
    /// It is here already, whole; nothing needs to be fetched.
    Present(File),
    /// Write it here.
    Absent(Ingest),
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Partials removed.
    pub files: u64,
    /// Bytes they held.
    pub bytes: u64,
}

impl Store {
    /// Opens the store at `path` (`<data>/content`), making it where it is missing.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(path: &Path) -> Result<Store> {
        match rustix::fs::mkdir(path, Mode::from(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(Error::os("create content store", path.display(), e)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top =
            rustix::fs::openat(CWD, path, flags, Mode::empty()).op("open content store", path.display())?;
        let below = |name: &str| -> Result<Arc<OwnedFd>> {
            match rustix::fs::mkdirat(&top, name, Mode::from(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => return Err(Error::os("create content store", path.join(name).display(), e)),
            }
            rustix::fs::openat(&top, name, flags | OFlags::NOFOLLOW, Mode::empty())
                .map(Arc::new)
                .op("open content store", path.join(name).display())
        };
        Ok(Store {
            path: path.to_owned(),
            sha256: below("sha256")?,
            sha512: below("sha512")?,
        })
    }

    /// Where the store is: for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The blob named `digest`, opened for reading, or `None`.
    ///
    /// # Errors
    /// `Unsupported` for another algorithm, else the file system's.
    pub fn blob(&self, digest: &Digest) -> Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(self.dir(digest)?, digest.digest(), flags, Mode::empty()) {
            Ok(fd) => Ok(Some(File::from(fd))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(Error::os("open blob", digest, e)),
        }
    }

    /// Begins to take in the blob `digest` of `size` bytes (where known).
    ///
    /// # Errors
    /// `Unsupported` for another algorithm; `Corrupt` where the present blob has another size than promised (one
    /// digest, two lengths: the promise is a lie); else the file system's.
    pub fn ingest(&self, digest: &Digest, size: Option<u64>) -> Result<Ingestion> {
        if let Some(file) = self.blob(digest)? {
            let have = file.metadata().op("look at blob", digest)?.len();
            return match size {
                Some(size) if size != have => Err(Error::new(Kind::Corrupt, "check blob", digest)
                    .because(format!("expected {size} bytes, got {have}"))),
                _ => Ok(Ingestion::Present(file)),
            };
        }
        Ingest::new(Arc::clone(self.dir(digest)?), digest, size).map(Ingestion::Absent)
    }

    /// Takes in a blob that is in memory (a manifest, a configuration).
    ///
    /// # Errors
    /// As [`Store::ingest`] and [`Ingest::commit`].
    pub fn put(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        match self.ingest(digest, Some(bytes.len() as u64))? {
            Ingestion::Present(_) => Ok(()),
            Ingestion::Absent(mut ingest) => {
                std::io::Write::write_all(&mut ingest, bytes).op("write blob", digest)?;
                ingest.commit()
            }
        }
    }

    /// Names several verified blobs with one flush of the file system before and one of each directory after.
    ///
    /// # Errors
    /// The file system's; blobs not yet named are then removed.
    pub fn publish(&self, blobs: Vec<Verified>) -> Result<()> {
        let first = match blobs.first() {
            None => return Ok(()),
            Some(_) if blobs.len() == 1 => return blobs.into_iter().try_for_each(Verified::publish_alone),
            Some(first) => first,
        };
        rustix::fs::syncfs(&first.partial).op("flush content store", self.path.display())?;
        for mut blob in blobs {
            blob.partial.rename()?;
        }
        for dir in [&self.sha256, &self.sha512] {
            rustix::fs::fsync(dir).op("flush content store", self.path.display())?;
        }
        Ok(())
    }

    /// Removes a blob; `false` where it was not there.
    ///
    /// # Errors
    /// The file system's.
    pub fn remove(&self, digest: &Digest) -> Result<bool> {
        match rustix::fs::unlinkat(self.dir(digest)?, digest.digest(), AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(Error::os("remove blob", digest, e)),
        }
    }

    /// All whole blobs with their sizes, in no order.
    ///
    /// # Errors
    /// The file system's.
    pub fn list(&self) -> Result<Vec<(Digest, u64)>> {
        let mut blobs = Vec::new();
        for (algorithm, dir) in self.dirs() {
            for name in names(dir).op("list content store", self.path.display())? {
                let Ok(digest) = Digest::try_from(format!("{algorithm}:{name}")) else {
                    continue;
                };
                match rustix::fs::statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => blobs.push((digest, u64::try_from(stat.st_size).unwrap_or(0))),
                    Err(Errno::NOENT) => {}
                    Err(e) => return Err(Error::os("look at blob", digest, e)),
                }
            }
        }
        Ok(blobs)
    }

    /// Removes partials that nobody writes and that were last written more than `age` ago.
    ///
    /// # Errors
    /// The file system's.
    pub fn sweep(&self, age: Duration) -> Result<Swept> {
        let mut swept = Swept::default();
        for (_, dir) in self.dirs() {
            for name in names(dir).op("list content store", self.path.display())? {
                if !name.starts_with('.') || !name.ends_with(".partial") {
                    continue;
                }
                if let Some(bytes) = sweep_one(dir, &name, age).op("sweep partial", &name)? {
                    swept.files += 1;
                    swept.bytes += bytes;
                }
            }
        }
        Ok(swept)
    }

    fn dirs(&self) -> [(DigestAlgorithm, &Arc<OwnedFd>); 2] {
        [
            (DigestAlgorithm::Sha256, &self.sha256),
            (DigestAlgorithm::Sha512, &self.sha512),
        ]
    }

    /// The directory for the algorithm; the spec's type has checked that the value is hexadecimal of the right length.
    fn dir(&self, digest: &Digest) -> Result<&Arc<OwnedFd>> {
        match digest.algorithm() {
            DigestAlgorithm::Sha256 => Ok(&self.sha256),
            DigestAlgorithm::Sha512 => Ok(&self.sha512),
            other => Err(Error::new(Kind::Unsupported, "look up blob", digest)
                .because(format!("algorithm {other} is not one of sha256, sha512"))),
        }
    }
}

/// Removes one partial that is old and unlocked; its size, or `None` where it stays.
fn sweep_one(dir: &OwnedFd, name: &str, age: Duration) -> std::io::Result<Option<u64>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let about = file.metadata()?;
    let old = SystemTime::now()
        .duration_since(about.modified()?)
        .is_ok_and(|unused| unused >= age);
    if !old {
        return Ok(None);
    }
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::AGAIN) => return Ok(None),
        Err(e) => return Err(e.into()),
    }
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) => Ok(Some(about.len())),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// The names in a directory, `.` and `..` apart; names that are not text are not ours.
fn names(dir: &OwnedFd) -> rustix::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        if let Ok(name) = entry?.file_name().to_str()
            && name != "."
            && name != ".."
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
