//! One container's state machine, from its set-up to the record of its end.

use super::death;
use super::group::{ContainerGroup, group_path};
use super::source::Source;
use super::streams::{Output, Pumped, Streams};
use crate::pod::{Entry, PodDir};
use crate::poller::Interest;
use crate::protocol::{CreateRequest, Exit, Hangup, Phase, State};
use crate::record::InitRecord;
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::process::Signal;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tare_cgroup::Entrance;
use tare_container::{Creation, Filter, FilterFlags, HostFacts, Options, Stdio};
use tare_error::{Context, Error, Kind, Result};
use tare_process::{Child, Stamp};
use tare_spec_oci::{NamespaceKind, Spec};

/// How long a client may take to clean up after it was told, before the supervisor has it done.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long killed processes may take to end, before the rest goes on without them.
const EMPTYING: Duration = Duration::from_secs(10);
/// How long a cgroup without processes may take to be removed: the kernel buries its dead a little later.
const REMOVING: Duration = Duration::from_millis(500);
/// How often a group that is being emptied is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A request that is answered later: which client, which request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) peer: u32,
    pub(super) request: u32,
}

/// Where in its life a container is.
#[derive(Debug)]
enum Stage {
    /// Its process is being set up; whoever asked waits for the answer.
    Creating { creation: Box<Creation>, asked: Pending },
    /// Its first process runs.
    Running { process: Child },
    /// Its first process has ended and the record is written; other processes of its group are being killed.
    Emptying { exit: Exit, until: Instant },
    /// Nothing of it lives; what it wrote is on its way.
    Draining { exit: Exit },
    /// The client was told and cleans up.
    Told { exit: Exit, until: Instant },
}

/// A container.
#[derive(Debug)]
pub(super) struct Container {
    id: String,
    stage: Stage,
    group: Option<ContainerGroup>,
    /// Its first process is not alone in its pid namespace by nature: others outlive it.
    shares_pids: bool,
    /// We sent the signal that ends everything.
    killed: bool,
    pub(super) streams: Option<Streams>,
    stdin_open: bool,
    pub(super) on_hangup: Hangup,
    pub(super) reap: Vec<String>,
    pub(super) record_to: Option<PathBuf>,
    /// The client that gets the output.
    pub(super) attached: Option<u32>,
}

/// What came of a step of the set-up.
#[derive(Debug)]
pub(super) enum SetUp {
    /// More steps follow.
    Goes,
    /// The process runs.
    Runs {
        /// Who asked.
        asked: Pending,
        /// Its id.
        pid: i32,
    },
    /// It failed; nothing is left of it.
    Failed {
        /// Who asked.
        asked: Pending,
        /// What failed.
        error: Error,
    },
}

impl Container {
    /// Begins the set-up. The record of what is to be made is written first; what failed leaves neither.
    pub(super) fn begin(call: CreateRequest, pod: &PodDir, asked: Pending) -> Result<Container> {
        let mut record = InitRecord {
            process: None,
            group: group_path(&call.spec)?.map(|path| path.to_string()),
        };
        pod.write(Entry::Init, &record)?;
        let group = ContainerGroup::create(&call.spec)?;
        let begun = Container::begin_in(group.as_ref(), &call, pod).and_then(|(streams, creation)| {
            record.process = Some(Stamp::of(creation.pid().as_raw_pid())?);
            pod.write(Entry::Init, &record)?;
            Ok((streams, creation))
        });
        let (streams, creation) = match begun {
            Ok(begun) => begun,
            Err(e) => return Err(undo(group, e)),
        };
        Ok(Container {
            id: call.id,
            stage: Stage::Creating {
                creation: Box::new(creation),
                asked,
            },
            group,
            shares_pids: !tare_lifecycle::has_own(call.spec.linux.as_ref(), NamespaceKind::Pid),
            killed: false,
            streams,
            stdin_open: call.stdin_open,
            on_hangup: call.on_hangup,
            reap: call.reap,
            record_to: call.record_to,
            attached: None,
        })
    }

    /// Makes streams and process. A terminal is the container's own, and comes out of it when it is set up.
    fn begin_in(
        group: Option<&ContainerGroup>,
        call: &CreateRequest,
        pod: &PodDir,
    ) -> Result<(Option<Streams>, Creation)> {
        if has_terminal(&call.spec) {
            let creation = make(call, Stdio::Terminal, group)?;
            return Ok((None, creation));
        }
        let (streams, ends) = Streams::fifos(pod, call.stdin_open)?;
        let stdio = Stdio::Fds {
            stdin: ends.stdin.as_fd(),
            stdout: ends.stdout.as_fd(),
            stderr: ends.stderr.as_fd(),
        };
        let creation = make(call, stdio, group)?;
        Ok((Some(streams), creation))
    }

