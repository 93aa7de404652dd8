//! The parent's side: a container on its way from request to running process, without ever waiting.

mod interfaces;
mod outside;
mod resctrl;

pub use resctrl::change_class;

use crate::child::{Child, Grounds, Handles, Home, enter_namespaces, run_opener};
use crate::failure;
use crate::plan::{Maps, Plan, plan};
use crate::report::{self, Message, Received};
use crate::request::{HostFacts, Options, Request, Stdio};
use crate::step::Signal;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use rustix::process::{Pid, geteuid};
use std::path::PathBuf;
use tare_error::{Context, Error, Kind, Result};
use tare_process::{CloneFlags, Fork, spawn, spawn_through, user_namespace};
use tare_spec_oci::NamespaceKind;

/// Where a container is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Steps are being executed.
    SettingUp,
    /// It has its cgroup namespace: the caller moves it into a group below ([`Options::delegates`]), then calls
    /// [`Creation::go_on`].
    Delegation,
    /// Everything is mounted: the caller runs the hooks of the runtime, then calls [`Creation::go_on`].
    Hooks,
    /// Everything is ready; [`Creation::start`] starts it.
    Created,
    /// It was told to start, and has not executed its program yet.
    Starting,
    /// The program was executed.
    Running,
}

/// A container on its way. Dropped before it runs, its process is killed and reaped.
#[derive(Debug)]
pub struct Creation {
    plan: Box<Plan>,
    child: Option<tare_process::Child>,
    /// What opens sources for a child in a new user namespace; it ends by itself.
    opener: Option<tare_process::Child>,
    pid: Pid,
    channel: OwnedFd,
    terminal: Option<OwnedFd>,
    listener: Option<OwnedFd>,
    /// Groups of resctrl that were made.
    resctrl: Vec<PathBuf>,
    stage: Stage,
    /// Whether another process can start it.
    gated: bool,
}

/// A container's process, which is the caller's to wait for.
#[derive(Debug)]
pub struct Running {
    /// Its first process.
    pub process: tare_process::Child,
    /// The other end of its terminal, where it has one that was not taken before.
    pub terminal: Option<OwnedFd>,
    /// The listener of its filter, where it has one that was not taken before.
    pub listener: Option<OwnedFd>,
    /// Directories of resctrl that were made for it; who deletes the container removes them, in this order.
    pub resctrl: Vec<PathBuf>,
}

impl Creation {
    /// Makes the plan and the process that executes it.
    ///
    /// `attach` is called once with the new process's pid, before anything is mounted that depends on its cgroup, and
    /// moves it into groups that it could not be born into (cgroup v1). Nothing here waits for the child.
    ///
    /// # Errors
    /// Those of [`plan`], of a namespace that cannot be joined, of the fork, the id maps and of `attach`; nothing is
    /// left then.
    pub fn begin(
        request: &Request<'_>,
        facts: &HostFacts,
        attach: impl FnOnce(Pid) -> Result<()>,
    ) -> Result<Creation> {
        let plan = Box::new(plan(request, facts)?);
        let joined = open_namespaces(&plan)?;
        let maps = map_namespaces(&plan, &joined)?;
        let (channel, theirs) = sockets(request)?;
        let forked = fork(request, &plan, (&joined, &maps), theirs.as_fd())?;
        drop(theirs);
        let Some((process, opener)) = forked else {
            return Err(never_entered(&plan, &channel));
        };
        let mut creation = Creation {
            pid: process.pid,
            child: Some(process),
            opener,
            plan,
            channel,
            terminal: None,
            listener: None,
            resctrl: Vec::new(),
            stage: Stage::SettingUp,
            gated: request.options.gate.is_some(),
        };
        if let Some(outside) = &creation.plan.outside {
            outside::arrange(outside, creation.pid, request)?;
            if outside.new {
                creation.say(Signal::Mapped)?;
            }
        }
        creation.hand_interfaces_over(&joined)?;
        if let Some(class) = &creation.plan.class {
            resctrl::enter(class, creation.pid, &mut creation.resctrl)?;
        }
        attach(creation.pid)?;
        creation.say(Signal::Grouped)?;
        Ok(creation)
    }

