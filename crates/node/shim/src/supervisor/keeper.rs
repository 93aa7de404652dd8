//! The keeper of a pod of our own engine's: one of its commands, as long as its connection lives. Under containerd there is none.

use super::connection::Asked;
use super::container::Container;
use super::process::{Process, Stage};
use super::service::Service;
use crate::own::KeepRequest;
use crate::pod::Entry;
use crate::poller::Interest;
use crate::supervisor::source::Source;
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use serde::{Deserialize, Serialize};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use tare_error::{Context, Result};
use tare_spec_containerd::task::DeleteRequest;

/// Whose pod it is.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    /// None where it is gone.
    connection: Option<u32>,
    /// The command that cleans up then, when nothing lives any more; taken by its one start.
    reap: Vec<String>,
    /// What lives dies with it.
    kill: bool,
    reaper: Option<Reaper>,
}

/// The same as data: for the program that this one becomes, and without a connection for a successor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeeperState {
    #[serde(default)]
    connection: Option<u32>,
    reap: Vec<String>,
    pub(crate) kill: bool,
}

/// The command that cleans up.
#[derive(Debug)]
struct Reaper {
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
        }
    }

    pub(super) fn restore(state: KeeperState) -> Keeper {
        Keeper {
            connection: state.connection,
            reap: state.reap,
            kill: state.kill,
            reaper: None,
        }
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> Option<Interest<'_, Source>> {
        self.reaper.as_ref().map(|reaper| Interest {
            source: Source::Reaper,
            fd: reaper.handle.as_fd(),
            flags: EventFlags::IN,
        })
    }
}

impl Service {
    /// Whoever asks is the keeper from now on.
    pub(super) fn keep(&mut self, asked: Asked, request: KeepRequest) -> Result<()> {
        let state = KeeperState {
            connection: None,
            reap: request.reap,
            kill: request.kill,
        };
        self.journal.pod().write(Entry::Keeper, &state)?;
        self.keeper = Some(Keeper {
            connection: Some(asked.connection),
            ..Keeper::restore(state)
        });
        Ok(())
    }

    /// A connection is gone: where it was the keeper's, what belongs to it ends.
    pub(super) fn hung_up(&mut self, connection: u32) {
        let Some(keeper) = self.keeper.as_mut() else {
            return;
        };
        if keeper.connection != Some(connection) {
            return;
        }
        keeper.connection = None;
        let kill = keeper.kill;
        self.end_what_is_kept(kill);
    }

    /// Where there is nobody: the keeper died with the supervisor before us, or before it had come to us.
    fn miss_keeper(&mut self) {
        if self.arguments.own.is_none() || self.keeper.is_some() || !self.connections.is_empty() {
            return;
        }
        match self.journal.pod().keeper() {
            Ok(state) => {
                let keeper = state.map(Keeper::restore).unwrap_or_default();
                let kill = keeper.kill;
                self.keeper = Some(keeper);
                self.end_what_is_kept(kill);
            }
            Err(error) => {
                self.keeper = Some(Keeper::default());
                self.note_failure(Err(error));
            }
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
    fn end_what_is_kept(&mut self, all: bool) {
        let runs = |container: &&Container| {
            let first = container.process("").map(|first| &first.stage);
            matches!(first, Some(Stage::Running(_) | Stage::Ended(_)))
        };
        let containers = self.containers.iter();
        let ids: Vec<String> = containers
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
        container.end_all()
    }

    /// Where the keeper is gone and nothing lives, cleaning up is started, once. When that has ended without us, what is left
    /// is on record, and for a successor.
    pub(super) fn look_after(&mut self) {
        self.miss_keeper();
        self.bury_executed();
        let lives = |container: &Container| {
            let first = container.process("").and_then(Process::ended);
            first.is_none_or(|ended| !ended.told)
        };
        let any = self.containers.iter().any(lives);
        let Some(keeper) = self
            .keeper
            .as_mut()
            .filter(|keeper| keeper.connection.is_none() && !any)
        else {
            return;
        };
        if self.containers.is_empty() {
            return self.begin_to_leave();
        }
        match &mut keeper.reaper {
            Some(reaper) => {
                if !matches!(reaper.child.try_wait(), Ok(None)) {
                    keeper.reaper = None;
                    self.begin_to_leave();
                }
            }
            None if keeper.reap.is_empty() => self.begin_to_leave(),
            None => {
                let reap = std::mem::take(&mut keeper.reap);
                let started = self.start_reaper(&reap);
                self.note_failure(started);
            }
        }
    }

    /// Starts the command that cleans up. It outlives us, and would hold our own group: we leave that first.
    fn start_reaper(&mut self, reap: &[String]) -> Result<()> {
        let left = self.home.leave();
        self.note_failure(left);
        let reaper = self.signals.released(|| Reaper::start(reap)).flatten()?;
        if let Some(keeper) = &mut self.keeper {
            keeper.reaper = Some(reaper);
        }
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
