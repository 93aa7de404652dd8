//! Starting a created container.

use crate::container::{Condition, Container, GATE, LOCK};
use crate::hooks;
use rustix::process::Signal;
use tare_container::Plan;
use tare_error::{Error, Kind, Result};
use tare_spec_oci::Status;
use tare_store::Lock;

impl Container {
    /// Starts it, waits until its program runs, and runs its poststart hooks.
    ///
    /// # Errors
    /// `Conflict` where it is not created; the step that failed (its process is gone then); a hook that failed (it is
    /// ended then: runtime-spec 1.3).
    pub fn start(&self) -> Result<()> {
        let _lock = Lock::exclusive_or_conflict(&self.folder.join(LOCK))?;
        // Who waits at the gate can be started; what else it is, is asked only where nobody does.
        let gate = match self.gate() {
            Ok(gate) if self.record.whole => gate,
            _ => return Err(self.cannot_start()?),
        };
        gate.start(|| self.plan())?;
        // Nobody listens there any more; that it stays where we die here harms nobody.
        let _ = std::fs::remove_file(self.folder.join(GATE));
        let Some(hooks) = &self.record.hooks else {
            return Ok(());
        };
        // It ran, even where it is over by now.
        let pid = self.record.init.as_ref().map(|init| init.pid);
        let state = self.record.state(Status::Running, pid);
        hooks::run("poststart", &hooks.poststart, &state).map_err(|e| {
            match self.signal(Signal::KILL.as_raw()) {
                Ok(()) => e,
                Err(also) => e.also(also),
            }
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
        self.bundle()?.plan(self.id.as_str())
    }
}
