//! The FIFOs in a folder through which a process's streams go. What was written there and not read yet survives
//! either side's death.

use crate::pod::Entry;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use tare_error::{Context, Result};

/// The client's ends.
#[derive(Debug)]
pub(super) struct Fifos {
    folder: PathBuf,
    /// The container's output; with a terminal, all of it.
    pub(super) stdout: OwnedFd,
    /// The container's errors, where it has no terminal.
    pub(super) stderr: Option<OwnedFd>,
}

impl Fifos {
    /// Makes what a container needs and opens the ends to read from: the supervisor waits for readers.
    pub(super) fn make(folder: &Path, terminal: bool, stdin_open: bool) -> Result<Fifos> {
        let stdin = stdin_open.then_some(Entry::Stdin);
        let stderr = (!terminal).then_some(Entry::Stderr);
        for entry in [stdin, Some(Entry::Stdout), stderr].into_iter().flatten() {
            make(folder, entry)?;
        }
        Fifos::open(folder)
    }

    /// Makes that of the input alone.
    pub(super) fn make_stdin(folder: &Path) -> Result<()> {
        make(folder, Entry::Stdin)
    }

    /// Opens the ends to read from of what was made before.
    fn open(folder: &Path) -> Result<Fifos> {
        let reader = OFlags::RDONLY | OFlags::NONBLOCK;
        let stderr = match open(folder, Entry::Stderr, reader) {
            Err(e) if e.kind() == tare_error::Kind::NotFound => None,
            opened => Some(opened?),
        };
        Ok(Fifos {
            folder: folder.to_owned(),
            stdout: open(folder, Entry::Stdout, reader)?,
            stderr,
        })
    }

    /// Opens the end by which the container's stdin is written, once somebody reads there.
    pub(super) fn stdin(&self) -> Result<OwnedFd> {
        open(&self.folder, Entry::Stdin, OFlags::WRONLY | OFlags::NONBLOCK)
    }
}

/// Where a FIFO is, as the supervisor is told; nothing where it was not made.
pub(super) fn name(folder: &Path, entry: Entry) -> String {
    let path = folder.join(entry.name());
    if path.exists() {
        path.to_string_lossy().into_owned()
    } else {
        String::new()
    }
}

fn make(folder: &Path, entry: Entry) -> Result<()> {
    let path = folder.join(entry.name());
    match mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(e) => Err(e).op("make", path.display()),
    }
}

fn open(folder: &Path, entry: Entry, flags: OFlags) -> Result<OwnedFd> {
    let path = folder.join(entry.name());
    rustix::fs::open(&path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
        .op("open", path.display())
}
