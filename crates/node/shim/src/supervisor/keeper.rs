//! The keeper of a container of our own engine's: one of its commands, as long as its connection lives. Under containerd there is none.
//!
//! A supervisor that has one container has one keeper, of everything. Where several containers share it, each has its own.

use super::connection::Asked;
use super::container::Container;
use super::process::{Process, Stage};
use super::service::Service;
use crate::own::KeepRequest;
use crate::pod::{Entry, PodDir};
use crate::poller::Interest;
use crate::supervisor::source::Source;
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use serde::{Deserialize, Serialize};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tare_error::{Context, Result};
use tare_lifecycle::ContainerId;
use tare_spec_containerd::task::DeleteRequest;

/// How long a successor waits for the keeper of a container that is to die with it, where several share the supervisor: who finds
/// the last one dead comes back at once.
const MISSED: Duration = Duration::from_secs(3);

/// Whose container it is.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    /// The container; empty where all of the supervisor is meant.
    container: String,
    /// None where it is gone.
    connection: Option<u32>,
    /// The command that cleans up then, when nothing lives any more; taken by its one start.
    reap: Vec<String>,
    /// What lives dies with it.
    kill: bool,
    /// Until when a successor waits for it.
    missed: Option<Instant>,
}

/// The same as data: for the program that this one becomes, and without a connection for a successor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeeperState {
    #[serde(default)]
    connection: Option<u32>,
    reap: Vec<String>,
    pub(crate) kill: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    container: String,
}

/// The command that cleans up.
#[derive(Debug)]
pub(super) struct Reaper {
    child: Child,
    handle: OwnedFd,
}

impl Keeper {
    /// As data. A reaper that is under way is started again: it may be called twice.
    pub(super) fn save(&self) -> KeeperState {
        KeeperState {
            connection: self.connection,
            reap: self.reap.clone(),
            kill: self.kill,
            container: self.container.clone(),
        }
    }

    pub(super) fn restore(state: KeeperState) -> Keeper {
        Keeper {
            container: state.container,
            connection: state.connection,
            reap: state.reap,
            kill: state.kill,
            missed: None,
        }
    }

    /// When it is missed no longer.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.missed
    }

    /// Whether it is the keeper of that container.
    fn keeps(&self, container: &str) -> bool {
        self.container.is_empty() || self.container == container
    }
}

impl Service {
    /// The folder of a container: beside this supervisor's where several share that.
    pub(super) fn folder_of(&self, container: &str) -> Result<PodDir> {
        let own = self.journal.pod();
        if self.sandbox.is_none() || container.is_empty() || self.arguments.own.is_none() {
            return Ok(own.clone());
        }
        let name = ContainerId::parse(container)?;
        PodDir::open(own.path().with_file_name(name.as_str()))
    }

    /// Whoever asks is the keeper from now on.
    pub(super) fn keep(&mut self, asked: Asked, request: KeepRequest) -> Result<()> {
        let state = KeeperState {
            connection: None,
            reap: request.reap,
            kill: request.kill,
            container: request.container,
        };
        let folder = self.folder_of(&state.container)?;
        folder.write(Entry::Keeper, &state)?;
        self.keepers.retain(|keeper| keeper.container != state.container);
        self.keepers.push(Keeper {
            connection: Some(asked.connection),
            ..Keeper::restore(state)
        });
        Ok(())
    }

    /// A connection is gone: where it was a keeper's, what belongs to that ends.
    pub(super) fn hung_up(&mut self, connection: u32) {
        let mut left = Vec::new();
        for keeper in &mut self.keepers {
            if keeper.connection == Some(connection) {
                keeper.connection = None;
                left.push((keeper.container.clone(), keeper.kill));
            }
        }
        for (container, kill) in left {
            self.end_what_is_kept(&container, kill);
        }
    }

    /// Where there is nobody: the keeper died with the supervisor before us, or before it had come to us.
    fn miss_keepers(&mut self) {
        if self.arguments.own.is_none() {
            return;
        }
        if self.sandbox.is_some() {
            return self.miss_keepers_of_pod();
        }
        if !self.keepers.is_empty() || !self.connections.is_empty() {
            return;
        }
        match self.journal.pod().keeper() {
            Ok(state) => {
                let keeper = state.map(Keeper::restore).unwrap_or_default();
                let kill = keeper.kill;
                self.keepers.push(keeper);
                self.end_what_is_kept("", kill);
            }
            Err(error) => {
                self.keepers.push(Keeper::default());
                self.note_failure(Err(error));
            }
        }
    }

    /// A pod is wanted of a supervisor that may have been about to leave: whoever had the last one ended has died over that, and
    /// was missed as the keeper of everything.
    pub(super) fn stay(&mut self) {
        self.keepers.retain(|keeper| !keeper.container.is_empty());
        self.leave_by = None;
    }

    /// The same where several containers share us: whose time is over.
    fn miss_keepers_of_pod(&mut self) {
        let now = Instant::now();
        let mut gone = Vec::new();
        for keeper in &mut self.keepers {
            if keeper.missed.is_some_and(|until| until <= now) {
                keeper.missed = None;
                gone.push(keeper.container.clone());
            }
        }
        for container in gone {
            self.end_what_is_kept(&container, true);
        }
    }

