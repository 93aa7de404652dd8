//! Hooks in the runtime's namespaces, and the state that hooks read.

use crate::annotation::Annotations;
use crate::pending::{self, Awaited, Pending};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::{Hook, State};

/// How much of what a failed hook said is told.
const TOLD: u64 = 4096;

/// Runs hooks one after the other, each with the state as its standard input; the first that fails ends it.
///
/// # Errors
/// `Invalid`, with how the hook ended and what it said.
pub(crate) fn run(point: &str, hooks: &[Hook], state: &State) -> Result<()> {
    let mut run = Run::default();
    run.add(point, hooks, state);
    while !run.advance()? {
        pending::wait(&run)?;
    }
    Ok(())
}

/// Hooks on their way, for a caller that may not wait. Dropped before it is done, it ends the hook that runs.
#[derive(Debug, Default)]
pub(crate) struct Run {
    queue: VecDeque<Turn>,
    /// How many have begun.
    begun: u32,
    current: Option<Current>,
}

/// A hook whose turn comes.
#[derive(Debug)]
struct Turn {
    /// What it is called where it fails.
    subject: String,
    hook: Hook,
    state: Rc<State>,
}

/// The hook that runs. A process group of its own, by which it is ended with all that it started.
#[derive(Debug)]
struct Current {
    turn: Turn,
    child: Child,
    handle: OwnedFd,
    until: Option<Instant>,
    /// It was killed, as it took longer; it may be held up in the kernel.
    overdue: bool,
    said: File,
}

impl Run {
    /// Puts the hooks of a point in the life behind those that are there.
    pub(crate) fn add(&mut self, point: &str, hooks: &[Hook], state: &State) {
        let state = Rc::new(state.clone());
        self.queue
            .extend(hooks.iter().enumerate().map(|(number, hook)| Turn {
                subject: format!("{point} hook #{number}"),
                hook: hook.clone(),
                state: Rc::clone(&state),
            }));
    }

    /// Goes as far as it can without waiting; whether all have run.
    ///
    /// # Errors
    /// As [`run`]; none of the rest is run then.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        loop {
            if let Some(mut current) = self.current.take()
                && !current.has_ended()?
            {
                self.current = Some(current);
                return Ok(false);
            }
            match self.queue.pop_front() {
                None => return Ok(true),
                Some(turn) => {
                    self.begun += 1;
                    self.current = Some(turn.begin()?);
                }
            }
        }
    }
}

impl Run {
    /// Ends the one that runs, and does not wait for that.
    pub(crate) fn give_up(&self) {
        if let Some(current) = &self.current {
            let _ = current.signal();
        }
    }

    /// Whether none runs any more.
    pub(crate) fn is_over(&mut self) -> bool {
        let current = self.current.as_mut();
        current.is_none_or(|current| !matches!(current.child.try_wait(), Ok(None)))
    }
}

impl Pending for Run {
    fn awaited(&self) -> Vec<Awaited<'_>> {
        let current = self.current.iter();
        let awaited = current.map(|current| Awaited {
            // Before the first one there was what they wait for themselves.
            turn: self.begun,
            fd: current.handle.as_fd(),
            now: true,
        });
        awaited.collect()
    }

    fn deadline(&self) -> Option<Instant> {
        self.current.as_ref()?.until
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(mut current) = self.current.take() {
            let _ = current.kill();
        }
    }
}

impl Turn {
    /// A failure is told in the words that runc has for it.
    fn failed(&self, why: impl fmt::Display) -> Error {
        let path = self.hook.path.display();
        Error::new(Kind::Invalid, "error running", &self.subject).because(format!("{path}: {why}"))
    }

