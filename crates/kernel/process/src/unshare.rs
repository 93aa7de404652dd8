//! A program in namespaces of its own, as `unshare(1)` of util-linux starts it.
//!
//! ```text
//! Unshare::run ── forks those who work from outside ── unshare(2) ── clocks ── id ranges (from outside)
//!    ├─ without a fork: names bound (from outside) ── settle ── inside()
//!    └─ with one:  parent: names bound (from outside) ── waits ── Ended
//!                  child:  settle ── inside()
//! settle: own id mapped ── propagation ── root, directory, /proc ── ids ── capabilities
//! ```
//! Nothing of it is undone: who fails ends, and the namespaces with it.

mod ids;
mod outside;
mod place;

pub use ids::{IdMaps, IdRange, first_subordinate};
pub use place::{Place, Propagation};

use crate::capabilities::set_ambient;
use crate::procfs::Procfs;
use crate::spawn::Child;
use outside::Outside;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, getpid};
use rustix::thread::{CapabilitySets, Gid, Uid};
use std::ffi::CString;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result};
use tare_signal::Reception;
use tare_sys::{CloneFlags, fork_whole, reset_signals, unshare};

/// What the kernel means by `EINVAL`: a loop is ruled out by the numbers of mount namespaces, which Linux 6.18 gives out per
/// processor.
const EARLIER: &str = "a mount namespace is bound where the number of that is lower, and the kernel numbers them for each \
                       processor: try it again, perhaps on another one (taskset)";

