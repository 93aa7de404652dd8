//! The exit record's way to disk: in a short-lived child, so that a stalled disk stalls nobody.

use crate::signals::Signals;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tare_error::{Context, Result};
use tare_store::Durability;

/// What the short-lived child does.
#[derive(Clone, Debug)]
pub struct Copy {
    /// The record in the run folder.
    pub from: PathBuf,
    /// The file in the data folder.
    pub to: PathBuf,
}

/// Copies a record and syncs it.
///
/// # Errors
/// The kernel's.
pub fn copy(arguments: &Copy) -> Result<()> {
    let bytes = std::fs::read(&arguments.from).op("read", arguments.from.display())?;
    tare_store::replace(&arguments.to, Durability::Durable, 0o600, &bytes)
}

/// A child that copies.
#[derive(Debug)]
pub(super) struct Copier {
    child: Child,
    handle: OwnedFd,
}

impl Copier {
    /// Starts it: this very program, from the image it runs from.
    pub(super) fn start(signals: &Signals, from: &Path, to: &Path) -> Result<Copier> {
        let mut command = Command::new("/proc/self/exe");
        command.arg("copy").arg("--from").arg(from).arg("--to").arg(to);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = signals
            .released(|| command.spawn())?
            .op("start", "a child that copies")?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(rustix::io::Errno::SRCH);
        let handle = pid
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()))
            .op("open a handle on", child.id())?;
        Ok(Copier { child, handle })
    }

    /// `Some` once it has ended: whether the copy was made.
    pub(super) fn ended(&mut self) -> Option<bool> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.success()),
            Err(_) => Some(false),
        }
    }
}

impl AsFd for Copier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}