    fn begin(self) -> Result<Current> {
        if !self.hook.path.is_absolute() {
            return Err(self.failed("its path is not absolute"));
        }
        let limit = match self.hook.timeout {
            None => None,
            Some(seconds @ 1..) => Some(Duration::from_secs(seconds.unsigned_abs())),
            Some(_) => return Err(self.failed("its timeout must be greater than zero")),
        };
        let said = memory()?;
        let child = match self.command(&said)?.spawn() {
            Ok(child) => child,
            Err(e) => return Err(self.failed(e)),
        };
        let handle =
            pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).op("wait for", &self.subject)?;
        Ok(Current {
            turn: self,
            child,
            handle,
            until: limit.and_then(|limit| Instant::now().checked_add(limit)),
            overdue: false,
            said,
        })
    }

    fn command(&self, said: &File) -> Result<Command> {
        let (hook, state) = (&self.hook, &self.state);
        let input = StateFile::new()?;
        input.write(state)?;
        let mut command = Command::new(&hook.path);
        command.env_clear().args(hook.args.iter().skip(1));
        command.envs(hook.env.iter().filter_map(|pair| pair.split_once('=')));
        if let Some(name) = hook.args.first() {
            command.arg0(name);
        }
        let [stdout, stderr] = Annotations(&state.annotations).hook_output()?;
        command.stdin(Stdio::from(input.0));
        command.stdout(stdout.map_or_else(Stdio::null, Stdio::from));
        command.stderr(match stderr {
            Some(file) => Stdio::from(file),
            None => Stdio::from(
                said.try_clone()
                    .op("hand over standard error to", &self.subject)?,
            ),
        });
        // Where runc has it start; a bundle may be gone when its container is.
        if state.bundle.is_dir() {
            command.current_dir(&state.bundle);
        }
        command.process_group(0);
        Ok(command)
    }
}

impl Current {
    /// Whether it has ended well; one whose time is over is killed, and has ended when its handle says so.
    fn has_ended(&mut self) -> Result<bool> {
        let status = self.child.try_wait().op("wait for", &self.turn.subject)?;
        match status {
            Some(_) if self.overdue => {
                let seconds = self.turn.hook.timeout.unwrap_or_default();
                let why = format!("it took longer than its timeout of {seconds} s");
                Err(self.turn.failed(why))
            }
            Some(status) if status.success() => Ok(true),
            Some(status) => {
                let why = format!("{}{}", end(status), self.quoted());
                Err(self.turn.failed(why))
            }
            None if self.until.is_some_and(|until| until <= Instant::now()) => {
                self.signal().op("end", &self.turn.subject)?;
                (self.overdue, self.until) = (true, None);
                Ok(false)
            }
            None => Ok(false),
        }
    }

    /// Kills it with all that it started; it has gone by itself where the group is not there.
    fn signal(&self) -> rustix::io::Result<()> {
        match kill_process_group(Pid::from_child(&self.child), Signal::KILL) {
            Err(Errno::SRCH) => Ok(()),
            done => done,
        }
    }

    fn kill(&mut self) -> std::io::Result<()> {
        self.signal()?;
        self.child.wait().map(drop)
    }

    /// What it said, as an addition to a sentence.
    fn quoted(&mut self) -> String {
        let mut text = Vec::new();
        let read = self
            .said
            .seek(SeekFrom::Start(0))
            .and_then(|_| Read::take(&mut self.said, TOLD).read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        match text.trim() {
            "" => String::new(),
            _ if read.is_err() => String::new(),
            text => format!(", and said {text:?}"),
        }
    }
}

fn end(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with code {code}"),
        (None, signal) => format!("it was ended by signal {}", signal.unwrap_or(0)),
    }
}

fn memory() -> Result<File> {
    let fd = memfd_create(c"hook", MemfdFlags::CLOEXEC).op("make a file in memory for", "a hook")?;
    Ok(File::from(fd))
}

/// A file in memory with a container's state, which hooks read from its beginning.
#[derive(Debug)]
pub(crate) struct StateFile(OwnedFd);

impl StateFile {
    pub(crate) fn new() -> Result<StateFile> {
        memory().map(|file| StateFile(file.into()))
    }

    /// Replaces what is in it; the place where its readers begin stays the beginning.
    pub(crate) fn write(&self, state: &State) -> Result<()> {
        let text = serde_json::to_vec(state)
            .map_err(|e| Error::new(Kind::Internal, "write", "the state for hooks").from_source(e))?;
        let mut rest = text.as_slice();
        rustix::fs::ftruncate(&self.0, 0).op("empty", "the state for hooks")?;
        while !rest.is_empty() {
            let at = (text.len() - rest.len()) as u64;
            let written = rustix::io::pwrite(&self.0, rest, at).op("write", "the state for hooks")?;
            rest = rest.get(written..).unwrap_or_default();
        }
        Ok(())
    }
}

impl AsFd for StateFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