    /// Moves interfaces into the child's network namespace, new or joined.
    fn hand_interfaces_over(&self, joined: &[OwnedFd]) -> Result<()> {
        if self.plan.interfaces.is_empty() {
            return Ok(());
        }
        let mut namespaces = self.plan.joined.iter().zip(joined);
        match namespaces.find(|(n, _)| n.kind == NamespaceKind::Network) {
            Some((_, namespace)) => interfaces::hand_over(&self.plan.interfaces, namespace),
            None => {
                let path = format!("/proc/{}/ns/net", self.pid.as_raw_nonzero());
                interfaces::hand_over(&self.plan.interfaces, &open_namespace(path)?)
            }
        }
    }

    /// Takes in what the child has said since, without waiting. Call it whenever the fd is readable.
    ///
    /// # Errors
    /// The step that failed, with what is known of the reason. The process is gone then.
    pub fn advance(&mut self) -> Result<Stage> {
        loop {
            match report::receive(&self.channel).op("hear from", "the container's process")? {
                Received::Nothing => return Ok(self.stage),
                Received::Message(Message::Created) => {
                    self.stage = Stage::Created;
                    self.end_opener();
                }
                Received::Message(Message::Hooks) => self.stage = Stage::Hooks,
                Received::Message(Message::Delegation) => self.stage = Stage::Delegation,
                Received::Message(Message::Terminal(fd)) => self.terminal = Some(fd),
                Received::Message(Message::Listener(fd)) => self.listener = Some(fd),
                Received::Message(Message::Failed { step, failure, head }) => {
                    self.end();
                    return Err(failure::describe(&self.plan, step, failure, &head));
                }
                Received::End if self.is_started() => {
                    self.stage = Stage::Running;
                    return Ok(Stage::Running);
                }
                Received::End => return Err(self.died()),
            }
        }
    }

    /// Lets the set-up go on after the caller has done what the stage asks for: run the hooks of the runtime, or move
    /// the process.
    ///
    /// # Errors
    /// `Conflict` where it does not wait for that, else the kernel's.
    pub fn go_on(&mut self) -> Result<()> {
        self.say(match self.stage {
            Stage::Hooks => Signal::Hooked,
            Stage::Delegation => Signal::Delegated,
            Stage::SettingUp | Stage::Created | Stage::Starting | Stage::Running => {
                return Err(Error::new(Kind::Conflict, "go on with", "the container")
                    .because("it does not wait for hooks, nor to be moved"));
            }
        })?;
        self.stage = Stage::SettingUp;
        Ok(())
    }

    /// Leaves a created container to itself: it waits at its gate ([`crate::Options::gate`]) for another process to
    /// start it ([`crate::Waiting`]).
    ///
    /// # Errors
    /// `Conflict` where it is not created, or has no gate.
    pub fn leave(mut self) -> Result<Running> {
        let (terminal, listener) = (self.terminal.take(), self.listener.take());
        match self.child.take_if(|_| self.stage == Stage::Created && self.gated) {
            Some(process) => Ok(Running {
                process,
                terminal,
                listener,
                resctrl: std::mem::take(&mut self.resctrl),
            }),
            None => {
                Err(Error::new(Kind::Conflict, "leave", "the container").because("nobody could start it"))
            }
        }
    }

    /// Starts a created container: from now on the end of the channel means that the program runs.
    ///
    /// # Errors
    /// `Conflict` where it is not created, else the kernel's.
    pub fn start(&mut self) -> Result<()> {
        if self.stage != Stage::Created {
            return Err(Error::new(Kind::Conflict, "start", "the container")
                .because("it is not created, or started already"));
        }
        self.say(Signal::Start)?;
        self.stage = Stage::Starting;
        Ok(())
    }

    fn is_started(&self) -> bool {
        matches!(self.stage, Stage::Starting | Stage::Running)
    }

