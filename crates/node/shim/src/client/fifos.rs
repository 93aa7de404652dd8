//! The FIFOs in a pod's directory through which a container's streams go. What was written there and not read yet survives
//! either side's death.

use crate::pod::{Entry, PodDir};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use rustix::io::Errno;
use std::path::PathBuf;
use tare_error::{Context, Result};

/// The client's ends.
#[derive(Debug)]
pub(super) struct Fifos {
    pod: PodDir,
    /// The container's output; with a terminal, all of it.
    pub(super) stdout: OwnedFd,
    /// The container's errors, where it has no terminal.
    pub(super) stderr: Option<OwnedFd>,
}

impl Fifos {
    /// Makes what a container needs and opens the ends to read from: the supervisor waits for readers.
    pub(super) fn make(pod: &PodDir, terminal: bool, stdin_open: bool) -> Result<Fifos> {
        let stdin = stdin_open.then_some(Entry::Stdin);
        let stderr = (!terminal).then_some(Entry::Stderr);
        for entry in [stdin, Some(Entry::Stdout), stderr].into_iter().flatten() {
            make(pod, entry)?;
        }
        Fifos::open(pod)
    }

    /// Opens the ends to read from of what was made before.
    pub(super) fn open(pod: &PodDir) -> Result<Fifos> {
        let reader = OFlags::RDONLY | OFlags::NONBLOCK;
        let stderr = match open(pod, Entry::Stderr, reader) {
            Err(e) if e.kind() == tare_error::Kind::NotFound => None,
            opened => Some(opened?),
        };
        Ok(Fifos {
            pod: pod.clone(),
            stdout: open(pod, Entry::Stdout, reader)?,
            stderr,
        })
    }

    /// Opens the end by which the container's stdin is written, once somebody reads there.
    pub(super) fn stdin(&self) -> Result<OwnedFd> {
        open(&self.pod, Entry::Stdin, OFlags::WRONLY | OFlags::NONBLOCK)
    }
}

/// Where a FIFO is, as the supervisor is told; nothing where it was not made.
pub(super) fn name(pod: &PodDir, entry: Entry) -> String {
    let path = pod.file(entry);
    if path.exists() {
        path.to_string_lossy().into_owned()
    } else {
        String::new()
    }
}

fn make(pod: &PodDir, entry: Entry) -> Result<()> {
    let path: PathBuf = pod.file(entry);
    match mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(e) => Err(e).op("make", path.display()),
    }
}

fn open(pod: &PodDir, entry: Entry, flags: OFlags) -> Result<OwnedFd> {
    let path = pod.file(entry);
    rustix::fs::open(&path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
        .op("open", path.display())
}
