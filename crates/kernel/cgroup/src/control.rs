//! Stopping, ending and removing a group.

use crate::dir::Dir;
use crate::group::{Group, Member, is_gone};
use crate::host::{Controller, Version};
use crate::wait::Deadline;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashSet;
use std::fmt::Display;
use std::time::Duration;
use tare_error::{Context, Error, Kind, Result};

/// How long a freeze may take: a task in the kernel (a stalled disk, say) freezes when it comes out.
const FREEZE_WITHIN: Duration = Duration::from_secs(5);
/// How long [`Group::remove`] waits for processes that are ending.
const REMOVE_WITHIN: Duration = Duration::from_secs(5);
/// How often the kill without `cgroup.kill` goes after processes that are being born.
const ROUNDS: usize = 16;

impl Group {
    /// Stops every task of the group, and returns when all stand.
    ///
    /// By `cgroup.freeze` (Linux 5.2) where there is a version 2 tree, else by the version 1 freezer.
    ///
    /// # Errors
    /// `Unavailable` where a task did not stop within 5 seconds (the freeze is taken back), `Unsupported` without
    /// any freezer.
    pub fn freeze(&self) -> Result<()> {
        let done = match (self.v2(), self.v1(Controller::Freezer)) {
            (Some(member), _) if member.dir.has("cgroup.freeze") => freeze_v2(member),
            (_, Some(member)) => freeze_v1(member),
            _ => return Err(self.no_freezer()),
        };
        if done.op("freeze", &self.path)? {
            return Ok(());
        }
        let error = Error::new(Kind::Unavailable, "freeze", &self.path)
            .because("a task did not stop within 5 seconds")
            .hint("a task may wait for a disk or a network file system that does not answer");
        Err(match self.thaw() {
            Ok(()) => error,
            Err(also) => error.also(also),
        })
    }

    /// Tells the group to stop, and looks whether all of it stands: for a caller that asks again in a moment, and waits elsewhere.
    /// One that gives up lets it go by [`Group::thaw`].
    ///
    /// # Errors
    /// As [`Group::freeze`], but for the time.
    pub fn begin_freeze(&self) -> Result<bool> {
        let standing = match (self.v2(), self.v1(Controller::Freezer)) {
            (Some(member), _) if member.dir.has("cgroup.freeze") => member
                .dir
                .write("cgroup.freeze", "1")
                .and_then(|()| member.dir.read_key("cgroup.events", "frozen"))
                .map(|frozen| frozen == Some(1)),
            // A fork at the wrong moment keeps it `FREEZING` until it is told again.
            (_, Some(member)) => member
                .dir
                .write("freezer.state", "FROZEN")
                .and_then(|()| member.dir.read("freezer.state"))
                .map(|state| state.trim() == "FROZEN"),
            _ => return Err(self.no_freezer()),
        };
        standing.op("freeze", &self.path)
    }

    fn no_freezer(&self) -> Error {
        Error::new(Kind::Unsupported, "freeze", &self.path)
            .because("the freezer controller is not available")
            .hint("mount it: mount -t cgroup -o freezer freezer /sys/fs/cgroup/freezer")
    }

    /// Lets the tasks of the group run again.
    ///
    /// # Errors
    /// The kernel's.
    pub fn thaw(&self) -> Result<()> {
        if let Some(member) = self.v2() {
            allow_missing(member.dir.write("cgroup.freeze", "0")).op("thaw", &self.path)?;
        }
        if let Some(member) = self.v1(Controller::Freezer) {
            allow_missing(member.dir.write("freezer.state", "THAWED")).op("thaw", &self.path)?;
        }
        Ok(())
    }

    /// Whether the group itself has been told to freeze (by [`Group::freeze`] or somebody else).
    ///
    /// # Errors
    /// The kernel's.
    pub fn is_frozen(&self) -> Result<bool> {
        if let Some(member) = self.v2()
            && member
                .dir
                .read("cgroup.freeze")
                .is_ok_and(|text| text.trim() == "1")
        {
            return Ok(true);
        }
        match self.v1(Controller::Freezer) {
            Some(member) => {
                let state = member
                    .dir
                    .read("freezer.state")
                    .op("read the freezer of", &self.path)?;
                Ok(state.trim() != "THAWED")
            }
            None => Ok(false),
        }
    }

