//! The spool of a stream: what was taken out of its FIFO.

use crate::folder::{Folder, Stream};
use rustix::fd::OwnedFd;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};
use tare_error::{Context, Result};

/// How much that is written a spool holds before it gets a hole there.
const HOLE: u64 = 128 * 1024;
const PAGE: u64 = 4096;

/// The spool of a stream.
#[derive(Debug)]
pub(crate) struct Spool {
    pub(crate) stream: Stream,
    file: OwnedFd,
    /// How much was ever put there.
    pub(crate) length: u64,
    hole: u64,
}

/// What a look at a FIFO brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Some,
    Nothing,
    /// Nobody has it open for writing any more.
    End,
}

impl Spool {
    pub(crate) fn open(folder: &Folder, stream: Stream) -> Result<Spool> {
        let name = format!("{}.spool", stream.name());
        let mut spool = Spool {
            stream,
            file: folder.file(&name)?,
            length: 0,
            hole: 0,
        };
        spool.measure().op("look at", &name)?;
        Ok(spool)
    }

    /// Looks how long it is, where somebody else fills it.
    pub(crate) fn measure(&mut self) -> Result<(), Errno> {
        let found = rustix::fs::fstat(&self.file)?.st_size;
        self.length = u64::try_from(found).unwrap_or(0);
        Ok(())
    }

    /// Moves up to `most` bytes from a FIFO to its end. One call does both: what has left the FIFO is in the file, whenever
    /// this process is killed (splice(2) into a file advances the pipe by what was written, under the pipe's lock).
    pub(crate) fn take(&mut self, fifo: &OwnedFd, most: usize) -> Result<Taken, Errno> {
        let mut at = self.length;
        match splice(fifo, None, &self.file, Some(&mut at), most, SpliceFlags::NONBLOCK) {
            Ok(0) => Ok(Taken::End),
            Ok(n) => {
                self.length += u64::try_from(n).unwrap_or(0);
                Ok(Taken::Some)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(Taken::Nothing),
            Err(e) => Err(e),
        }
    }

    /// Adds bytes that were read.
    pub(crate) fn append(&mut self, mut bytes: &[u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            let written = rustix::io::pwrite(&self.file, bytes, self.length)?;
            self.length += u64::try_from(written).unwrap_or(0);
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// What is in it from `from` on, up to `to`, or as much as there is room.
    pub(crate) fn read<'a>(&self, from: u64, to: u64, room: &'a mut [u8]) -> Result<&'a [u8], Errno> {
        let wanted = usize::try_from(to.saturating_sub(from))
            .unwrap_or(usize::MAX)
            .min(room.len());
        let mut filled = 0;
        while let Some(rest) = room.get_mut(filled..wanted).filter(|rest| !rest.is_empty()) {
            match rustix::io::pread(&self.file, rest, from + u64::try_from(filled).unwrap_or(0)) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(Errno::INTR) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(room.get(..filled).unwrap_or_default())
    }

    /// Gives back the memory of what is written: at once where `all`, else when there is enough of it.
    pub(crate) fn forget(&mut self, done: u64, all: bool) {
        let until = done / PAGE * PAGE;
        let enough = if all { PAGE } else { HOLE };
        if until < self.hole + enough {
            return;
        }
        let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // Where a file system has no holes, what is written stays.
        let _ = rustix::fs::fallocate(&self.file, how, self.hole, until - self.hole);
        self.hole = until;
    }

    pub(crate) fn file(&self) -> &OwnedFd {
        &self.file
    }
}