    /// The process's pid in the caller's pid namespace.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The process's pidfd.
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.child.as_ref().map(|c| c.pidfd.as_fd())
    }

    /// The plan that is executed.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The other end of the terminal, once; there when the stage is [`Stage::Created`].
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// The listener of the filter, once, where a rule of it asks one; from now on such calls of the process wait for it.
    /// It comes before the stage is [`Stage::Created`], and must be given on at once ([`crate::send_listener`]), as the
    /// process may have to ask before it gets there.
    pub fn take_listener(&mut self) -> Option<OwnedFd> {
        self.listener.take()
    }

    /// Waits until the container is created, or has something for the caller to do: a stage, or a listener to be taken;
    /// then it is called again. For callers that may wait.
    ///
    /// # Errors
    /// As [`Creation::advance`].
    pub fn wait_created(&mut self) -> Result<()> {
        while self.advance()? == Stage::SettingUp && self.listener.is_none() {
            self.wait_readable()?;
        }
        Ok(())
    }

    /// Starts a created container, waits until its program runs, and hands the process over. Where a filter asks about
    /// calls of the set-up itself, its listener must be taken before.
    ///
    /// # Errors
    /// As [`Creation::start`] and [`Creation::advance`].
    pub fn run(mut self) -> Result<Running> {
        self.wait_created()?;
        if let Some(listener) = self.take_listener() {
            self.wait_created()?;
            self.listener = Some(listener);
        }
        self.start()?;
        while self.advance()? != Stage::Running {
            self.wait_readable()?;
        }
        self.finish()
    }

    /// Hands the process over, once [`Creation::advance`] has said that the program runs.
    ///
    /// # Errors
    /// `Conflict` where it was not started.
    pub fn finish(mut self) -> Result<Running> {
        let (terminal, listener) = (self.terminal.take(), self.listener.take());
        match self.child.take_if(|_| self.stage == Stage::Running) {
            Some(process) => Ok(Running {
                process,
                terminal,
                listener,
                resctrl: std::mem::take(&mut self.resctrl),
            }),
            None => {
                Err(Error::new(Kind::Conflict, "hand over", "the container").because("it is not running"))
            }
        }
    }

    /// Ends its processes, and waits for none of them: one may be held up in the kernel, by a mount's source that does not answer.
    pub fn give_up(&self) {
        for process in self.child.iter().chain(&self.opener) {
            let _ = process.signal(rustix::process::Signal::KILL);
        }
    }

    /// Whether its processes have ended, so that dropping this waits for nothing.
    pub fn is_over(&self) -> bool {
        let mut processes = self.child.iter().chain(&self.opener);
        processes.all(tare_process::Child::has_ended)
    }

    fn wait_readable(&self) -> Result<()> {
        let mut fds = [PollFd::new(&self.channel, PollFlags::IN)];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(e) => Err(Error::os("wait for", "the container's process", e)),
        }
    }

    fn say(&self, signal: Signal) -> Result<()> {
        match rustix::net::send(&self.channel, &[signal as u8], SendFlags::NOSIGNAL) {
            // It is gone; what it said before tells why, when it is read.
            Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
            Err(e) => Err(Error::os("speak to", "the container's process", e)),
        }
    }

    /// The child ended without a word: something killed it.
    fn died(&mut self) -> Error {
        self.end_opener();
        let status = self.child.take().and_then(|child| {
            let _ = child.signal(rustix::process::Signal::KILL);
            child.wait().ok()
        });
        let how = status
            .and_then(|s| s.terminating_signal())
            .map_or_else(String::new, |n| format!(" by signal {n}"));
        Error::new(Kind::Internal, "set up", "the container").because(format!("its process was ended{how}"))
    }

    /// Reaps the opener, which has sent everything.
    fn end_opener(&mut self) {
        if let Some(opener) = self.opener.take() {
            opener.kill_and_reap();
        }
    }

    /// Kills and reaps the process.
    fn end(&mut self) {
        self.end_opener();
        if let Some(child) = self.child.take() {
            child.kill_and_reap();
        }
        for group in self.resctrl.drain(..) {
            // Empty now; what is gone already is as good.
            let _ = std::fs::remove_dir(group);
        }
    }
}

