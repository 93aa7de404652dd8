//! After a supervisor's own death: the groups that it lived in, and what it started there.

use crate::clock::wait_readable;
use crate::pod::PodDir;
use crate::supervisor::SUPERVISORS;
use std::time::{Duration, Instant};
use tare_cgroup::{Group, GroupPath, Host};
use tare_error::{Context, Error, Kind, Result};
use tare_process::Stamp;

/// How long a supervisor that was killed may take to end.
const ENDING: Duration = Duration::from_secs(10);

impl PodDir {
    /// Waits until a supervisor that is on its way out is gone; ten seconds at most.
    ///
    /// # Errors
    /// `Unavailable` where it does not end; else the kernel's.
    pub fn await_end(&self) -> Result<()> {
        self.supervisor()?
            .map_or(Ok(()), |ending| wait_for_end(&ending.stamp))
    }

    /// The same of one that is dying already. One that lives is not waited for.
    pub(crate) fn await_dying(&self) -> Result<()> {
        match self.supervisor()? {
            Some(dying) if !dying.stamp.runs()? => wait_for_end(&dying.stamp),
            _ => Ok(()),
        }
    }

    /// Removes the groups of a supervisor that ended without its own leave (`kill -9`, no memory); both of them, where it
    /// lived in a scope. What the directory has of containers is a successor's to take over first.
    ///
    /// Idempotent; waits at most ten seconds for a supervisor that is on its way out.
    ///
    /// # Errors
    /// `Conflict` while a supervisor lives; `Unavailable` where it does not end; else the kernel's.
    pub fn end_orphan(&self) -> Result<()> {
        if self.member().is_some() {
            // Its supervisor's groups are its pod's.
            return Ok(());
        }
        if self.supervisor_alive()? {
            return Err(
                Error::new(Kind::Conflict, "clean up after", self.path().display())
                    .because("its supervisor lives"),
            );
        }
        let ending = self.supervisor()?;
        self.await_end()?;
        if let Some(name) = self.path().file_name() {
            let own = GroupPath::parse(SUPERVISORS)?.join(&name.to_string_lossy())?;
            remove_group(&own)?;
        }
        // What the supervisor started may still write there; systemd forgets the scope with its last process.
        match ending.and_then(|ending| ending.scope) {
            Some(scope) => remove_group(&GroupPath::parse(&scope)?),
            None => Ok(()),
        }
    }
}

fn wait_for_end(process: &Stamp) -> Result<()> {
    let Some(handle) = process.find()? else {
        return Ok(());
    };
    if wait_readable(&handle, Some(Instant::now() + ENDING)).op("wait for process", process.pid)? {
        return Ok(());
    }
    Err(Error::new(Kind::Unavailable, "end process", process.pid)
        .because("it is still there")
        .hint("it may wait for a disk or a network file system that does not answer"))
}

fn remove_group(path: &GroupPath) -> Result<()> {
    match Host::current().and_then(|host| Group::open(&host, path)) {
        Ok(group) => group.remove(),
        Err(e) if is_absent(&e) => Ok(()),
        Err(e) => Err(e),
    }
}

/// No such group, or no way to have made one.
fn is_absent(error: &Error) -> bool {
    matches!(error.kind(), Kind::NotFound | Kind::Unsupported | Kind::Denied)
}
