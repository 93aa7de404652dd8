//! What comes out of a container whose log is kept, as it comes: for clients that look on.
//!
//! Every byte on its way to the log passes a spool in the run folder, which holds the last ones for a while (128 KiB at least of what
//! comes without a pause of seconds). A client reads there, by itself: whoever writes knows nothing of it, and waits for nobody. One that
//! does not read as fast as it comes finds a hole, and learns how much it has missed; the log has it.

use crate::folder::{Folder, Stream};
use rustix::event::Timespec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{CWD, Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use rustix::pipe::SpliceFlags;
use tare_error::{Context, Error, Kind, Result};

/// A stream that is looked at.
#[derive(Debug)]
pub struct Outlet {
    spool: String,
    /// What was taken; none before anything was.
    file: Option<OwnedFd>,
    /// The FIFO, of which nothing is read: it tells when nothing more can come. None where that is so.
    fifo: Option<OwnedFd>,
    changes: OwnedFd,
    at: u64,
    missed: u64,
}

/// How often a FIFO is asked whether it is spent.
const ASKED: usize = 4;
/// Before it is asked so often once more: long for two that keep step, and nothing for who waits for an end.
const MOMENT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 1_000_000,
};

impl Outlet {
    /// A stream of the log in `folder`: from what was taken now, or where `whole` from its beginning.
    ///
    /// # Errors
    /// `NotFound` where there is no such log or stream.
    pub fn open(folder: &Folder, stream: Stream, whole: bool) -> Result<Outlet> {
        let fifo = folder.path().join(stream.name());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fifo = rustix::fs::open(&fifo, flags, Mode::empty()).op("look at", fifo.display())?;
        let changes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).op("watch", "a log")?;
        let what = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::DELETE_SELF;
        inotify::add_watch(&changes, folder.path(), what).op("watch", folder.path().display())?;
        let spool = folder.path().join(format!("{}.spool", stream.name()));
        let spool = spool.into_os_string().into_string().map_err(|path| {
            Error::new(Kind::Invalid, "look at", path.display()).because("its name is not UTF-8")
        })?;
        let mut outlet = Outlet {
            spool,
            file: None,
            fifo: Some(fifo),
            changes,
            at: 0,
            missed: 0,
        };
        if !whole {
            outlet.at = outlet.length();
        }
        Ok(outlet)
    }

    /// How many bytes came faster than they were read.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Reads what there is; nothing where nothing has come since.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read(&mut self, room: &mut [u8]) -> Result<usize> {
        match self.take(room).op("read", &self.spool)? {
            0 => {
                // What comes from here on says so again.
                let mut events = [0; 4096];
                while rustix::io::read(&self.changes, &mut events).is_ok() {}
                self.take(room).op("read", &self.spool)
            }
            count => Ok(count),
        }
    }

    /// Whether nothing more will come, and all that came was read.
    pub fn has_ended(&mut self) -> bool {
        if self.fifo.take_if(|fifo| is_spent(fifo)).is_some() {
            return self.at >= self.length();
        }
        self.fifo.is_none() && self.at >= self.length()
    }

    fn take(&mut self, room: &mut [u8]) -> Result<usize, Errno> {
        self.open_spool();
        let Some(file) = &self.file else { return Ok(0) };
        loop {
            let count = rustix::io::pread(file, &mut *room, self.at)?;
            if count == 0 {
                return Ok(0);
            }
            // What is forgotten is so from its beginning on: where the first byte is there still, all were.
            let data = match rustix::fs::seek(file, SeekFrom::Data(self.at)) {
                Ok(data) => data,
                Err(Errno::NXIO) => length(file),
                // A file system that does not tell has no holes.
                Err(Errno::INVAL | Errno::OPNOTSUPP) => self.at,
                Err(e) => return Err(e),
            };
            if data == self.at {
                self.at += u64::try_from(count).unwrap_or(0);
                return Ok(count);
            }
            self.missed += data.saturating_sub(self.at);
            self.at = data;
        }
    }

    fn open_spool(&mut self) {
        if self.file.is_none() {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            self.file = rustix::fs::openat(CWD, self.spool.as_str(), flags, Mode::empty()).ok();
        }
    }

    /// How much was ever taken.
    fn length(&mut self) -> u64 {
        self.open_spool();
        self.file.as_ref().map_or(0, length)
    }
}

fn length(file: &OwnedFd) -> u64 {
    let about = rustix::fs::fstat(file).ok();
    about.map_or(0, |about| u64::try_from(about.st_size).unwrap_or(0))
}

impl AsFd for Outlet {
    /// Readable when something may have come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }
}

/// Whether nobody has a FIFO open for writing and nothing is in it, now and a moment later. A poll does not say so to who has opened
/// it after that.
fn is_spent(fifo: &OwnedFd) -> bool {
    let Ok((_reader, copy)) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC) else {
        return false;
    };
    // What tee(2) copies stays where it is. It copies nothing also where another reader takes what it has found before it copies that
    // (fs/splice.c, between ipipe_prep and link_pipe): with one who reads and writes all the time 9 times in 100, 1 in 100,000 twice in
    // a row. On a busy machine the two may keep step for a while, and not for a moment longer.
    let says_so =
        || (0..ASKED).all(|_| matches!(rustix::pipe::tee(fifo, &copy, 1, SpliceFlags::NONBLOCK), Ok(0)));
    says_so() && {
        let _ = rustix::event::poll(&mut [], Some(&MOMENT));
        says_so()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn one_that_is_read_while_it_is_asked_is_not_spent() {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let over = AtomicBool::new(false);
        let spent = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut byte = [0];
                while !over.load(Ordering::Relaxed) {
                    let _ = rustix::io::write(&writer, &byte);
                    let _ = rustix::io::read(&reader, &mut byte);
                }
            });
            let spent = (0..400_000).filter(|_| is_spent(&reader)).count();
            over.store(true, Ordering::Relaxed);
            spent
        });
        assert_eq!(spent, 0, "it has a writer");
        let mut byte = [0];
        while rustix::io::read(&reader, &mut byte).is_ok_and(|count| count > 0) {}
        assert!(!is_spent(&reader), "it has one still");
        drop(writer);
        assert!(is_spent(&reader));
    }
}