    /// Makes the next step of the set-up, after its descriptor was ready.
    pub(super) fn advance(mut self) -> (Option<Container>, SetUp) {
        let Stage::Creating { mut creation, asked } = self.stage else {
            return (Some(self), SetUp::Goes);
        };
        match step(&mut creation) {
            Ok(false) => {
                self.stage = Stage::Creating { creation, asked };
                return (Some(self), SetUp::Goes);
            }
            Ok(true) => {}
            Err(error) => {
                drop(creation);
                return (None, failed(self.group, asked, error));
            }
        }
        match take_over(*creation, self.stdin_open) {
            Ok((process, terminal)) => {
                let pid = process.pid.as_raw_pid();
                self.stage = Stage::Running { process };
                self.streams = terminal.or(self.streams);
                (Some(self), SetUp::Runs { asked, pid })
            }
            Err(error) => (None, failed(self.group, asked, error)),
        }
    }

    /// Looks whether the first process has ended; if so writes the record, and returns it once.
    pub(super) fn look_at_init(&mut self, pod: &PodDir) -> Result<Option<Exit>> {
        let Stage::Running { process } = &self.stage else {
            return Ok(None);
        };
        let Some(status) = process.try_wait().op("wait for", &self.id)? else {
            return Ok(None);
        };
        let mut exit = death::exit_of(&status);
        if let Some(group) = &self.group {
            let killed = exit.signal == Some(Signal::KILL.as_raw()) && !self.killed;
            exit.oom = group.oom(killed);
        }
        let written = pod.write(Entry::Exit, &exit);
        self.stage = Stage::Emptying {
            exit: exit.clone(),
            until: Instant::now() + EMPTYING,
        };
        written.map(|()| Some(exit))
    }

    /// Kills what is left after the first process; how long until the next look, where something still is.
    pub(super) fn empty(&mut self) -> Result<()> {
        let Stage::Emptying { exit, until } = &self.stage else {
            return Ok(());
        };
        let group = self.group.as_ref().filter(|group| !group.is_empty());
        let over = *until <= Instant::now();
        if let Some(group) = group.filter(|_| !over) {
            return group.group().kill();
        }
        let left = group.is_some();
        self.stage = Stage::Draining { exit: exit.clone() };
        if left {
            return Err(Error::new(Kind::Unavailable, "end all processes of", &self.id)
                .because("some are still there"));
        }
        Ok(())
    }

    /// Sends a signal to the first process, or kills all.
    pub(super) fn kill(&mut self, signal: i32, all: bool) -> Result<()> {
        let Stage::Running { process } = &self.stage else {
            return Err(Error::new(Kind::NotFound, "signal", &self.id).because("it does not run"));
        };
        let kill = signal == Signal::KILL.as_raw();
        if all && !kill {
            return Err(
                Error::new(Kind::Invalid, "signal", &self.id).because("only KILL can go to all processes")
            );
        }
        tare_signal::send(&process.pidfd, signal).op("signal", &self.id)?;
        self.killed |= kill;
        // With the first process of a pid namespace the kernel ends all others.
        match &self.group {
            Some(group) if all && self.shares_pids => group.group().kill(),
            _ => Ok(()),
        }
    }

    /// Removes what only the container needed, after its end.
    pub(super) fn remove(self) -> Result<()> {
        drop(self.stage);
        match self.group {
            Some(group) => group.group().remove_within(REMOVING),
            None => Ok(()),
        }
    }

    /// Whether its process is still being set up: dropping it then undoes the set-up.
    pub(super) fn is_being_made(&self) -> bool {
        matches!(self.stage, Stage::Creating { .. })
    }

    /// How it is.
    pub(super) fn state(&self) -> State {
        let (phase, pid, exit) = match &self.stage {
            Stage::Creating { .. } => (Phase::Creating, None, None),
            Stage::Running { process } => (Phase::Running, Some(process.pid.as_raw_pid()), None),
            Stage::Emptying { exit, .. } | Stage::Draining { exit } | Stage::Told { exit, .. } => {
                (Phase::Stopped, None, Some(exit.clone()))
            }
        };
        State { phase, pid, exit }
    }

    /// The record, once the first process has ended and every byte was handed on.
    ///
    /// A client to which the container belongs attaches after it was created; a container that ends before keeps its
    /// output for it. One that lets its container live without it is told at once.
    pub(super) fn ready_to_tell(&self) -> Option<&Exit> {
        let Stage::Draining { exit } = &self.stage else {
            return None;
        };
        let mut outputs = self.streams.iter().flat_map(|streams| &streams.outputs);
        let handed_on = match self.attached {
            Some(_) => outputs.all(|output| output.drained),
            None => self.on_hangup == Hangup::Keep,
        };
        handed_on.then_some(exit)
    }

    /// The client was told: from now on its time runs.
    pub(super) fn told(&mut self) {
        if let Stage::Draining { exit } = &self.stage {
            self.stage = Stage::Told {
                exit: exit.clone(),
                until: Instant::now() + PATIENCE,
            };
            self.streams = None;
        }
    }

    /// Whether a client that was told takes too long to clean up.
    pub(super) fn is_overdue(&self) -> bool {
        matches!(&self.stage, Stage::Told { until, .. } if *until <= Instant::now())
    }

