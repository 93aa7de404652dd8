//! One container as its folder and the kernel show it.

use crate::bundle::Bundle;
use crate::driver::ScopedUnit;
use crate::group;
use crate::home::Home;
use crate::id::ContainerId;
use crate::record::Record;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tare_cgroup::{Freezers, Group, Host, Usage};
use tare_container::{HostFacts, Waiting, change_class};
use tare_error::{Context, Error, Kind, Result};
use tare_process::Stamp;
use tare_spec_oci::{IntelRdt, Resources, Spec};
use tare_store::Lock;

/// The socket at which a created container waits.
pub(crate) const GATE: &str = "gate";

/// What is locked while a container is made, started or deleted.
pub(crate) const LOCK: &str = "lock";

/// Where in its life a container is (runtime-spec: `runtime.md`, "State"; `paused` is runc's).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is being made.
    Creating,
    /// It is made and waits to be started.
    Created,
    /// Its program runs.
    Running,
    /// Its program runs, frozen.
    Paused,
    /// Its first process is gone.
    Stopped,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Condition::Creating => "creating",
            Condition::Created => "created",
            Condition::Running => "running",
            Condition::Paused => "paused",
            Condition::Stopped => "stopped",
        })
    }
}

/// A container that has a folder.
#[derive(Debug)]
pub struct Container {
    pub(crate) id: ContainerId,
    pub(crate) folder: PathBuf,
    pub(crate) record: Record,
    /// Its cgroup, where whoever made the container still holds it.
    pub(crate) held: Option<Group>,
    /// Where groups are on this machine, once somebody has asked: who keeps the container asks for each process that enters it,
    /// and the kernel writes the whole table of mounts for each look.
    pub(crate) host: OnceLock<Host>,
}

impl Container {
    pub(crate) fn open(home: &Home, id: &ContainerId) -> Result<Container> {
        let folder = home.folder(id);
        let record = match Record::read(home, id)? {
            Some(record) => record,
            None if folder.is_dir() => Record::of_nothing(id),
            None => {
                return Err(
                    Error::new(Kind::NotFound, "find container", id).because("container does not exist")
                );
            }
        };
        Ok(Container {
            id: id.clone(),
            folder,
            record,
            held: None,
            host: OnceLock::new(),
        })
    }

    /// Its id.
    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// What is known of it without asking the kernel.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Its configuration as it was when it was created; without its policy of system calls, where its home has that
    /// compiled.
    ///
    /// # Errors
    /// `NotFound` where it was never created whole.
    pub fn spec(&self) -> Result<Spec> {
        self.bundle().map(|bundle| bundle.spec)
    }

