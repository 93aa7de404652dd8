//! Starting a created container.

use crate::container::{Condition, Container, GATE, LOCK};
use crate::hooks;
use crate::pending::{self, Awaited, Pending};
use rustix::fd::AsFd;
use rustix::process::Signal;
use std::time::Instant;
use tare_container::Plan;
use tare_error::{Error, Kind, Result};
use tare_spec_oci::Status;
use tare_store::Lock;

/// A container being started.
#[derive(Debug)]
pub struct Starting {
    /// Until its program runs.
    process: Option<tare_container::Starting>,
    hooks: hooks::Run,
    _lock: Lock,
}

impl Container {
    /// Starts it, waits until its program runs, and runs its poststart hooks.
    ///
    /// # Errors
    /// `Conflict` where it is not created; the step that failed (its process is gone then); a hook that failed (it is
    /// ended then: runtime-spec 1.3).
    pub fn start(&self) -> Result<()> {
        let mut starting = self.begin_start()?;
        while !starting.advance(self)? {
            pending::wait(&starting)?;
        }
        Ok(())
    }

    /// Begins to start it, for a caller that waits elsewhere.
    ///
    /// # Errors
    /// `Conflict` where it is not created.
    pub fn begin_start(&self) -> Result<Starting> {
        let lock = Lock::exclusive_or_conflict(&self.folder.join(LOCK))?;
        // Who waits at the gate can be started; what else it is, is asked only where nobody does.
        let gate = match self.gate() {
            Ok(gate) if self.record.whole => gate,
            _ => return Err(self.cannot_start()?),
        };
        Ok(Starting {
            process: Some(gate.begin()?),
            hooks: hooks::Run::default(),
            _lock: lock,
        })
    }

    /// Why there is nothing to start.
    fn cannot_start(&self) -> Result<Error> {
        let why = match self.condition()? {
            Condition::Creating => "it is still being created",
            Condition::Running | Condition::Paused => "cannot start an already running container",
            Condition::Created | Condition::Stopped => "cannot start a container that has stopped",
        };
        Ok(Error::new(Kind::Conflict, "start container", &self.id).because(why))
    }

    /// The plan by which it was made, once more, to say which step a number is.
    fn plan(&self) -> Result<Plan> {
        self.bundle()?.plan(self.id.as_str(), &self.record.root_mounts)
    }
}

impl Starting {
    /// Makes its next steps, as far as there is nothing to wait for; whether `container`, whose start this is, has started.
    ///
    /// # Errors
    /// As [`Container::start`].
    pub fn advance(&mut self, container: &Container) -> Result<bool> {
        if let Some(process) = &self.process {
            if !process.advance(|| container.plan())? {
                return Ok(false);
            }
            self.process = None;
            // Nobody listens there any more; that it stays where we die here harms nobody.
            let _ = std::fs::remove_file(container.folder.join(GATE));
            if let Some(hooks) = &container.record.hooks {
                // It ran, even where it is over by now.
                let pid = container.record.init.as_ref().map(|init| init.pid);
                let state = container.record.state(Status::Running, pid);
                self.hooks.add("poststart", &hooks.poststart, &state);
            }
        }
        self.hooks
            .advance()
            .map_err(|e| match container.signal(Signal::KILL.as_raw()) {
                Ok(()) => e,
                Err(also) => e.also(also),
            })
    }
}

impl Pending for Starting {
    fn awaited(&self) -> Vec<Awaited<'_>> {
        let process = self.process.iter().map(|process| Awaited {
            turn: 0,
            fd: process.as_fd(),
            now: true,
        });
        process.chain(self.hooks.awaited()).collect()
    }

    fn deadline(&self) -> Option<Instant> {
        self.hooks.deadline()
    }
}