    /// Whether nothing of it lives, so that an empty stream stays empty.
    pub(super) fn is_drainable(&self) -> bool {
        matches!(self.stage, Stage::Draining { .. })
    }

    /// It has ended, and its record is written.
    pub(super) fn has_ended(&self) -> bool {
        matches!(
            self.stage,
            Stage::Emptying { .. } | Stage::Draining { .. } | Stage::Told { .. }
        )
    }

    /// When it must be looked at again: the kernel has no event for an empty group of version 1.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Emptying { .. } => Some(Instant::now() + LOOK_AGAIN),
            Stage::Told { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// Reads once from an output; an empty one of an ended container is drained.
    pub(super) fn pump(output: &mut Output, ended: bool, buffer: &mut Vec<u8>) -> Result<Pumped> {
        let pumped = output.pump(buffer)?;
        if ended && pumped == Pumped::Empty {
            output.drained = true;
        }
        Ok(pumped)
    }

    /// What to wait for.
    pub(super) fn interests<'a>(&'a self, into: &mut Vec<Interest<'a, Source>>) {
        match &self.stage {
            Stage::Creating { creation, .. } => into.push(Interest {
                source: Source::Creation,
                fd: creation.as_fd(),
                flags: EventFlags::IN,
            }),
            Stage::Running { process } => into.push(Interest {
                source: Source::Init,
                fd: process.pidfd.as_fd(),
                flags: EventFlags::IN,
            }),
            Stage::Emptying { .. } | Stage::Draining { .. } | Stage::Told { .. } => {}
        }
        let Some(streams) = &self.streams else {
            return;
        };
        if let Some(fd) = streams.input.fd() {
            into.push(Interest {
                source: Source::Stdin,
                fd,
                flags: streams.input.flags(),
            });
        }
        for output in &streams.outputs {
            into.push(Interest {
                source: Source::of_output(output.stream),
                fd: output.as_fd(),
                flags: output.flags(self.attached.is_some()),
            });
        }
    }
}

/// Makes the container's process, in its group.
fn make(call: &CreateRequest, stdio: Stdio<'_>, group: Option<&ContainerGroup>) -> Result<Creation> {
    let policy = call.spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    if policy.is_some() && call.filter.is_none() {
        return Err(Error::new(Kind::Invalid, "create", &call.id)
            .because("its configuration has a system call policy, and no filter came with it"));
    }
    let seccomp = call.filter.as_ref().map(|filter| Filter {
        program: &filter.program,
        flags: FilterFlags::from_bits_retain(filter.flags),
    });
    if seccomp.is_some_and(|f| f.flags.contains(FilterFlags::NEW_LISTENER)) {
        return Err(Error::new(Kind::Unsupported, "create", &call.id)
            .because("its system call policy asks a listener (SCMP_ACT_NOTIFY), which the supervisor does not serve yet"));
    }
    let entrance = group.map(ContainerGroup::entrance).transpose()?;
    let files: Vec<BorrowedFd<'_>> = entrance.iter().flat_map(Entrance::files).collect();
    let request = tare_container::Request {
        id: &call.id,
        spec: &call.spec,
        bundle: &call.bundle,
        rootfs: &call.rootfs,
        stdio,
        group: group.and_then(ContainerGroup::clone_into),
        entrances: &files,
        seccomp,
        options: Options::default(),
    };
    Creation::begin(&request, &HostFacts::read()?, |_| Ok(()))
}

/// Takes in what the process has said, and starts it once it is created; whether its program runs.
fn step(creation: &mut Creation) -> Result<bool> {
    match creation.advance()? {
        // Nothing is delegated here, as nobody asks for it.
        tare_container::Stage::SettingUp | tare_container::Stage::Delegation => Ok(false),
        tare_container::Stage::Hooks => Err(Error::new(Kind::Unsupported, "create", "the container")
            .because("its configuration has hooks, which the supervisor does not run yet")),
        tare_container::Stage::Created => creation.start().map(|()| false),
        tare_container::Stage::Starting => Ok(false),
        tare_container::Stage::Running => Ok(true),
    }
}

/// Takes over a process whose program runs, and its terminal.
fn take_over(creation: Creation, stdin_open: bool) -> Result<(Child, Option<Streams>)> {
    let running = creation.finish()?;
    let terminal = running
        .terminal
        .map(|master| Streams::terminal(master, stdin_open));
    match terminal.transpose() {
        Ok(terminal) => Ok((running.process, terminal)),
        Err(error) => {
            running.process.kill_and_reap();
            Err(error)
        }
    }
}

fn failed(group: Option<ContainerGroup>, asked: Pending, error: Error) -> SetUp {
    let error = undo(group, error);
    SetUp::Failed { asked, error }
}

fn has_terminal(spec: &Spec) -> bool {
    spec.process.as_ref().is_some_and(|process| process.terminal)
}

/// Undoes what was made before the failure.
fn undo(group: Option<ContainerGroup>, error: Error) -> Error {
    match group.map(|group| group.group().remove_within(REMOVING)) {
        None | Some(Ok(())) => error,
        Some(Err(also)) => error.also(also),
    }
}
