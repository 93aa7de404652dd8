//! A logging program (`binary://`), which reads what a process writes: its standard output as fd 3, standard error as 4, and
//! 5 is closed by it when it is ready.

use super::state::{ChildState, LoggerState};
use crate::supervisor::handing::{Handed, Handing};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Kind, Result};
use tare_logs::decoded;
use tare_process::Child;

/// How a program's address begins.
pub(super) const SCHEME: &str = "binary://";
/// How long it may take to write down what is left, after the process has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it may take to be killed.
const GOING: Duration = Duration::from_secs(1);

/// Whose output is written down.
#[derive(Clone, Copy, Debug)]
pub(in crate::supervisor) struct Owner<'a> {
    pub(in crate::supervisor) namespace: &'a str,
    pub(in crate::supervisor) container: &'a str,
    /// The process's name among those of the container; empty for the first one.
    pub(in crate::supervisor) process: &'a str,
    /// Where records of containers are, in the pod's folder.
    pub(in crate::supervisor) records: &'a Path,
}

/// A logging program that runs.
#[derive(Debug)]
pub(in crate::supervisor) struct Logger {
    child: Child,
    /// Until it is ready.
    ready: Option<OwnedFd>,
    until: Option<Instant>,
}

impl Logger {
    /// Starts it; the process's standard output and error.
    pub(super) fn start(address: &str, owner: Owner<'_>) -> Result<(Logger, OwnedFd, OwnedFd)> {
        let pipe = || pipe_with(PipeFlags::CLOEXEC).op("make a pipe to", address);
        let ((out, its_stdout), (err, its_stderr), (ready, tell)) = (pipe()?, pipe()?, pipe()?);
        let (path, query) = split(address)?;
        let mut command = Command::new(path);
        command.args(query).env_clear();
        command
            .env("CONTAINER_ID", owner.container)
            .env("CONTAINER_NAMESPACE", owner.namespace)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        tare_process::pass_on(&mut command, vec![out, err, tell]).op("hand pipes to", address)?;
        let child = command.spawn().op("start the logging program", address)?;
        let child = watched(Pid::from_child(&child)).op("watch the logging program", address)?;
        let logger = Logger {
            child,
            ready: Some(ready),
            until: None,
        };
        Ok((logger, its_stdout, its_stderr))
    }

    /// As data, for the program that this one becomes.
    pub(super) fn save<'a>(&'a self, handing: &mut Handing<'a>) -> LoggerState {
        LoggerState {
            child: ChildState::of(&self.child, handing),
            ready: self.ready.as_ref().map(|fd| handing.hand(fd.as_fd())),
        }
    }

    pub(super) fn restore(state: LoggerState) -> Result<Logger> {
        Ok(Logger {
            child: state.child.take()?,
            ready: state.ready.map(Handed::take).transpose()?,
            until: None,
        })
    }

    /// Whether it has said that it is ready, by closing its end of a pipe.
    pub(super) fn is_ready(&mut self) -> bool {
        let closed = |ready: &mut OwnedFd| {
            let mut fds = [PollFd::new(ready, PollFlags::IN)];
            matches!(poll(&mut fds, Some(&Timespec::default())), Ok(1..))
        };
        self.ready.take_if(closed);
        self.ready.is_none()
    }

    /// Whether it has ended, after its process has: it is waited for so long, and then killed.
    pub(in crate::supervisor) fn has_ended(&mut self, now: Instant) -> bool {
        let until = *self.until.get_or_insert(now + PATIENCE);
        match self.child.try_wait() {
            // Not waited for any longer: a disk may not let it go.
            Ok(None) if until <= now => {
                let _ = self.child.signal(rustix::process::Signal::KILL);
                until + GOING <= now
            }
            Ok(None) => false,
            Ok(Some(_)) | Err(_) => true,
        }
    }
}

/// A child that was started just now.
fn watched(pid: Pid) -> rustix::io::Result<Child> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    Ok(Child { pid, pidfd })
}

/// The program and its arguments: names and values of the query, in their order.
fn split(address: &str) -> Result<(String, Vec<String>)> {
    let wrong =
        || Error::new(Kind::Invalid, "read", address).because("it names no program by an absolute path");
    let rest = address.strip_prefix(SCHEME).ok_or_else(wrong)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = decoded(path)
        .filter(|path| path.starts_with('/'))
        .ok_or_else(wrong)?;
    let words = query.split('&').filter(|pair| !pair.is_empty());
    let words = words
        .flat_map(|pair| pair.splitn(2, '='))
        .filter(|word| !word.is_empty());
    let words: Option<Vec<String>> = words.map(|word| decoded(&word.replace('+', " "))).collect();
    Ok((path, words.ok_or_else(wrong)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_program_and_its_arguments() {
        let split = |address| split(address).map(|(path, words)| format!("{path} {}", words.join("|")));
        for (address, expected) in [
            ("binary:///bin/log", "/bin/log "),
            ("binary:///bin/log?key=value", "/bin/log key|value"),
            ("binary:///a%20b?x=1%262&flag&y=", "/a b x|1&2|flag|y"),
            ("binary:///l?text=a+b", "/l text|a b"),
        ] {
            assert_eq!(split(address).unwrap(), expected, "{address}");
        }
        for address in [
            "binary://relative",
            "binary://",
            "binary:///a%zz",
            "binary:///a%4",
        ] {
            assert_eq!(split(address).unwrap_err().kind(), Kind::Invalid, "{address}");
        }
    }
}
