//! Hooks in the runtime's namespaces, and the state that hooks read.

use crate::annotation::Annotations;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::{Hook, State};

/// How much of what a failed hook said is told.
const TOLD: u64 = 4096;

/// Runs hooks one after the other, each with the state as its standard input; the first that fails ends it.
///
/// # Errors
/// `Invalid`, with how the hook ended and what it said.
pub(crate) fn run(point: &str, hooks: &[Hook], state: &State) -> Result<()> {
    let mut numbered = hooks.iter().enumerate();
    numbered.try_for_each(|(number, hook)| one(&format!("{point} hook #{number}"), hook, state))
}

/// Runs one hook. A failure is told in the words that runc has for it.
fn one(subject: &str, hook: &Hook, state: &State) -> Result<()> {
    let path = hook.path.display();
    let failed = |why: String| {
        Err(Error::new(Kind::Invalid, "error running", subject).because(format!("{path}: {why}")))
    };
    if !hook.path.is_absolute() {
        return failed("its path is not absolute".to_owned());
    }
    let limit = match hook.timeout {
        None => None,
        Some(seconds @ 1..) => Some(Duration::from_secs(seconds.unsigned_abs())),
        Some(_) => return failed("its timeout must be greater than zero".to_owned()),
    };
    let input = StateFile::new()?;
    input.write(state)?;
    let said = memory()?;
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
        None => Stdio::from(said.try_clone().op("hand over standard error to", subject)?),
    });
    // A group of its own, by which it is ended with all that it started.
    command.process_group(0);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(e) => return failed(e.to_string()),
    };
    match wait(child, limit).op("wait for", subject)? {
        None => failed(format!(
            "it took longer than its timeout of {} s",
            limit.unwrap_or_default().as_secs()
        )),
        Some(status) if status.success() => Ok(()),
        Some(status) => failed(format!("{}{}", end(status), quoted(said))),
    }
}

/// Waits for a hook's end; none where it was ended because its time was over.
fn wait(mut child: Child, limit: Option<Duration>) -> std::io::Result<Option<ExitStatus>> {
    let handle = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    let ended = loop {
        match poll(&mut [PollFd::new(&handle, PollFlags::IN)], limit.as_ref()) {
            Err(Errno::INTR) => {}
            done => break done? > 0,
        }
    };
    if !ended {
        // With all that it started; it has gone by itself where the group is not there.
        match kill_process_group(Pid::from_child(&child), Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let status = child.wait()?;
    Ok(ended.then_some(status))
}

fn end(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with code {code}"),
        (None, signal) => format!("it was ended by signal {}", signal.unwrap_or(0)),
    }
}

/// What it said, as an addition to a sentence.
fn quoted(mut said: File) -> String {
    let mut text = Vec::new();
    let read = said
        .seek(SeekFrom::Start(0))
        .and_then(|_| said.take(TOLD).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    match text.trim() {
        "" => String::new(),
        _ if read.is_err() => String::new(),
        text => format!(", and said {text:?}"),
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