    /// Sends SIGKILL to every process of the group and of groups below, frozen or not, forking or not.
    ///
    /// By `cgroup.kill` (Linux 5.14) where there is a version 2 tree; else the group is frozen, so that nothing is
    /// born meanwhile, each process is killed by its pidfd, and the group is thawed. Does not wait: neither for the freeze nor
    /// for the ends.
    ///
    /// # Errors
    /// The kernel's; `Unavailable` where processes were born faster than killed (without any freezer).
    pub fn kill(&self) -> Result<()> {
        if let Some(member) = self.v2() {
            match member.dir.write("cgroup.kill", "1") {
                Ok(()) => {
                    // One that the version 1 freezer holds dies only when thawed.
                    return self.thaw_v1();
                }
                Err(Errno::NOENT | Errno::OPNOTSUPP) => {}
                Err(e) if is_gone(e) => return Ok(()),
                Err(e) => return Err(self.file_error("kill", "cgroup.kill", e)),
            }
        }
        self.kill_each()
    }

    fn thaw_v1(&self) -> Result<()> {
        match self.v1(Controller::Freezer) {
            Some(member) => allow_missing(member.dir.write("freezer.state", "THAWED")).op("thaw", &self.path),
            None => Ok(()),
        }
    }

    /// The kill of kernels without `cgroup.kill`.
    pub(crate) fn kill_each(&self) -> Result<()> {
        // Without a freezer the rounds end it all the same.
        let stop = || drop(self.begin_freeze());
        kill_stopped(&self.path, &|| self.processes(), &stop, &|| self.thaw())
    }

    /// Removes the group and the groups below it, in every hierarchy. What is gone already is fine.
    ///
    /// Processes are not killed; those that are ending are waited for, at most 5 seconds.
    ///
    /// # Errors
    /// `Conflict` naming processes that stay. The other hierarchies have been dealt with all the same.
    pub fn remove(&self) -> Result<()> {
        self.remove_within(REMOVE_WITHIN)
    }

    /// As [`Group::remove`], waiting at most `time`; with no time at all, it is tried once.
    ///
    /// # Errors
    /// As [`Group::remove`].
    pub fn remove_within(&self, time: Duration) -> Result<()> {
        let deadline = Deadline::after(time);
        let errors = self
            .members
            .iter()
            .filter_map(|member| self.remove_member(member, deadline).err());
        match errors.reduce(Error::also) {
            None => Ok(()),
            Some(e) => Err(e),
        }
    }

    fn remove_member(&self, member: &Member, deadline: Deadline) -> Result<()> {
        let above = match member.dir.above() {
            Err(e) if is_gone(e) => return Ok(()),
            above => above.op("remove cgroup", &self.path)?,
        };
        // A removed directory still knows its parent, where a new group may have taken the name (kernel 6.18).
        match above.is_parent_of(self.path.name(), &member.dir) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(e) if is_gone(e) => return Ok(()),
            Err(e) => return Err(self.file_error("remove cgroup", "", e)),
        }
        loop {
            match remove_tree(member, &above, self.path.name()) {
                Ok(()) => return Ok(()),
                Err(Errno::BUSY) => {}
                Err(e) => return Err(self.file_error("remove cgroup", "", e)),
            }
            if !wait_until_empty(member, deadline).op("wait for the processes of", &self.path)? {
                return Err(self.busy(member));
            }
        }
    }

    fn busy(&self, member: &Member) -> Error {
        let processes = member.processes().unwrap_or_default();
        let shown: Vec<String> = processes.iter().take(5).map(ToString::to_string).collect();
        let label = self
            .host
            .hierarchies
            .get(member.hierarchy)
            .map(|tree| tree.label());
        Error::new(Kind::Conflict, "remove cgroup", &self.path)
            .because(format!(
                "{} processes are in it ({}): {}",
                processes.len(),
                label.unwrap_or_default(),
                shown.join(", ")
            ))
            .hint("end them first")
    }
}

