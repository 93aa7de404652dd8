//! Accompanying a program in the foreground: signals go in, and where it has a terminal, bytes go both ways.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use tare_error::{Context, Result};
use tare_process::Child;
use tare_signal::Reception;

/// Signals that are passed on: all that a program may be sent, but those about ourselves and those of faults.
pub(crate) const FORWARDED: &[i32] = &[1, 2, 3, 10, 12, 15, 18, 20, 21, 22, 23, 26, 27, 28, 29, 30];

/// The window's size has changed.
const WINCH: i32 = 28;

/// A terminal in raw mode; dropping it restores the mode it had.
struct Raw(Termios);

impl Raw {
    /// Makes standard input raw, where it is a terminal.
    fn enter() -> Option<Raw> {
        let before = tcgetattr(rustix::stdio::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Raw(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &self.0);
    }
}

/// Passes on signals and bytes until the process has ended.
pub(crate) fn accompany(process: &Child, terminal: Option<&OwnedFd>, signals: &Reception) -> Result<()> {
    let raw = terminal.and_then(|_| Raw::enter());
    if let Some(terminal) = terminal {
        resize(terminal.as_fd());
    }
    let mut reads_input = terminal.is_some();
    loop {
        let mut fds = vec![
            PollFd::new(&process.pidfd, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
        ];
        let input = rustix::stdio::stdin();
        if let Some(terminal) = terminal {
            fds.push(PollFd::new(terminal, PollFlags::IN));
        }
        if reads_input {
            fds.push(PollFd::new(&input, PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Err(Errno::INTR) => continue,
            done => done.op("wait for", "the container")?,
        };
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let is_ready = |index: usize| ready.get(index).copied().unwrap_or(false);
        while let Some(signal) = signals.next() {
            match (terminal, signal) {
                (Some(terminal), WINCH) => resize(terminal.as_fd()),
                // Its end is seen by its handle.
                _ => drop(tare_signal::send(&process.pidfd, signal)),
            }
        }
        if let Some(terminal) = terminal {
            if is_ready(3) {
                reads_input = copy(input, terminal.as_fd());
            }
            // What was written before the end comes out before we go.
            let more = is_ready(2) && copy(terminal.as_fd(), rustix::stdio::stdout());
            if more {
                continue;
            }
        }
        if is_ready(0) {
            drop(raw);
            return Ok(());
        }
    }
}

/// Passes on what is in the terminal of a container that has ended before it was accompanied: what a hook at its start
/// complained of, say.
pub(crate) fn empty(terminal: Option<&OwnedFd>) {
    let Some(terminal) = terminal else {
        return;
    };
    let is_ready = || {
        let mut fds = [PollFd::new(terminal, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    };
    while is_ready() && copy(terminal.as_fd(), rustix::stdio::stdout()) {}
}

/// Waits for a process's end; its exit code, or 128 and the signal that ended it.
pub(crate) fn exit_code(process: &Child) -> Result<u8> {
    let status = process.wait().op("wait for", "the process")?;
    let code = status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|n| 128 + n));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(255))
}

/// Copies what is there to be read; false at the end of either side.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> bool {
    let mut buffer = [0; 8192];
    let Ok(length @ 1..) = rustix::io::retry_on_intr(|| rustix::io::read(from, &mut buffer)) else {
        return false;
    };
    let mut rest = buffer.get(..length).unwrap_or_default();
    while !rest.is_empty() {
        match rustix::io::retry_on_intr(|| rustix::io::write(to, rest)) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(_) => return false,
        }
    }
    true
}

/// Gives the container's terminal the size of ours.
fn resize(terminal: BorrowedFd<'_>) {
    if let Ok(size) = tcgetwinsize(rustix::stdio::stdin()) {
        let _ = tcsetwinsize(terminal, size);
    }
}