    /// The keepers of a pod's containers as they were before this supervisor.
    pub(super) fn adopt_keepers(&mut self) {
        if self.sandbox.is_none() || self.arguments.own.is_none() {
            return;
        }
        let ids = self.containers.iter().map(|container| container.id.clone());
        let ids: Vec<String> = ids
            .filter(|id| !self.keepers.iter().any(|k| k.keeps(id)))
            .collect();
        for id in ids {
            let known = self.folder_of(&id).and_then(|folder| folder.keeper());
            let state = known.unwrap_or_else(|error| {
                self.note_failure(Err(error));
                None
            });
            let keeper = state.map(Keeper::restore).unwrap_or_default();
            let missed = keeper.kill.then(|| Instant::now() + MISSED);
            self.keepers.push(Keeper {
                container: id,
                missed,
                ..keeper
            });
        }
    }

    /// Deletes what was executed and has ended, where whoever asked for it is gone: nobody else would.
    fn bury_executed(&mut self) {
        if self.arguments.own.is_none() {
            return;
        }
        let connections = &self.connections;
        let is_over = |process: &&Process| {
            let owned = process
                .owner
                .is_some_and(|owner| connections.iter().any(|c| c.number == owner));
            let done = match process.stage {
                Stage::Added(_) => true,
                Stage::Ended(ended) => ended.told && process.ending.is_none() && process.held.is_none(),
                _ => false,
            };
            !process.is_first() && !owned && done && process.waiters.is_empty()
        };
        let of = |container: &Container| -> Vec<DeleteRequest> {
            let over = container.processes.iter().filter(is_over);
            over.map(|process| DeleteRequest {
                id: container.id.clone(),
                exec_id: process.exec_id.clone(),
            })
            .collect()
        };
        let over: Vec<DeleteRequest> = self.containers.iter().flat_map(of).collect();
        for request in over {
            let removed = self.remove(&request).map(drop);
            self.note_failure(removed);
        }
    }

    /// Ends what belongs to a keeper that is gone: everything, or what nobody has started, and nobody will.
    fn end_what_is_kept(&mut self, kept: &str, all: bool) {
        let runs = |container: &&Container| {
            let first = container.process("");
            first.is_some_and(|first| first.runs() || first.ended().is_some())
        };
        let containers = self.containers.iter();
        let ids: Vec<String> = containers
            .filter(|container| kept.is_empty() || container.id == kept)
            .filter(|container| all || !runs(container))
            .map(|container| container.id.clone())
            .collect();
        for id in ids {
            let ended = self.end_container(&id);
            self.note_failure(ended);
        }
    }

    /// Ends a container, however far it is.
    fn end_container(&mut self, id: &str) -> Result<()> {
        let container = self.container(id)?;
        if matches!(
            container.process("").map(|first| &first.stage),
            Some(Stage::Making { .. })
        ) {
            return self.abandon(id).map(drop);
        }
        if container.foreign.is_some() {
            return self.end_foreign(id);
        }
        container.end_all()
    }

    /// Where a keeper is gone and nothing of it lives, cleaning up is started, once. When that has ended without us, what is left
    /// is on record, and for a successor, or for the next command where we stay for others.
    pub(super) fn look_after(&mut self) {
        self.miss_keepers();
        self.bury_executed();
        self.reapers
            .retain_mut(|reaper| matches!(reaper.child.try_wait(), Ok(None)));
        let containers = &self.containers;
        // A keeper goes with its container.
        self.keepers.retain(|keeper| {
            keeper.connection.is_some()
                || keeper.container.is_empty()
                || containers.iter().any(|container| keeper.keeps(&container.id))
        });
        let lives = |container: &&Container| {
            let first = container.process("").and_then(Process::ended);
            first.is_none_or(|ended| !ended.told)
        };
        let mut reap = Vec::new();
        let mut is_over = false;
        for keeper in &mut self.keepers {
            let mut kept = containers.iter().filter(|container| keeper.keeps(&container.id));
            if keeper.connection.is_some() || keeper.missed.is_some() || kept.any(|one| lives(&one)) {
                continue;
            }
            if containers.is_empty() || keeper.reap.is_empty() {
                is_over |= keeper.container.is_empty() && self.reapers.is_empty();
            } else {
                reap.push(std::mem::take(&mut keeper.reap));
            }
        }
        for reap in reap {
            let started = self.start_outside(&reap);
            self.note_failure(started);
            is_over = false;
        }
        if is_over {
            self.begin_to_leave();
        }
    }

    /// Starts a command that may outlive us.
    pub(super) fn start_outside(&mut self, argv: &[String]) -> Result<()> {
        let started = self.signals.released(|| Reaper::start(argv)).flatten();
        self.reapers.push(started?);
        Ok(())
    }
}

impl Container {
    /// Kills all of it.
    fn end_all(&mut self) -> Result<()> {
        self.killed = true;
        let kill = Signal::KILL.as_raw();
        if self.paused && self.held()?.resume().is_ok() {
            self.paused = false;
        }
        match self.process("").and_then(Process::life) {
            Some(_) => self.held()?.signal_all(kill),
            None => Ok(()),
        }
    }
}

impl Reaper {
    /// What to wait for.
    pub(super) fn interest(&self) -> Interest<'_, Source> {
        Interest {
            source: Source::Reaper(self.child.id()),
            fd: self.handle.as_fd(),
            flags: EventFlags::IN,
        }
    }

    /// Starts it in a process group of its own, without our streams.
    fn start(argv: &[String]) -> Result<Reaper> {
        let (program, arguments) = argv
            .split_first()
            .map_or(("", argv), |(first, rest)| (first, rest));
        let mut command = Command::new(program);
        command.args(arguments).process_group(0);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().op("execute", program)?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let handle = pid.ok_or(rustix::io::Errno::SRCH);
        let handle = handle.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
        Ok(Reaper {
            handle: handle.op("open a handle on", child.id())?,
            child,
        })
    }
}
