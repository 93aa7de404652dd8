//! A log's file: appended to, and found again where others have moved it.

use crate::address::Cap;
use crate::folder::Folder;
use crate::progress::Place;
use crate::rotation::{self, Compressor};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tare_error::{Context, Result};

/// How often it is looked whether the file still has its name.
const LOOK: Duration = Duration::from_secs(1);

/// A file that is open.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    cap: Cap,
    file: OwnedFd,
    place: Place,
    /// Whether it can be capped: a device or a FIFO cannot.
    is_regular: bool,
    looked: Instant,
    compressor: Option<Compressor>,
    folder: Folder,
}

impl LogFile {
    /// Opens it; it is made where it is missing.
    pub(crate) fn open(path: &Path, cap: Cap, of: &Folder) -> Result<LogFile> {
        let file = opened(path).op("open", path.display())?;
        let found = rustix::fs::fstat(&file).op("look at", path.display())?;
        Ok(LogFile {
            path: path.to_owned(),
            cap,
            file,
            place: place(&found),
            is_regular: FileType::from_raw_mode(found.st_mode) == FileType::RegularFile,
            looked: Instant::now(),
            compressor: None,
            folder: of.clone(),
        })
    }

    /// Which file, and how long it is.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// How much goes into it still; none where any amount does.
    pub(crate) fn room(&self) -> Option<u64> {
        let size = self.cap.size.filter(|_| self.is_regular)?;
        Some(size.saturating_sub(self.place.length))
    }

    /// Writes some of `bytes`, at its end.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        let written = rustix::io::write(&self.file, bytes)?;
        self.place.length += u64::try_from(written).unwrap_or(0);
        Ok(written)
    }

    /// Opens it anew where somebody has moved, removed or shortened it: now and then, or `now`.
    pub(crate) fn look(&mut self, now: bool) -> Result<(), Errno> {
        if !now && self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        match rustix::fs::stat(&self.path) {
            Ok(found) if same(place(&found), self.place) => self.place = place(&found),
            Ok(_) | Err(Errno::NOENT) => self.reopen()?,
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), Errno> {
        self.file = opened(&self.path)?;
        self.place = place(&rustix::fs::fstat(&self.file)?);
        Ok(())
    }

    /// Puts it aside as the first of the older ones, and begins a new one. Waits until the one before is compressed, be it by a
    /// child of a writer that was killed: it knows its file by its name.
    pub(crate) fn rotate(&mut self) -> Result<(), Errno> {
        self.finish();
        let lock = self.folder.file("compressor").ok();
        if let Some(lock) = &lock {
            rustix::fs::flock(lock, FlockOperation::LockExclusive)?;
        }
        if self.cap.files <= 1 {
            rustix::fs::ftruncate(&self.file, 0)?;
            self.place.length = 0;
            return Ok(());
        }
        rotation::shift(&self.path, self.cap.files)?;
        // Only a kill means anything here.
        let _ = tare_failpoint::pass("log-shifted");
        self.reopen()?;
        if self.cap.compress {
            self.compressor = Compressor::start(&rotation::older(&self.path, 1, false), lock);
        }
        Ok(())
    }

    /// Waits for what it has begun.
    pub(crate) fn finish(&mut self) {
        if let Some(compressor) = self.compressor.take() {
            compressor.wait();
        }
    }
}

fn opened(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR | Mode::RGRP)
}

#[expect(
    clippy::useless_conversion,
    clippy::cast_sign_loss,
    reason = "the kernel's types differ between machines; a length is no less than 0"
)]
fn place(found: &Stat) -> Place {
    Place {
        device: u64::from(found.st_dev),
        inode: u64::from(found.st_ino),
        length: found.st_size as u64,
    }
}

fn same(a: Place, b: Place) -> bool {
    (a.device, a.inode) == (b.device, b.inode)
}
