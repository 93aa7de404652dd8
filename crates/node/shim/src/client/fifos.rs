//! The FIFOs in a folder through which a process's streams go. What was written there and not read yet survives
//! either side's death.

use super::relay::Source;
use crate::pod::{Entry, PodDir};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result};
use tare_logs::{Folder, Outlet, Stream};

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
}

/// How a client is joined with a process's streams.
#[derive(Debug, Default)]
pub(super) enum Wires {
    /// By nothing.
    #[default]
    None,
    /// By FIFOs that are its own.
    Fifos(Fifos),
    /// Beside a log: nobody waits for the client.
    Log {
        /// Where its input's FIFO is.
        input: PathBuf,
        stdout: Box<Outlet>,
        stderr: Option<Box<Outlet>>,
    },
}

impl Wires {
    /// Those of a container's first process whose output is kept in a log: from its beginning on where `whole`, else from now.
    ///
    /// # Errors
    /// `Unsupported` where no log is kept of it.
    pub(super) fn of_log(pod: &PodDir, id: &str, whole: bool) -> Result<Wires> {
        Wires::of_kept(pod, (id, "first"), whole, pod.path())
    }

    /// The same of a process that was executed, from its beginning on; the FIFO of its input is in `folder`.
    pub(super) fn of_exec(pod: &PodDir, (id, exec_id): (&str, &str), folder: &Path) -> Result<Wires> {
        Wires::of_kept(pod, (id, &format!("exec:{exec_id}")), true, folder)
    }

    fn of_kept(pod: &PodDir, (id, process): (&str, &str), whole: bool, input: &Path) -> Result<Wires> {
        let folder = Folder::at(pod.streams().join(id).join(process));
        let stdout = Outlet::open(&folder, Stream::Stdout, whole).map_err(|e| match e.kind() {
            Kind::NotFound => Error::new(Kind::Unsupported, "attach to", id)
                .because("its streams are those of whoever has started it"),
            _ => e,
        })?;
        let stderr = match Outlet::open(&folder, Stream::Stderr, whole) {
            Err(e) if e.kind() == Kind::NotFound => None,
            opened => Some(Box::new(opened?)),
        };
        Ok(Wires::Log {
            input: input.to_owned(),
            stdout: Box::new(stdout),
            stderr,
        })
    }

    /// The end by which its input is written; none where it has none, or nobody reads it any more.
    pub(super) fn stdin(&self) -> Result<Option<OwnedFd>> {
        match self {
            Wires::None => Ok(None),
            Wires::Fifos(fifos) => open_input(&fifos.folder),
            Wires::Log { input, .. } => open_input(input),
        }
    }

    /// The outputs.
    pub(super) fn outputs(self) -> Result<(Source, Option<Source>)> {
        match self {
            Wires::None => Err(Error::new(Kind::Conflict, "join", "streams").because("there are none")),
            Wires::Fifos(fifos) => Ok((Source::Fifo(fifos.stdout), fifos.stderr.map(Source::Fifo))),
            Wires::Log { stdout, stderr, .. } => Ok((Source::Spool(stdout), stderr.map(Source::Spool))),
        }
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

/// The end by which an input is written; none where nobody reads it: its process has ended (fifo(7)).
fn open_input(folder: &Path) -> Result<Option<OwnedFd>> {
    let path = folder.join(Entry::Stdin.name());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match rustix::fs::open(&path, flags, Mode::empty()) {
        Err(Errno::NXIO | Errno::NOENT) => Ok(None),
        opened => opened.op("open", path.display()).map(Some),
    }
}

fn open(folder: &Path, entry: Entry, flags: OFlags) -> Result<OwnedFd> {
    let path = folder.join(entry.name());
    rustix::fs::open(&path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
        .op("open", path.display())
}
