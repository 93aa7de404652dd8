//! After a supervisor's own death: what it left behind is ended, and what nobody saw is recorded as unknown.

use crate::client::wait_readable;
use crate::pod::{Entry, PodDir, has_ended};
use crate::protocol::{Exit, Oom};
use crate::record::InitRecord;
use crate::supervisor::{SUPERVISORS, unknown_exit};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};
use std::time::{Duration, Instant};
use tare_cgroup::{Group, GroupPath, Host};
use tare_error::{Context, Error, Kind, Result};
use tare_process::Stamp;

/// How long killed processes may take to end.
const ENDING: Duration = Duration::from_secs(10);

impl PodDir {
    /// Ends what a supervisor left behind that died itself (`kill -9`, no memory): kills the container's processes,
    /// removes both cgroups (the supervisor's own may be a scope's), and writes an exit record where there is none, whose end is `unknown` with its reason.
    ///
    /// Idempotent; takes at most half a minute, and next to no time where little is left. The pod's other files stay
    /// until [`PodDir::remove`]. `None` where no container had been begun.
    ///
    /// # Errors
    /// `Conflict` while a supervisor lives; `Unavailable` where a process does not end; else the kernel's.
    pub fn end_orphan(&self) -> Result<Option<Exit>> {
        if self.supervisor_alive()? {
            return Err(
                Error::new(Kind::Conflict, "clean up after", self.path().display())
                    .because("its supervisor lives"),
            );
        }
        let ending = self.supervisor()?;
        if let Some(ending) = &ending
            && let Some(handle) = ending.stamp.find()?
        {
            wait_for_end(&handle, ending.stamp.pid)?;
        }
        let init = self.init()?;
        let living = match init.as_ref().and_then(|init| init.process.as_ref()) {
            Some(process) => process.find()?,
            None => None,
        };
        let lived = living.as_ref().is_some_and(|handle| !has_ended(handle));
        if let Some(handle) = &living {
            end(handle, init.as_ref().and_then(|init| init.process.as_ref()))?;
        }
        let oom = match init.as_ref().and_then(|init| init.group.as_deref()) {
            Some(group) => end_group(group)?,
            None => None,
        };
        if let Some(name) = self.path().file_name() {
            let own = GroupPath::parse(SUPERVISORS)?.join(&name.to_string_lossy())?;
            remove_group(&own)?;
        }
        // What the supervisor started may still write there; systemd forgets the scope with its last process.
        if let Some(scope) = ending.and_then(|ending| ending.scope) {
            remove_group(&GroupPath::parse(&scope)?)?;
        }
        match (self.exit_record()?, init) {
            (Some(exit), _) => Ok(Some(exit)),
            (None, None) => Ok(None),
            (None, Some(init)) => self.record_unknown(&init, lived, oom).map(Some),
        }
    }

    fn record_unknown(&self, init: &InitRecord, lived: bool, oom: Option<Oom>) -> Result<Exit> {
        let reason = match (&init.process, lived) {
            (None, _) => "its supervisor died before its process was made",
            (Some(_), true) => "its supervisor died, and it was ended by the next command",
            (Some(_), false) => "its supervisor died before it, and nobody saw its end",
        };
        let mut exit = unknown_exit(reason);
        exit.oom = oom;
        self.write(Entry::Exit, &exit)?;
        Ok(exit)
    }
}

fn end(process: &OwnedFd, stamp: Option<&Stamp>) -> Result<()> {
    let pid = stamp.map_or(0, |stamp| stamp.pid);
    match pidfd_send_signal(process, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(e) => return Err(e).op("kill process", pid),
    }
    wait_for_end(process, pid)
}

fn wait_for_end(process: &OwnedFd, pid: i32) -> Result<()> {
    if wait_readable(process, Some(Instant::now() + ENDING)).op("wait for process", pid)? {
        return Ok(());
    }
    Err(Error::new(Kind::Unavailable, "end process", pid)
        .because("it is still there")
        .hint("it may wait for a disk or a network file system that does not answer"))
}

/// Kills what is in a container's group and removes it; says what had been killed for memory there.
fn end_group(group: &str) -> Result<Option<Oom>> {
    let path = GroupPath::parse(group)?;
    let group = match Host::current().and_then(|host| Group::open(&host, &path)) {
        Ok(group) => group,
        Err(e) if is_absent(&e) => return Ok(None),
        Err(e) => return Err(e),
    };
    let kill = group.memory_report()?.since(None);
    if !group.is_empty()? {
        group.kill()?;
    }
    group.remove()?;
    Ok(kill.map(|kill| Oom::of(kill, false)))
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
