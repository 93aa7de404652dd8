//! One blob on its way in: a locked partial file, hashed as it is written.

use crate::Hasher;
use oci_spec::image::Digest;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use tare_error::{Context, Error, Kind, Result};

/// A blob being written. Dropped before [`Ingest::verify`], it removes what it wrote.
#[derive(Debug)]
pub struct Ingest {
    partial: Partial,
    hasher: Hasher,
    size: Option<u64>,
    written: u64,
}

/// Bytes that are what their digest says and wait for their name: see [`crate::Store::publish`].
#[derive(Debug)]
pub struct Verified {
    pub(crate) partial: Partial,
    pub(crate) size: u64,
}

/// The file beside the blobs that bytes go into first; removed on drop unless it was renamed.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) file: File,
    pub(crate) dir: Arc<OwnedFd>,
    pub(crate) digest: Digest,
    name: String,
    renamed: bool,
}

impl Ingest {
    pub(crate) fn new(dir: Arc<OwnedFd>, digest: &Digest, size: Option<u64>) -> Result<Ingest> {
        let hasher = Hasher::like(digest)?;
        Ok(Ingest {
            partial: Partial::create(dir, digest)?,
            hasher,
            size,
            written: 0,
        })
    }

    /// The digest that the bytes must have.
    pub fn digest(&self) -> &Digest {
        &self.partial.digest
    }

    /// How many bytes were written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Ends the writing and compares length and digest.
    ///
    /// # Errors
    /// `Corrupt` naming what was expected and what came; the partial is removed.
    pub fn verify(self) -> Result<Verified> {
        let wrong =
            |reason: String| Error::new(Kind::Corrupt, "check blob", &self.partial.digest).because(reason);
        if let Some(size) = self.size
            && size != self.written
        {
            return Err(wrong(format!("expected {size} bytes, got {}", self.written)));
        }
        let got = self.hasher.finish()?;
        if got != self.partial.digest {
            return Err(wrong(format!("expected {}, got {got}", self.partial.digest)));
        }
        Ok(Verified {
            partial: self.partial,
            size: self.written,
        })
    }

    /// [`Ingest::verify`] and publish, for a blob that comes alone.
    ///
    /// # Errors
    /// As [`Ingest::verify`], and the file system's.
    pub fn commit(self) -> Result<()> {
        self.verify()?.publish_alone()
    }
}

impl Write for Ingest {
    /// Bytes beyond the promised length are refused at once, so that a lying peer cannot fill the disk.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let after = self.written.saturating_add(buf.len() as u64);
        if let Some(size) = self.size
            && after > size
        {
            return Err(io::Error::other(
                Error::new(Kind::Corrupt, "check blob", &self.partial.digest)
                    .because(format!("expected {size} bytes, got more")),
            ));
        }
        let n = self.partial.file.write(buf)?;
        self.hasher.update(&buf[..n]);
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Verified {
    /// The digest, now true.
    pub fn digest(&self) -> &Digest {
        &self.partial.digest
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes, from whatever offset the descriptor stands at: seek or use positioned reads.
    pub fn file(&self) -> &File {
        &self.partial.file
    }

    /// Flush, rename, flush the directory.
    pub(crate) fn publish_alone(mut self) -> Result<()> {
        rustix::fs::fsync(&self.partial.file).op("flush blob", &self.partial.digest)?;
        self.partial.rename()?;
        rustix::fs::fsync(&self.partial.dir).op("flush the directory of blob", &self.partial.digest)
    }
}

impl Partial {
    fn create(dir: Arc<OwnedFd>, digest: &Digest) -> Result<Partial> {
        let mut random = [0_u8; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .op("name partial of", digest)?;
        let name = format!(".{}.{}.partial", digest.digest(), crate::hasher::hex("", &random));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(&dir, &name, flags, Mode::from(0o600)).op("create partial of", digest)?;
        let partial = Partial {
            file: File::from(file),
            dir,
            digest: digest.clone(),
            name,
            renamed: false,
        };
        // Not contended: the name is random. A sweep between open and lock looks at the age and leaves it alone.
        rustix::fs::flock(&partial.file, FlockOperation::NonBlockingLockExclusive)
            .op("lock partial of", digest)?;
        Ok(partial)
    }

    /// Gives the bytes their name; they are flushed already.
    pub(crate) fn rename(&mut self) -> Result<()> {
        rustix::fs::renameat(&self.dir, &self.name, &self.dir, self.digest.digest())
            .op("publish blob", &self.digest)?;
        self.renamed = true;
        Ok(())
    }
}

impl AsFd for Partial {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.renamed {
            // What cannot be removed now is swept by age.
            let _ = rustix::fs::unlinkat(&self.dir, &self.name, AtFlags::empty());
        }
    }
}
