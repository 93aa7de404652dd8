//! Writing: one line under one lock, rotated when it is full.

use super::{Event, Journal, Subject};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use tare_error::{Context, Report, Result};

/// The newest records.
pub(super) const FILE: &str = "events.jsonl";
/// How long it grows.
const LARGEST: u64 = 4 << 20;
/// How many older ones are kept.
pub(super) const OLDER: u32 = 4;
/// The longest memory of what could not be written.
const LONGEST_GAP: u64 = 64 * 1024;

impl Journal {
    /// Writes a record; where that fails, that is remembered and told with the next one.
    pub(super) fn append(&self, event: &Event) {
        let line = event.line(self.caller());
        if let Err(e) = self.write(&line) {
            self.remember(&Report::new(&e).to_string());
        }
        self.forward.send(&line);
    }

    fn write(&self, line: &[u8]) -> Result<()> {
        let shown = self.folder.display();
        let lock = match self.lock() {
            Err(Errno::NOENT) => {
                match rustix::fs::mkdir(&self.folder, Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(e) => return Err(e).op("make", shown),
                }
                self.lock()
            }
            lock => lock,
        };
        // Given back with the descriptor.
        let _lock = lock.op("lock", &shown)?;
        let path = self.folder.join(FILE);
        let mut file = open(&path).op("open", path.display())?;
        let mut length = length(&file).op("look at", path.display())?;
        let mut torn = is_torn(&file, length);
        if length > 0 && length + line.len() as u64 > LARGEST {
            self.rotate().op("rotate", &shown)?;
            file = open(&path).op("open", path.display())?;
            (length, torn) = (0, false);
        }
        let missing = self.take_gap();
        let before: &[u8] = if torn { b"\n" } else { b"" };
        let whole = [before, missing.as_deref().unwrap_or_default(), line].concat();
        let written = rustix::io::write(&file, &whole);
        if written == Ok(whole.len()) {
            return Ok(());
        }
        // A part of a record is none; and what was missing still is.
        let _ = rustix::fs::ftruncate(&file, length);
        if let Some(missing) = &missing {
            self.give_gap_back(missing);
        }
        Err(written.err().unwrap_or(Errno::NOSPC)).op("write", path.display())
    }

    fn lock(&self) -> std::result::Result<OwnedFd, Errno> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let lock = rustix::fs::openat(CWD, self.folder.join("lock"), flags, Mode::RUSR | Mode::WUSR)?;
        loop {
            match rustix::fs::flock(&lock, FlockOperation::LockExclusive) {
                Err(Errno::INTR) => {}
                locked => return locked.map(|()| lock),
            }
        }
    }

    fn rotate(&self) -> std::result::Result<(), Errno> {
        for number in (0..OLDER).rev() {
            match rustix::fs::rename(name(&self.folder, number), name(&self.folder, number + 1)) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Notes in the run folder, which is in memory, that a record is missing.
    fn remember(&self, why: &str) {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let Ok(file) = rustix::fs::openat(CWD, &self.gap, flags, mode) else {
            return;
        };
        if length(&file).is_ok_and(|length| length < LONGEST_GAP) {
            let why: String = why.chars().filter(|c| !c.is_control()).take(300).collect();
            let _ = rustix::io::write(&file, format!("{} {why}\n", super::read::now()).as_bytes());
        }
    }

    /// The record that says what is missing, where something is; that is forgotten then.
    fn take_gap(&self) -> Option<Vec<u8>> {
        let text = std::fs::read_to_string(&self.gap).ok()?;
        let _ = std::fs::remove_file(&self.gap);
        let first = text.lines().next()?;
        let (since, why) = first.split_once(' ').unwrap_or((first, ""));
        let subject = Subject {
            kind: "journal",
            ..Subject::default()
        };
        let count = text.lines().count();
        let event = Event::new(subject, "gap").with("missing", count);
        Some(event.with("since", since).with("why", why).line(self.caller()))
    }

    fn give_gap_back(&self, record: &[u8]) {
        let record: serde_json::Value = serde_json::from_slice(record).unwrap_or_default();
        let of = |name: &str| {
            record["Actor"]["Attributes"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let count = of("missing").parse::<usize>().unwrap_or(1);
        let line = format!("{} {}\n", of("since"), of("why"));
        let _ = std::fs::write(&self.gap, line.repeat(count.min(1024)));
    }
}

/// Whether the last line has no end: a power cut may leave one so.
fn is_torn(file: &OwnedFd, length: u64) -> bool {
    let mut last = [b'\n'];
    length > 0 && rustix::io::pread(file, &mut last, length - 1).is_ok() && last != [b'\n']
}

/// The file of that age.
pub(super) fn name(folder: &Path, number: u32) -> PathBuf {
    match number {
        0 => folder.join(FILE),
        number => folder.join(format!("{FILE}.{number}")),
    }
}

fn open(path: &Path) -> std::result::Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(CWD, path, flags, Mode::RUSR | Mode::WUSR)
}

fn length(file: &OwnedFd) -> std::result::Result<u64, Errno> {
    Ok(u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0))
}