/// The signals that somebody at a terminal means for the program, not for who waits for it.
const FOR_CHILD: &[i32] = &[Signal::INT.as_raw(), Signal::TERM.as_raw()];

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Unshare {
    /// The namespaces to leave.
    pub namespaces: CloneFlags,
    /// Whether the program runs in a child: only children are in a new pid namespace.
    pub fork: bool,
    /// The signal that the child gets when this process ends.
    pub kill_child: Option<i32>,
    /// Which ids there are in a new user namespace.
    pub ids: IdMaps,
    /// What is where in a new mount namespace, and where the program starts.
    pub place: Place,
    /// The user to become, after all else.
    pub user: Option<u32>,
    /// The group to become; without any other one.
    pub group: Option<u32>,
    /// Whether the program keeps the capabilities that a new user namespace gives, whoever it runs as.
    pub keep_capabilities: bool,
    /// Seconds by which clocks differ in a new time namespace: `monotonic` or `boottime` (time_namespaces(7)).
    pub clocks: Vec<(&'static str, i64)>,
    /// Files to which namespaces are bound, so that they stay: the name in `/proc/PID/ns`, and the file.
    pub kept: Vec<(&'static str, PathBuf)>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this code; without a fork the one of `inside`.
    Exited(u8),
    /// By this signal.
    Killed(i32),
}

impl Unshare {
    /// Nothing but a process as it is.
    pub fn new() -> Unshare {
        Unshare {
            namespaces: CloneFlags::empty(),
            fork: false,
            kill_child: None,
            ids: IdMaps::default(),
            place: Place::default(),
            user: None,
            group: None,
            keep_capabilities: false,
            clocks: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Does it, and calls `inside` there: to execute the program, or to tell the error that kept it from that; what it returns
    /// is an exit code. `inside` runs in a child where one was asked for, and in this process where not.
    ///
    /// # Errors
    /// What was not done before there was an inside: `Denied`, `Invalid` for what excludes each other, the kernel's.
    pub fn run(&self, inside: impl FnOnce(Result<()>) -> u8) -> Result<Ended> {
        self.check()?;
        let own = ids::Own::current();
        let keeper = Outside::start_if(!self.kept.is_empty(), || self.bind())?;
        let mapper = self.ids.mapper(own)?;
        unshare(self.namespaces).op("unshare", self.names())?;
        self.set_clocks()?;
        mapper.map_or(Ok(()), Outside::finish)?;
        if !self.fork {
            keeper.map_or(Ok(()), Outside::finish)?;
            return Ok(Ended::Exited(inside(self.settle(own))));
        }
        let (wait, go) = pipe_with(PipeFlags::CLOEXEC).op("make", "a pipe")?;
        let signals = Reception::open(FOR_CHILD).op("block", "signals")?;
        let mut go = Some(go);
        let child = fork_whole(|| {
            // What is waited for is a byte, or the end of who would write it: so nobody else may hold the other end.
            drop(go.take());
            let is_told = keeper.is_none() || matches!(rustix::io::read(&wait, &mut [0]), Ok(1));
            let ran = signals.released(|| is_told.then(|| inside(self.settle(own))));
            ran.ok().flatten().map_or(1, i32::from)
        });
        let child = child.op("fork", "")?;
        let child = Child {
            pid: child.pid,
            pidfd: child.pidfd,
        };
        self.attend(&child, keeper, go.as_ref())
    }

    /// What the parent does.
    fn attend(&self, child: &Child, keeper: Option<Outside>, go: Option<&OwnedFd>) -> Result<Ended> {
        if let Some((keeper, go)) = keeper.zip(go) {
            if let Err(e) = keeper.finish() {
                child.kill_and_reap();
                return Err(e);
            }
            rustix::io::write(go, b"g").op("speak to", "the child")?;
        }
        let status = child.wait().op("wait for", "the child")?;
        Ok(match (status.exit_status(), status.terminating_signal()) {
            (_, Some(signal)) => Ended::Killed(signal),
            (code, None) => Ended::Exited(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        })
    }

    fn check(&self) -> Result<()> {
        let refuse = |why: &str| Err(Error::new(Kind::Invalid, "unshare", "").because(why));
        if !self.clocks.is_empty() && !self.namespaces.contains(CloneFlags::NEWTIME) {
            return refuse("a clock can differ in a time namespace of its own alone: give --time");
        }
        if self.ids.set_groups == Some(true) && self.ids.group.is_some() && self.ids.groups.is_empty() {
            return refuse("who maps the own group alone cannot have setgroups(2) allowed");
        }
        Ok(())
    }

    /// The namespaces' names, for errors.
    fn names(&self) -> String {
        let names: Vec<&str> = KINDS
            .iter()
            .filter(|(_, flag)| self.namespaces.contains(*flag))
            .map(|(name, _)| *name)
            .collect();
        names.join(", ")
    }

    fn set_clocks(&self) -> Result<()> {
        for (clock, seconds) in &self.clocks {
            let line = format!("{clock} {seconds} 0");
            Procfs::open()
                .and_then(|procfs| procfs.write_own(c"timens_offsets", line.as_bytes()))
                .op("set clock", *clock)?;
        }
        Ok(())
    }

    /// Binds the namespaces of this process's parent to files: done from outside, where the files are.
    fn bind(&self) -> Result<()> {
        let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
        for (name, file) in &self.kept {
            let name = match *name {
                "pid" => "pid_for_children",
                "time" => "time_for_children",
                name => name,
            };
            let bound = rustix::mount::mount_bind(format!("/proc/{parent}/ns/{name}"), file);
            let is_earlier = name == "mnt" && bound == Err(Errno::INVAL);
            bound
                .op("bind a namespace to", file.display())
                .map_err(|error| match is_earlier {
                    true => error.hint(EARLIER),
                    false => error,
                })?;
        }
        Ok(())
    }

    /// What is done inside, by the process that executes the program.
    fn settle(&self, own: ids::Own) -> Result<()> {
        self.die_with_parent()?;
        self.ids.write_own(own)?;
        if self.namespaces.contains(CloneFlags::NEWNS) {
            self.place.propagate()?;
        }
        self.place.enter()?;
        self.become_other()?;
        // Another identity takes the wish back (prctl(2)).
        self.die_with_parent()?;
        if self.keep_capabilities && self.namespaces.contains(CloneFlags::NEWUSER) {
            keep_capabilities().op("keep", "capabilities")?;
        }
        Ok(())
    }

    fn die_with_parent(&self) -> Result<()> {
        let Some(signal) = self.kill_child.filter(|_| self.fork) else {
            return Ok(());
        };
        let named = Signal::from_named_raw(signal).ok_or(rustix::io::Errno::INVAL);
        named
            .and_then(|signal| rustix::process::set_parent_process_death_signal(Some(signal)))
            .op("ask for a signal at the parent's end", signal)
    }

    fn become_other(&self) -> Result<()> {
        if let Some(group) = self.group {
            rustix::thread::set_thread_groups(&[]).op("drop", "groups")?;
            let id = Gid::from_raw(group);
            rustix::thread::set_thread_res_gid(id, id, id).op("become group", group)?;
        }
        if let Some(user) = self.user {
            let id = Uid::from_raw(user);
            rustix::thread::set_thread_res_uid(id, id, id).op("become user", user)?;
        }
        Ok(())
    }
}

impl Default for Unshare {
    fn default() -> Unshare {
        Unshare::new()
    }
}

/// Namespaces by their names in `/proc/PID/ns`.
const KINDS: &[(&str, CloneFlags)] = &[
    ("mnt", CloneFlags::NEWNS),
    ("uts", CloneFlags::NEWUTS),
    ("ipc", CloneFlags::NEWIPC),
    ("net", CloneFlags::NEWNET),
    ("pid", CloneFlags::NEWPID),
    ("user", CloneFlags::NEWUSER),
    ("cgroup", CloneFlags::NEWCGROUP),
    ("time", CloneFlags::NEWTIME),
];

/// All that is permitted outlives exec: ambient, for which it has to be inheritable.
fn keep_capabilities() -> rustix::io::Result<()> {
    let now = rustix::thread::capabilities(None)?;
    let sets = CapabilitySets {
        inheritable: now.permitted,
        ..now
    };
    rustix::thread::set_capabilities(None, sets)?;
    set_ambient(now.permitted)
}

/// Ends this process as its child has ended: by a signal. Returns where that does not end it.
pub fn end_by(signal: i32) {
    reset_signals();
    let own = rustix::process::pidfd_open(getpid(), rustix::process::PidfdFlags::empty());
    let _ = own.and_then(|own| tare_signal::send(own, signal));
}

/// A path as system calls want it.
fn c_path(path: &Path) -> Result<CString> {
    use std::os::unix::ffi::OsStrExt as _;
    CString::new(path.as_os_str().as_bytes()).map_err(|_| {
        Error::new(Kind::Invalid, "read path", format!("{path:?}")).because("it has a NUL in it")
    })
}
