//! Children that try something where this process may not.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::io::Write as _;
use tare_process::{Child, CloneFlags, Fork, spawn};

/// Why something was not tried.
pub(crate) const SEVERAL_THREADS: &str = "not tried: this program has several threads";

/// Runs `body` in a child with a mount namespace and a user namespace in which this user is root.
///
/// The maps are written from outside: one's own id becomes 0, which needs no helper program.
pub(crate) fn try_as_own_root(body: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    let namespace = UserNamespace::start(CloneFlags::NEWUSER | CloneFlags::NEWNS, body)?;
    namespace.let_go()
}

/// A child in a user namespace of its own, which waits to be let go before its body runs.
pub(crate) struct UserNamespace {
    child: Option<Child>,
    gate: OwnedFd,
}

impl UserNamespace {
    pub(crate) fn start(
        flags: CloneFlags,
        body: impl FnOnce() -> Result<(), Errno>,
    ) -> Result<UserNamespace, Errno> {
        let (waits, gate) = pipe_with(PipeFlags::CLOEXEC)?;
        let fork = Fork {
            flags,
            group: None,
            keep: &[waits.as_fd()],
        };
        // The child's copy of the gate is closed by spawn, so that its read ends when ours is closed.
        let child = spawn(&fork, || exit_code(wait_at(waits.as_fd()).and_then(|()| body())))?;
        let started = UserNamespace {
            child: Some(child),
            gate,
        };
        started.map()?;
        Ok(started)
    }

    fn map(&self) -> Result<(), Errno> {
        let Some(child) = &self.child else {
            return Err(Errno::CHILD);
        };
        let folder = format!("/proc/{}", child.pid.as_raw_nonzero());
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        let write = |file: &str, text: String| {
            let opened = File::options().write(true).open(format!("{folder}/{file}"));
            opened.and_then(|mut file| file.write_all(text.as_bytes()))
        };
        let done = write("setgroups", "deny".to_owned())
            .and_then(|()| write("uid_map", format!("0 {} 1\n", user.as_raw())))
            .and_then(|()| write("gid_map", format!("0 {} 1\n", group.as_raw())));
        done.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
    }

    /// The namespace itself, for an id-mapped mount.
    pub(crate) fn open(&self) -> Result<File, Errno> {
        let pid = self
            .child
            .as_ref()
            .map(|child| child.pid.as_raw_nonzero())
            .ok_or(Errno::CHILD)?;
        File::open(format!("/proc/{pid}/ns/user")).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
    }

    /// Lets the body run and waits for its end.
    pub(crate) fn let_go(mut self) -> Result<(), Errno> {
        rustix::io::write(&self.gate, b"!")?;
        match self.child.take() {
            Some(child) => ended(&child),
            None => Err(Errno::CHILD),
        }
    }
}

impl Drop for UserNamespace {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            child.kill_and_reap();
        }
    }
}

fn wait_at(gate: BorrowedFd<'_>) -> Result<(), Errno> {
    match rustix::io::read(gate, &mut [0])? {
        0 => Err(Errno::CANCELED),
        _ => Ok(()),
    }
}

fn exit_code(done: Result<(), Errno>) -> i32 {
    done.err().map_or(0, Errno::raw_os_error)
}

fn ended(child: &Child) -> Result<(), Errno> {
    match child.wait()?.exit_status() {
        Some(0) => Ok(()),
        Some(number) => Err(Errno::from_raw_os_error(number)),
        // Killed: by a filter of the container around us, most likely.
        None => Err(Errno::PERM),
    }
}
