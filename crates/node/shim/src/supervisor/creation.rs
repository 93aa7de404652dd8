//! placeholder for tare-container: plain processes with the same calls.
use super::streams::Ends;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::process::{Child, Command};
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::Spec;

#[derive(Debug)]
pub(super) struct Creation {
    child: Child,
    handle: OwnedFd,
    ready: OwnedFd,
}
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stage {
    SettingUp,
    Created,
    Running,
}
impl Creation {
    pub(super) fn begin(spec: &Spec, ends: Ends) -> Result<Creation> {
        let args = spec.process.as_ref().map(|p| p.args.clone()).unwrap_or_default();
        let Some((first, rest)) = args.split_first() else {
            return Err(Error::new(Kind::Invalid, "start", "").because("no command"));
        };
        let child = Command::new(first)
            .args(rest)
            .stdin(ends.stdin)
            .stdout(ends.stdout)
            .stderr(ends.stderr)
            .spawn()
            .map_err(|e| Error::new(Kind::CommandNotFound, "execute", first).from_source(e))?;
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(0)).ok_or(rustix::io::Errno::SRCH);
        let handle = pid
            .and_then(|p| pidfd_open(p, PidfdFlags::empty()))
            .op("open", "pidfd")?;
        let (ready, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).op("make", "pipe")?;
        rustix::io::write(&write, b"x").op("write", "pipe")?;
        Ok(Creation { child, handle, ready })
    }
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
    pub(super) fn advance(&mut self) -> Result<Stage> {
        Ok(Stage::Running)
    }
    pub(super) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(0)
    }
    pub(super) fn into_handle(self) -> OwnedFd {
        self.handle
    }
}
