//! Deleting a container: whatever is left of it goes, in any condition it can be found in.

use crate::container::{Condition, Container};
use crate::{group, hooks};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::Signal;
use std::io::ErrorKind;
use std::time::Duration;
use tare_container::HostFacts;
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::Status;

/// How long a killed process may take to end.
const ENDING: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

impl Container {
    /// Deletes it. One that runs is deleted only with `force`; one that waits to be started is ended.
    ///
    /// May be called again after any failure; what is gone already is no error.
    ///
    /// # Errors
    /// `Conflict` where it runs; those of its poststop hooks, after everything is gone.
    pub fn delete(mut self, force: bool) -> Result<()> {
        let process = self.first_process()?;
        if !force && (process.is_some() || !self.record.whole) {
            self.may_be_deleted()?;
        }
        if let Some(process) = process {
            end(&process, self.id.as_str())?;
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
            group::remove(group)?;
        }
        self.remove_classes()?;
        let told = self.record.hooks.as_ref().map_or(Ok(()), |hooks| {
            let state = self.record.state(Status::Stopped, None);
            hooks::run("poststop", &hooks.poststop, &state)
        });
        tare_store::remove_tree(&self.folder)?;
        told
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

/// Kills a process and waits until it is gone.
fn end(process: &OwnedFd, id: &str) -> Result<()> {
    match tare_signal::send(process, Signal::KILL.as_raw()) {
        Err(Errno::SRCH) => return Ok(()),
        done => done.op("end container", id)?,
    }
    loop {
        match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&ENDING)) {
            Err(Errno::INTR) => {}
            Ok(0) => {
                return Err(Error::new(Kind::Conflict, "end container", id)
                    .because("its process was killed, and is still not gone after 10 seconds")
                    .hint("it waits for a device or a file system; delete it again when that is back"));
            }
            done => return done.op("wait for the end of", id).map(|_| ()),
        }
    }
}