impl Drop for Creation {
    fn drop(&mut self) {
        self.end();
    }
}

impl AsFd for Creation {
    /// The fd to poll: readable when [`Creation::advance`] has something to say.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

/// Forks the child that executes the plan, and the opener it may need; none where namespaces to be born in could not be
/// entered, which was told through the channel.
fn fork(
    request: &Request<'_>,
    plan: &Plan,
    (joined, maps): (&[OwnedFd], &[OwnedFd]),
    channel: BorrowedFd<'_>,
) -> Result<Option<(tare_process::Child, Option<tare_process::Child>)>> {
    let refused = |errno| match errno {
        Errno::DEADLK => Error::new(Kind::Internal, "make a process for", request.id)
            .because("the calling process has several threads"),
        errno => Error::os("make a process for", request.id, errno),
    };
    let stdio = match request.stdio {
        Stdio::Fds {
            stdin,
            stdout,
            stderr,
        } => Some([stdin, stdout, stderr]),
        Stdio::Terminal => None,
    };
    let sources = if plan.opener.is_empty() {
        None
    } else {
        Some(sockets(request)?)
    };
    let mut keep = vec![channel];
    keep.extend(joined.iter().chain(maps).map(AsFd::as_fd));
    keep.extend(stdio.iter().flatten());
    keep.extend(request.entrances);
    keep.extend(sources.iter().map(|(ours, _)| ours.as_fd()));
    let options = request.options;
    keep.extend(options.gate);
    keep.extend(options.root);
    keep.extend(options.passed);
    keep.extend(options.hook_state);
    keep.extend(options.hook_output.iter().flatten());
    let kept = kept_at_the_gate(channel, &options);
    let mapped_by_user = !geteuid().is_root() && plan.outside.as_ref().is_some_and(|outside| outside.new);
    let child = Child {
        plan,
        channel,
        joined,
        maps,
        opener: sources.as_ref().map(|(ours, _)| ours.as_fd()),
        stdio,
        options,
        kept: &kept,
        starter: None,
        entrances: request.entrances,
        slots: (0..plan.slots).map(|_| None).collect(),
        mapped_by_user,
        environment: plan.environment_to_extend(),
        home: Home::default(),
        handles: Handles::default(),
        grounds: Grounds::with_room_for(plan.steps.len()),
    };
    let how = Fork {
        flags: plan.flags,
        group: request.group,
        keep: &keep,
    };
    let process = if plan.entry.is_empty() {
        let make = || seen(mapped_by_user, || spawn(&how, || child.run()));
        in_pid_namespace(plan, joined, make)?.map_err(refused)?
    } else {
        let enter = || enter_namespaces(plan, joined, channel);
        match spawn_through(&how, enter, || child.run()).map_err(refused)? {
            Some(process) => process,
            None => return Ok(None),
        }
    };
    let Some((_, theirs)) = &sources else {
        return Ok(Some((process, None)));
    };
    match opener(plan, process.pid, maps, channel, theirs.as_fd()) {
        Ok(opener) => Ok(Some((process, Some(opener)))),
        Err(errno) => {
            process.kill_and_reap();
            Err(refused(errno))
        }
    }
}

/// Makes a child that is seen to be this user's, if `seen`: what is not dumpable has files in /proc that are root's, and
/// its maps are such files. This process is sealed again afterwards; the child seals itself when it is mapped.
fn seen<T>(seen: bool, make: impl FnOnce() -> T) -> T {
    use rustix::process::{DumpableBehavior, dumpable_behavior, set_dumpable_behavior};
    let before = dumpable_behavior();
    if seen {
        let _ = set_dumpable_behavior(DumpableBehavior::Dumpable);
    }
    let made = make();
    if let (true, Ok(before)) = (seen, before) {
        let _ = set_dumpable_behavior(before);
    }
    made
}

/// Forks the opener into mounts of its own. An ordinary user may have those in a user namespace alone: then it is the
/// child's, whose owner this user is.
fn opener(
    plan: &Plan,
    child: Pid,
    maps: &[OwnedFd],
    channel: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
) -> rustix::io::Result<tare_process::Child> {
    let fork = |flags, namespace: Option<&OwnedFd>| {
        let mut keep = vec![channel, to];
        keep.extend(maps.iter().chain(namespace).map(AsFd::as_fd));
        let how = Fork {
            flags,
            group: None,
            keep: &keep,
        };
        let namespace = namespace.map(AsFd::as_fd);
        spawn(&how, || run_opener(plan, child, (maps, namespace), channel, to))
    };
    match fork(CloneFlags::NEWNS, None) {
        Err(Errno::PERM) => {
            let path = format!("/proc/{}/ns/user", child.as_raw_nonzero());
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let namespace = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
            fork(CloneFlags::empty(), Some(&namespace))
        }
        done => done,
    }
}

/// Why there is no child: what the process between has said.
fn never_entered(plan: &Plan, channel: &OwnedFd) -> Error {
    match report::receive(channel) {
        Ok(Received::Message(Message::Failed { step, failure, head })) => {
            failure::describe(plan, step, failure, &head)
        }
        _ => {
            Error::new(Kind::Internal, "enter", "the namespaces").because("the process that does it is gone")
        }
    }
}

/// What a created container still holds, as sorted numbers: the standard fds, what its program gets, and what the start
/// needs, which its exec closes.
fn kept_at_the_gate(channel: BorrowedFd<'_>, options: &Options<'_>) -> Vec<u32> {
    let [stdout, stderr] = options.hook_output;
    let held = [Some(channel), options.gate, options.hook_state, stdout, stderr];
    let held = held.iter().flatten().chain(options.passed);
    let mut kept: Vec<u32> = held.map(|fd| fd.as_raw_fd().unsigned_abs()).collect();
    kept.extend([0, 1, 2]);
    kept.sort_unstable();
    kept.dedup();
    kept
}

/// Two ends of a socket of records.
fn sockets(request: &Request<'_>) -> Result<(OwnedFd, OwnedFd)> {
    rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .op("make a channel to", request.id)
}

/// Runs `make` while children are born into the pid namespace that the plan joins, if it joins one.
fn in_pid_namespace<T>(plan: &Plan, joined: &[OwnedFd], make: impl FnOnce() -> T) -> Result<T> {
    let mut namespaces = plan.joined.iter().zip(joined);
    let Some((_, namespace)) = namespaces.find(|(n, _)| n.kind == NamespaceKind::Pid) else {
        return Ok(make());
    };
    let own = open_namespace("/proc/self/ns/pid")?;
    let enter = |to: &OwnedFd| {
        rustix::thread::move_into_link_name_space(
            to.as_fd(),
            Some(rustix::thread::LinkNameSpaceType::ProcessID),
        )
        .op("join namespace", "pid")
    };
    enter(namespace)?;
    let made = make();
    enter(&own)?;
    Ok(made)
}

fn open_namespaces(plan: &Plan) -> Result<Vec<OwnedFd>> {
    let paths = plan.joined.iter().filter_map(|n| n.path.as_deref());
    paths.map(open_namespace).collect()
}

/// The user namespaces by whose maps owners of mounts are mapped.
fn map_namespaces(plan: &Plan, joined: &[OwnedFd]) -> Result<Vec<OwnedFd>> {
    let made = plan.maps.iter().map(|maps| match maps {
        Maps::Given { uids, gids } => user_namespace(uids, gids),
        Maps::Joined { namespace } => {
            let missing = || Error::new(Kind::Internal, "find", "the user namespace");
            let found = joined.get(*namespace).ok_or_else(missing)?;
            found.try_clone().op("hold", "the user namespace")
        }
    });
    made.collect()
}

fn open_namespace(path: impl AsRef<std::path::Path>) -> Result<OwnedFd> {
    let path = path.as_ref();
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).op("open namespace", path.display())
}