/// Kills everybody who is listed, while they are told to stop; waits neither for that nor for their ends.
///
/// What is killed makes no children any more (a fork with a fatal signal pending fails), and those that it has made run nothing
/// while they are told to stop, so that a second look finds them. What cannot stop, because it waits in the kernel, makes none
/// meanwhile either.
pub(crate) fn kill_stopped(
    subject: &dyn Display,
    list: &dyn Fn() -> Result<Vec<Pid>>,
    stop: &dyn Fn(),
    go_on: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let mut killed = HashSet::new();
    for _ in 0..ROUNDS {
        stop();
        let (mut all, mut new) = (0, Ok(1));
        while all < ROUNDS && matches!(new, Ok(1..)) {
            new = signal_new(list, &mut killed);
            all += 1;
        }
        let going = go_on();
        new?;
        going?;
        if signal_new(list, &mut killed)? == 0 {
            return Ok(());
        }
    }
    Err(Error::new(Kind::Unavailable, "kill", subject).because("processes came faster than they were killed"))
}

/// Kills what is listed and was not killed before, and only what is still listed once its pidfd is held; how many there were.
fn signal_new(list: &dyn Fn() -> Result<Vec<Pid>>, killed: &mut HashSet<Pid>) -> Result<usize> {
    let held: Vec<_> = list()?
        .into_iter()
        .filter(|pid| !killed.contains(pid))
        .filter_map(|pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?)))
        .collect();
    if held.is_empty() {
        return Ok(0);
    }
    let still: HashSet<Pid> = list()?.into_iter().collect();
    for (pid, fd) in &held {
        if still.contains(pid) {
            match pidfd_send_signal(fd, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(e) => return Err(Error::os("kill process", pid.as_raw_pid(), e)),
            }
        }
        killed.insert(*pid);
    }
    Ok(held.len())
}

pub(crate) fn allow_missing(done: rustix::io::Result<()>) -> rustix::io::Result<()> {
    match done {
        Err(e) if is_gone(e) => Ok(()),
        done => done,
    }
}

fn freeze_v2(member: &Member) -> rustix::io::Result<bool> {
    member.dir.write("cgroup.freeze", "1")?;
    let events = member.dir.open_read("cgroup.events")?;
    // An empty group counts as frozen at once; a group that fills up freezes its newcomers.
    Deadline::after(FREEZE_WITHIN).event(events.as_fd(), "frozen", 1)
}

/// The version 1 freezer sends no event, and a fork at the wrong moment keeps it `FREEZING` until it is told again.
fn freeze_v1(member: &Member) -> rustix::io::Result<bool> {
    let deadline = Deadline::after(FREEZE_WITHIN);
    loop {
        member.dir.write("freezer.state", "FROZEN")?;
        if member.dir.read("freezer.state")?.trim() == "FROZEN" {
            return Ok(true);
        }
        if !deadline.moment()? {
            return Ok(false);
        }
    }
}

/// Removes deepest first. `EBUSY` where a task is in one of them, or a new group was made meanwhile.
fn remove_tree(member: &Member, above: &Dir, name: &str) -> rustix::io::Result<()> {
    match above.remove(name) {
        Err(Errno::BUSY) => {}
        done => return allow_missing(done),
    }
    let mut below = member.descendants()?;
    while let Some(path) = below.pop() {
        allow_missing(member.dir.remove_below(&path))?;
    }
    allow_missing(above.remove(name))
}

/// Waits until nothing lives in the group; false at the deadline.
fn wait_until_empty(member: &Member, deadline: Deadline) -> rustix::io::Result<bool> {
    if member.version == Version::V2 {
        let events = match member.dir.open_read("cgroup.events") {
            Err(e) if is_gone(e) => return Ok(true),
            events => events?,
        };
        return Ok(deadline.event(events.as_fd(), "populated", 0)? && deadline.moment()?);
    }
    let living = member.processes()?;
    if living.is_empty() {
        return deadline.moment();
    }
    Ok(deadline.exits(living.into_iter())? && !deadline.has_passed())
}