    /// The folder with all containers.
    pub(crate) fn home(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    pub(crate) fn bundle(&self) -> Result<Bundle> {
        Bundle::recorded(self.home(), &self.folder, &self.record.bundle)
    }

    /// Where in its life it is: asks the kernel.
    ///
    /// # Errors
    /// The kernel's.
    pub fn condition(&self) -> Result<Condition> {
        let lives = match &self.record.init {
            Some(init) => init.runs()?,
            None => false,
        };
        if !self.record.whole {
            let being_made = lives || self.is_locked();
            return Ok(if being_made {
                Condition::Creating
            } else {
                Condition::Stopped
            });
        }
        Ok(match lives {
            false => Condition::Stopped,
            true if self.gate().is_ok() => Condition::Created,
            true if self.is_frozen() => Condition::Paused,
            true => Condition::Running,
        })
    }

    /// The number of its first process, while that lives.
    ///
    /// # Errors
    /// The kernel's.
    pub fn pid(&self) -> Result<Option<i32>> {
        match &self.record.init {
            Some(init) if init.runs()? => Ok(Some(init.pid)),
            _ => Ok(None),
        }
    }

    /// Sends a signal to its first process. `SIGKILL` ends all of a container that shares a pid namespace with others,
    /// whose other processes would outlive the first; and a frozen one is let go, as version 1 ends nothing that is
    /// frozen (runc's rules).
    ///
    /// # Errors
    /// `Conflict` where it does not run, `Invalid` for a number that is no signal.
    pub fn signal(&self, signal: i32) -> Result<()> {
        let stopped =
            || Error::new(Kind::Conflict, "signal container", &self.id).because("container not running");
        let kills = signal == Signal::KILL.as_raw();
        if kills
            && self.record.shares_pids
            && let Some(group) = self.group()?
            && !group.is_empty()?
        {
            return group.kill();
        }
        let init = self.first_process()?.ok_or_else(stopped)?;
        let may_be_frozen = kills && self.record.init.as_ref().is_some_and(|init| is_held_up(init.pid));
        match tare_signal::send(&init, signal) {
            Err(Errno::SRCH) => return Err(stopped()),
            done => done.op("signal container", &self.id)?,
        }
        match may_be_frozen.then(|| self.group()).transpose()?.flatten() {
            Some(group) => group.thaw(),
            None => Ok(()),
        }
    }

    /// Sends a signal to every process of its cgroup.
    ///
    /// # Errors
    /// As [`Container::signal`]; processes that end meanwhile are passed over.
    pub fn signal_all(&self, signal: i32) -> Result<()> {
        let Some(group) = self.group()? else {
            return self.signal(signal);
        };
        for pid in group.processes()? {
            send(pid, signal)?;
        }
        Ok(())
    }

    /// Every process of the container, as the machine numbers them.
    ///
    /// # Errors
    /// The kernel's.
    pub fn processes(&self) -> Result<Vec<i32>> {
        match self.group()? {
            Some(group) => Ok(group.processes()?.into_iter().map(Pid::as_raw_pid).collect()),
            None => Ok(self.pid()?.into_iter().collect()),
        }
    }

    /// Freezes every process of the container.
    ///
    /// # Errors
    /// `Conflict` where it does not run, `Unsupported` without a cgroup.
    pub fn pause(&self) -> Result<()> {
        match self.condition()? {
            Condition::Running | Condition::Created => self.needed_group("pause")?.freeze(),
            other => Err(Error::new(Kind::Conflict, "pause container", &self.id)
                .because(format!("container not running: it is {other}"))),
        }
    }

    /// As [`Container::pause`], for a caller that waits elsewhere: whether every process stands already. If not, it is asked by
    /// [`Container::is_pausing`] in a moment, and given up by [`Container::resume`].
    ///
    /// # Errors
    /// As [`Container::pause`].
    pub fn begin_pause(&self) -> Result<bool> {
        match self.condition()? {
            Condition::Running | Condition::Created => self.needed_group("pause")?.begin_freeze(),
            other => Err(Error::new(Kind::Conflict, "pause container", &self.id)
                .because(format!("container not running: it is {other}"))),
        }
    }

    /// Whether every process stands by now; they are told once more.
    ///
    /// # Errors
    /// The kernel's.
    pub fn is_pausing(&self) -> Result<bool> {
        self.needed_group("pause")?.begin_freeze()
    }

    /// Kills every process of its cgroup, and waits for none of them; whether there is none any more.
    ///
    /// # Errors
    /// The kernel's.
    pub fn kill_rest(&self) -> Result<bool> {
        let Some(group) = self.group()? else {
            return Ok(true);
        };
        if group.is_empty()? {
            return Ok(true);
        }
        group.kill()?;
        group.is_empty()
    }

    /// Lets frozen processes go on.
    ///
    /// # Errors
    /// `Conflict` where it is not paused.
    pub fn resume(&self) -> Result<()> {
        match self.condition()? {
            Condition::Paused => self.needed_group("resume")?.thaw(),
            other => Err(Error::new(Kind::Conflict, "resume container", &self.id)
                .because(format!("container not paused: it is {other}"))),
        }
    }

    /// Changes limits; what is not named stays as it is.
    ///
    /// # Errors
    /// `Conflict` where it does not run, `Unsupported` without a cgroup, and those of the values.
    pub fn update(&self, resources: &Resources) -> Result<()> {
        match self.condition()? {
            Condition::Created | Condition::Running | Condition::Paused => {
                let group = self.needed_group("update")?;
                match self.unit()? {
                    Some(unit) => unit.update(&group, resources),
                    None => group.apply(resources),
                }
            }
            other => Err(Error::new(Kind::Conflict, "update container", &self.id)
                .because(format!("container not running: it is {other}"))),
        }
    }

    /// Changes the schemata of its class of resctrl; what is not named stays as it was configured.
    ///
    /// # Errors
    /// `Conflict` where it does not run, `Unsupported` without `linux.intelRdt` or without resctrl on this host.
    pub fn update_class(&self, cache: Option<&str>, bandwidth: Option<&str>) -> Result<()> {
        let error = |kind, why: &str| Error::new(kind, "update container", &self.id).because(why);
        let pid = self.pid()?.and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| error(Kind::Conflict, "container not running"))?;
        let root = HostFacts::find_resctrl().ok_or_else(|| {
            error(Kind::Unsupported, "the host has no resctrl at /sys/fs/resctrl")
                .hint("mount -t resctrl resctrl /sys/fs/resctrl, where the processor has the technology")
        })?;
        let own = self.spec()?.linux.and_then(|linux| linux.intel_rdt);
        let own = own.ok_or_else(|| error(Kind::Unsupported, "it was created without linux.intelRdt"))?;
        let rdt = IntelRdt {
            l3_cache_schema: cache.map(str::to_owned).or(own.l3_cache_schema),
            mem_bw_schema: bandwidth.map(str::to_owned).or(own.mem_bw_schema),
            ..own
        };
        change_class(&rdt, self.id.as_str(), &root, pid)
    }

