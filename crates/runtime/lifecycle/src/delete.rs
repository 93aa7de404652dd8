//! Deleting a container: whatever is left of it goes, in any condition it can be found in.

use crate::container::{Condition, Container};
use crate::pending::{self, Awaited, Pending};
use crate::{group, hooks};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::Signal;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tare_container::HostFacts;
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::Status;

/// How long a killed process takes that nothing holds up.
const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// How long a killed process may take to end.
const ENDING: Duration = Duration::from_secs(10);

/// A container of which nothing is left but its folder, and whose poststop hooks run. Dropped before they have, it ends the one
/// that runs, and the folder stays to be deleted.
#[derive(Debug)]
pub struct Deleting {
    folder: PathBuf,
    hooks: hooks::Run,
}

impl Deleting {
    /// Goes as far as it can without waiting; whether it is deleted.
    ///
    /// # Errors
    /// Those of the hooks, after everything is gone; the kernel's.
    pub fn advance(&mut self) -> Result<bool> {
        let told = match self.hooks.advance() {
            Ok(false) => return Ok(false),
            told => told,
        };
        tare_store::remove_tree(&self.folder)?;
        told
    }
}

impl Pending for Deleting {
    fn awaited(&self) -> Vec<Awaited<'_>> {
        self.hooks.awaited()
    }

    fn deadline(&self) -> Option<Instant> {
        self.hooks.deadline()
    }
}

impl Container {
    /// Deletes it. One that runs is deleted only with `force`; one that waits to be started is ended.
    ///
    /// May be called again after any failure; what is gone already is no error.
    ///
    /// # Errors
    /// `Conflict` where it runs; those of its poststop hooks, after everything is gone.
    pub fn delete(self, force: bool) -> Result<()> {
        self.delete_within(force, ENDING)
    }

    /// As [`Container::delete`], where a killed process has this long to end.
    ///
    /// # Errors
    /// As [`Container::delete`]; `Conflict` where one has not ended by then.
    pub fn delete_within(self, force: bool, time: Duration) -> Result<()> {
        let mut deleting = self.begin_delete(force, time)?;
        while !deleting.advance()? {
            pending::wait(&deleting)?;
        }
        Ok(())
    }

    /// As [`Container::delete_within`], for a caller that does not wait for its poststop hooks: all else is gone.
    ///
    /// # Errors
    /// As [`Container::delete_within`], but for those of the hooks.
    pub fn begin_delete(mut self, force: bool, time: Duration) -> Result<Deleting> {
        let process = self.first_process()?;
        if !force && (process.is_some() || !self.record.whole) {
            self.may_be_deleted()?;
        }
        if let Some(process) = process {
            self.end(&process, time)?;
        }
        let unit = self.unit()?;
        let group = match self.held.take() {
            Some(group) => Some(group),
            None => self.group()?,
        };
        let group = match group {
            // An ended container has left an empty group: that goes without a look at who is in it. One of systemd's
            // waits for its unit to go first.
            Some(group) if unit.is_none() && group.remove_within(Duration::ZERO).is_ok() => None,
            other => other,
        };
        if let Some(group) = &group {
            group.kill()?;
        }
        let stopped = unit.map_or(Ok(()), |unit| unit.stop());
        match stopped {
            // There is no systemd any more (a user has logged out, say): whatever comes next starts without the unit; one
            // that only does not answer ends a unit whose group is gone by itself.
            Err(e) if e.kind() == Kind::Unavailable => {}
            stopped => stopped?,
        }
        if let Some(group) = &group {
            group::remove_within(group, time)?;
        }
        self.remove_classes()?;
        let mut hooks = hooks::Run::default();
        if let Some(asked) = &self.record.hooks {
            let state = self.record.state(Status::Stopped, None);
            hooks.add("poststop", &asked.poststop, &state);
        }
        Ok(Deleting {
            folder: self.folder,
            hooks,
        })
    }

    /// Refuses one that runs, or that is being made.
    fn may_be_deleted(&self) -> Result<()> {
        let condition = self.condition()?;
        if matches!(condition, Condition::Stopped | Condition::Created) {
            return Ok(());
        }
        Err(Error::new(Kind::Conflict, "delete container", &self.id)
            .because(format!(
                "cannot delete container {} that is not stopped: {condition}",
                self.id
            ))
            .hint("--force ends it first"))
    }

    /// Removes its classes of service. A record that cannot be read any more hinders nothing.
    fn remove_classes(&self) -> Result<()> {
        if !self.record.has_class {
            return Ok(());
        }
        let (Some(root), Ok(spec)) = (HostFacts::find_resctrl(), self.spec()) else {
            return Ok(());
        };
        for group in tare_container::resctrl_groups(&spec, self.id.as_str(), &root) {
            match std::fs::remove_dir(&group) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e).op("remove", group.display()),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Container {
    /// Kills its first process and waits until that is gone.
    fn end(&self, process: &OwnedFd, time: Duration) -> Result<()> {
        match tare_signal::send(process, Signal::KILL.as_raw()) {
            Err(Errno::SRCH) => return Ok(()),
            done => done.op("end container", &self.id)?,
        }
        if is_gone_within(process, &AT_ONCE).op("wait for the end of", &self.id)? {
            return Ok(());
        }
        // One that is frozen dies only when it is thawed (cgroup version 1).
        if let Some(group) = self.group()? {
            group.kill()?;
        }
        let patience = Timespec::try_from(time).unwrap_or(AT_ONCE);
        if is_gone_within(process, &patience).op("wait for the end of", &self.id)? {
            return Ok(());
        }
        Err(Error::new(Kind::Conflict, "end container", &self.id)
            .because(format!(
                "its process was killed, and is still not gone after {time:?}"
            ))
            .hint("it waits for a device or a file system; delete it again when that is back"))
    }
}

fn is_gone_within(process: &OwnedFd, time: &Timespec) -> rustix::io::Result<bool> {
    loop {
        match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(time)) {
            Err(Errno::INTR) => {}
            done => return Ok(done? > 0),
        }
    }
}
