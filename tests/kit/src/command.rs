//! Runs `tare` and other programs, with what they printed and how they ended.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long one command may take before it is killed and the test fails.
const LIMIT: Duration = Duration::from_secs(100);

/// A `tare` command (or another program) that is being put together.
#[derive(Debug)]
pub struct Tare {
    command: Command,
    stdin: Vec<u8>,
    limit: Duration,
}

impl Tare {
    /// Any program; [`World::tare`](crate::World::tare) makes the usual ones.
    pub fn program(path: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(path);
        command
            .env_remove("TARE_KIT_STAGE")
            .env_remove("TARE_KIT_SCRATCH")
            .env_remove("TARE_KIT_SKIPS");
        Tare {
            command,
            stdin: Vec::new(),
            limit: LIMIT,
        }
    }

    /// Further arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// One variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Its working directory.
    #[must_use]
    pub fn directory(mut self, path: impl AsRef<Path>) -> Self {
        self.command.current_dir(path);
        self
    }

    /// What it reads from its standard input; nothing by default.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// How long it may take; 100 seconds by default.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The command itself, for what this type has no word for.
    pub fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it cannot be started or takes too long.
    #[must_use]
    pub fn run(mut self) -> Finished {
        let input = temporary(&self.stdin);
        // Files in memory, not pipes: a process that stays behind with them open must not hold up the test.
        let (out, err) = (temporary(b""), temporary(b""));
        self.command
            .stdin(input)
            .stdout(out.try_clone().expect("dup"))
            .stderr(err.try_clone().expect("dup"));
        let line = format!("{:?}", self.command);
        let begun = Instant::now();
        let child = self
            .command
            .spawn()
            .unwrap_or_else(|e| panic!("start {line}: {e}"));
        let status = wait_at_most(child, self.limit);
        let (stdout, stderr) = (contents(out), contents(err));
        let status = status.unwrap_or_else(|standing| {
            panic!(
                "{line} did not end within {:?}\nstdout: {stdout}\nstderr: {stderr}\n{standing}",
                self.limit
            )
        });
        Finished {
            line,
            status,
            stdout,
            stderr,
            took: begun.elapsed(),
        }
    }

    /// Runs it and expects success; returns what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn ok(self) -> String {
        self.run().ok().stdout
    }

    /// Runs it and expects this exit code; returns what it said on standard error.
    ///
    /// # Panics
    /// When it ends otherwise.
    #[must_use]
    pub fn fails(self, code: i32) -> String {
        let finished = self.run();
        assert_eq!(finished.code(), Some(code), "{finished}");
        finished.stderr
    }

    /// Starts it with pipes for its standard input and output; its standard error goes to the test's.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut self) -> Running {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = self
            .command
            .spawn()
            .unwrap_or_else(|e| panic!("start {:?}: {e}", self.command));
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        Running {
            child,
            stdin,
            stdout,
            limit: self.limit,
        }
    }
}

fn temporary(bytes: &[u8]) -> File {
    let fd = memfd_create("kit", MemfdFlags::CLOEXEC).expect("make a file in memory");
    let mut file = File::from(fd);
    file.write_all(bytes)
        .and_then(|()| file.rewind())
        .expect("fill it");
    file
}

fn contents(mut file: File) -> String {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.read_to_end(&mut bytes))
        .expect("read what was printed");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How a command ended and what it printed.
#[derive(Debug)]
pub struct Finished {
    line: String,
    status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
    /// From its start to its end.
    pub took: Duration,
}

impl Finished {
    /// Its exit code; none where a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Itself, where it ended with 0.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    pub fn ok(self) -> Self {
        assert_eq!(self.code(), Some(0), "{self}");
        self
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ({})\nstdout: {}\nstderr: {}",
            self.line, self.status, self.stdout, self.stderr
        )
    }
}

/// A command that runs; killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// Its standard input; take it to close it.
    pub stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    limit: Duration,
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The next line it prints, without its end; none when it closed its output. Waits for it.
    ///
    /// # Panics
    /// When the output cannot be read.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line).expect("read its output");
        (read > 0).then(|| line.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it has ended and was waited for.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).expect("send a signal");
    }

    /// Closes its input and waits for its end; returns the rest of its output.
    ///
    /// # Panics
    /// When it does not end in time.
    #[must_use]
    pub fn finish(mut self) -> (ExitStatus, String) {
        drop(self.stdin.take());
        if !ended_within(&self.child, self.limit) {
            panic!("a command did not end within {:?}", self.limit);
        }
        let status = self.child.wait().expect("wait");
        // What is in the pipe, but no more: somebody else may hold the other end.
        let mut rest = Vec::from(self.stdout.buffer());
        let pipe = self.stdout.get_mut();
        rustix::io::ioctl_fionbio(&*pipe, true).expect("stop blocking");
        let _ = pipe.read_to_end(&mut rest);
        (status, String::from_utf8_lossy(&rest).into_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail where it has been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a child; kills it when the time is over, and returns what it and all below it stood at.
pub(crate) fn wait_at_most(mut child: Child, limit: Duration) -> Result<ExitStatus, String> {
    if ended_within(&child, limit) {
        return Ok(child.wait().expect("wait"));
    }
    let standing = crate::standing::picture(child.id());
    let _ = child.kill();
    child.wait().expect("wait for a killed child");
    Err(standing)
}

fn ended_within(child: &Child, limit: Duration) -> bool {
    let handle =
        pidfd_open(Pid::from_child(child), PidfdFlags::empty()).expect("a handle of a child of ours");
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let time = Timespec::try_from(left).expect("a short time");
        match poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&time)) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => panic!("poll: {e}"),
        }
    }
}