    /// Lets go of its cgroup, which its maker still holds: files in every hierarchy.
    pub fn let_go(&mut self) -> Option<Group> {
        self.held.take()
    }

    /// Holds its cgroup again, so that deleting it need not look for it.
    pub fn hold(&mut self, group: Group) {
        self.held = Some(group);
    }

    /// Its folder, for what a supervisor keeps of it; gone with the container.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its cgroup, where it has one that is still there.
    ///
    /// # Errors
    /// The kernel's.
    pub fn group(&self) -> Result<Option<Group>> {
        match self.record.group.as_deref() {
            Some(path) => group::open(self.host()?, path),
            None => Ok(None),
        }
    }

    fn host(&self) -> Result<&Host> {
        match self.host.get() {
            Some(host) => Ok(host),
            None => {
                let host = Host::current()?;
                Ok(self.host.get_or_init(|| host))
            }
        }
    }

    /// What it has used; none without a cgroup of its own.
    ///
    /// # Errors
    /// The kernel's.
    pub fn usage(&self) -> Result<Option<Usage>> {
        Ok(self.group()?.map(|group| group.usage()))
    }

    /// Its unit, where systemd made its cgroup.
    pub(crate) fn unit(&self) -> Result<Option<ScopedUnit>> {
        self.record
            .driver
            .unit(&self.record.cgroups_path, self.id.as_str())
    }

    fn needed_group(&self, what: &'static str) -> Result<Group> {
        self.group()?.ok_or_else(|| {
            Error::new(Kind::Unsupported, what, &self.id).because("it has no cgroup of its own")
        })
    }

    /// A handle on its first process, where that lives.
    pub(crate) fn first_process(&self) -> Result<Option<OwnedFd>> {
        self.record.init.as_ref().map_or(Ok(None), Stamp::running)
    }

    /// Goes to its gate, where it waits there.
    pub(crate) fn gate(&self) -> Result<Waiting> {
        let folder = open_folder(&self.folder)?;
        Waiting::at(&gate_of(&folder))
    }

    /// Two files are read: the group itself would be opened in each hierarchy.
    fn is_frozen(&self) -> bool {
        let Some(group) = self.record.group.as_deref() else {
            return false;
        };
        let freezers = match self.host.get() {
            Some(host) => Freezers::open(host),
            None => Freezers::current(),
        };
        freezers.is_ok_and(|freezers| freezers.is_frozen(group).unwrap_or(false))
    }

    fn is_locked(&self) -> bool {
        matches!(Lock::try_shared(&self.folder.join(LOCK)), Ok(None))
    }
}

/// Whether a process sleeps so that no signal ends it, as a frozen one does (proc_pid_stat(5), "state"). To ask its group
/// costs a look at all mounts.
fn is_held_up(pid: i32) -> bool {
    const LONGEST: usize = 4096;
    let text = tare_store::read(format!("/proc/{pid}/stat"), LONGEST).unwrap_or_default();
    // The name before it may hold any bytes.
    let after = text.iter().rposition(|byte| *byte == b')');
    after.and_then(|end| text.get(end + 2)) == Some(&b'D')
}

/// Signals one process of a group by its handle; one that has ended is passed over.
fn send(pid: Pid, signal: i32) -> Result<()> {
    match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => Ok(()),
        handle => match tare_signal::send(handle.op("open a handle on process", pid.as_raw_pid())?, signal) {
            Err(Errno::SRCH) => Ok(()),
            done => done.op("signal process", pid.as_raw_pid()),
        },
    }
}

/// A container's folder, held.
pub(crate) fn open_folder(folder: &Path) -> Result<OwnedFd> {
    use rustix::fs::{CWD, Mode, OFlags};
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, folder, flags, Mode::empty()).op("open folder", folder.display())
}

/// The gate's path through a held folder: short enough for a socket, however long the folder's own path is.
pub(crate) fn gate_of(folder: &OwnedFd) -> PathBuf {
    use rustix::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}/{GATE}", folder.as_raw_fd()))
}
