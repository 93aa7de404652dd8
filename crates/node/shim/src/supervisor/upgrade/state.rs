//! A supervisor as plain data: what the program that it becomes must know, beside the descriptors that it keeps.
//!
//! **Forms.** [`State::form`] counts changes that an older program cannot read over. What is added otherwise has a default, and
//! what a program does not know it passes over: so a newer one follows an older one, and an older one a newer one.

use crate::hexadecimal;
use crate::supervisor::connection::{Asked, Connection};
use crate::supervisor::container::Container;
use crate::supervisor::handing::{Handed, Handing};
use crate::supervisor::keeper::{Keeper, KeeperState};
use crate::supervisor::life::Life;
use crate::supervisor::memory::Memory;
use crate::supervisor::process::{Held, Process, Stage};
use crate::supervisor::publisher::Publisher;
use crate::supervisor::record::{Before, ProcessRecord, StageRecord};
use crate::supervisor::sandbox::{Sandbox, SandboxState};
use crate::supervisor::service::Service;
use crate::supervisor::stdio::{Leaving, LeavingState, Streams, StreamsState};
use rustix::fd::AsFd;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tare_error::{Error, Kind, Result};
use tare_lifecycle::OwnGroup;

/// The forms that are read: that of a supervisor under containerd, and that of one with a keeper, which says how it was started
/// in another way.
pub(super) const FORMS: [u32; 2] = [1, 2];

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State {
    /// See the page of this module.
    pub(super) form: u32,
    /// The version of the program that wrote it.
    pub(super) program: String,
    pub(super) address: PathBuf,
    pub(super) listener: Handed,
    /// The next number of a connection or a process.
    pub(super) next: u32,
    #[serde(default)]
    pub(super) oom_score: Option<i32>,
    pub(super) events: EventsState,
    pub(super) connections: Vec<ConnectionState>,
    pub(super) containers: Vec<ContainerState>,
    #[serde(default)]
    pub(super) leaving: Vec<LeavingState>,
    /// Whether it takes in what its children leave.
    #[serde(default)]
    pub(super) takes_in: bool,
    /// The pod, where it is one.
    #[serde(default)]
    pub(super) sandbox: Option<SandboxState>,
    /// Who asked for this.
    #[serde(default)]
    pub(super) asked: Option<Asked>,
    /// Whose pod it is.
    #[serde(default)]
    pub(super) keeper: Option<KeeperState>,
    /// Whose its containers are, where several share it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) keepers: Vec<KeeperState>,
}

/// Events that are still to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::supervisor) struct EventsState {
    pub(in crate::supervisor) address: Option<PathBuf>,
    pub(in crate::supervisor) waiting: Vec<Bytes>,
}

/// Bytes in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::supervisor) struct Bytes(#[serde(with = "hexadecimal")] pub(in crate::supervisor) Vec<u8>);

/// A connection, in the middle of whatever it was in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::supervisor) struct ConnectionState {
    pub(in crate::supervisor) number: u32,
    pub(in crate::supervisor) socket: Handed,
    pub(in crate::supervisor) input: Bytes,
    pub(in crate::supervisor) skip: u32,
    pub(in crate::supervisor) output: Bytes,
    pub(in crate::supervisor) in_flight: Vec<(u32, Option<Duration>)>,
    pub(in crate::supervisor) last: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContainerState {
    id: String,
    bundle: PathBuf,
    #[serde(default)]
    memory: Option<Before>,
    paused: bool,
    killed: bool,
    processes: Vec<ProcessState>,
    #[serde(default)]
    left_groups: Vec<OwnGroup>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProcessState {
    number: u32,
    #[serde(flatten)]
    record: ProcessRecord,
    /// Whether it waits to be started.
    #[serde(default)]
    created: bool,
    /// Where it lives: its pidfd, and whether it is ours to wait for.
    #[serde(default)]
    life: Option<(Handed, bool)>,
    streams: StreamsState,
    #[serde(default)]
    held: Option<HeldState>,
    /// How long its outputs have waited for a reader.
    #[serde(default)]
    ending: Option<Duration>,
    waiters: Vec<Asked>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct HeldState {
    asked: Asked,
    answer: Bytes,
    left: Duration,
}

impl Service {
    /// All of it as data, with the descriptors that go over.
    pub(super) fn save<'a>(&'a self, asked: Asked, handing: &mut Handing<'a>) -> State {
        let now = Instant::now();
        State {
            form: FORMS[usize::from(self.arguments.own.is_some())],
            program: env!("CARGO_PKG_VERSION").to_owned(),
            address: self.address.clone(),
            listener: handing.hand(self.listener.as_fd()),
            next: self.next,
            oom_score: self.oom_score,
            events: self.publisher.save(),
            connections: self.connections.iter().map(|c| c.save(now, handing)).collect(),
            containers: self.containers.iter().map(|c| c.save(now, handing)).collect(),
            leaving: self.leaving.iter().map(|leaving| leaving.save(handing)).collect(),
            takes_in: self.strays.come(),
            sandbox: self.sandbox.as_ref().map(|sandbox| sandbox.save(handing)),
            asked: Some(asked),
            keeper: self
                .keepers
                .first()
                .filter(|_| self.sandbox.is_none())
                .map(Keeper::save),
            keepers: match self.sandbox {
                Some(_) => self.keepers.iter().map(Keeper::save).collect(),
                None => Vec::new(),
            },
        }
    }

    /// Fills in what another program was in the middle of.
    pub(super) fn restore(&mut self, state: State) -> Result<()> {
        let now = Instant::now();
        self.next = state.next;
        self.oom_score = state.oom_score;
        let keepers = state.keeper.into_iter().chain(state.keepers);
        self.keepers = keepers.map(Keeper::restore).collect();
        if state.takes_in {
            self.strays.take_in(&mut self.signals)?;
        }
        if let Some(sandbox) = state.sandbox {
            self.sandbox = Sandbox::restore(sandbox, self.journal.pod().path())?;
        }
        self.publisher = Publisher::restore(&self.namespace, state.events);
        for connection in state.connections {
            self.connections.push(Connection::restore(connection, now)?);
        }
        for container in state.containers {
            let container = Container::restore(container, self, now)?;
            self.containers.push(container);
        }
        for leaving in state.leaving {
            self.leaving.push(Leaving::restore(leaving)?);
        }
        // A check that was under way is begun anew.
        self.adopt_health();
        Ok(())
    }
}

impl Container {
    fn save<'a>(&'a self, now: Instant, handing: &mut Handing<'a>) -> ContainerState {
        ContainerState {
            id: self.id.clone(),
            bundle: self.bundle.clone(),
            memory: self.memory.as_ref().map(|memory| memory.before.clone()),
            paused: self.paused,
            killed: self.killed,
            processes: self.processes.iter().map(|p| p.save(now, handing)).collect(),
            left_groups: self.left_groups.clone(),
        }
    }

    fn restore(state: ContainerState, service: &mut Service, now: Instant) -> Result<Container> {
        let kept = service.kept(&state.id)?.ok_or_else(|| {
            Error::new(Kind::Corrupt, "take over container", &state.id).because("nothing is kept of it")
        })?;
        let memory = state.memory.zip(kept.group);
        let processes = state.processes.into_iter();
        Ok(Container {
            id: state.id,
            namespace: service.namespace.clone(),
            bundle: state.bundle,
            records: service.records.clone(),
            rootfs: Vec::new(),
            held: kept.held,
            foreign: kept.foreign.map(Box::new),
            memory: memory.map(|(before, group)| Memory::taken_over(&group, before)),
            paused: state.paused,
            killed: state.killed,
            processes: processes
                .map(|process| Process::restore(process, now))
                .collect::<Result<_>>()?,
            left_groups: state.left_groups,
        })
    }
}

impl Process {
    fn save<'a>(&'a self, now: Instant, handing: &mut Handing<'a>) -> ProcessState {
        let held = self.held.as_ref();
        ProcessState {
            number: self.number,
            record: ProcessRecord::of(self),
            created: matches!(
                self.stage,
                Stage::Created(_) | Stage::Remote { started: false, .. }
            ),
            life: self
                .life()
                .map(|life| (handing.hand(life.as_fd()), life.is_child())),
            streams: self.streams.save(handing),
            held: held.map(|held| HeldState {
                asked: held.asked,
                answer: Bytes(held.answer.clone()),
                left: held.until.saturating_duration_since(now),
            }),
            ending: self.ending.map(|since| now.saturating_duration_since(since)),
            waiters: self.waiters.clone(),
        }
    }

    fn restore(state: ProcessState, now: Instant) -> Result<Process> {
        let unfit =
            |why| Err(Error::new(Kind::Corrupt, "take over process", &state.record.exec_id).because(why));
        let stage = match (state.record.stage, state.life) {
            (StageRecord::Living(stamp), Some((pidfd, child))) => {
                let life = Life::restore(stamp, pidfd.take()?, child)?;
                if state.created {
                    Stage::Created(life)
                } else {
                    Stage::Running(life)
                }
            }
            (StageRecord::Remote(pid), None) => Stage::Remote {
                pid,
                started: !state.created,
            },
            (StageRecord::Added(command), None) => Stage::Added(command),
            (StageRecord::Ended(ended), None) => Stage::Ended(ended.into()),
            _ => return unfit("it is neither alive nor dead"),
        };
        let mut process = Process::new(state.number, state.record.exec_id, state.record.stdio, stage);
        process.own_group = state.record.own_group;
        process.input_ended = state.record.input_ended;
        process.streams = Streams::restore(state.streams)?;
        process.held = state.held.map(|held| Held {
            asked: held.asked,
            answer: held.answer.0,
            failed: None,
            until: now + held.left,
        });
        process.ending = state.ending.map(|age| now.checked_sub(age).unwrap_or(now));
        process.waiters = state.waiters;
        Ok(process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state with something of everything.
    const KNOWN: &str = include_str!("state-1.json");

    #[test]
    fn the_state_of_this_form_is_read_for_ever() {
        let state: State = serde_json::from_str(KNOWN).unwrap();
        assert_eq!(
            (state.form, state.containers.len(), state.connections.len()),
            (1, 2, 2)
        );
        let again: State = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        assert_eq!(state, again);
    }

    #[test]
    fn what_a_later_program_adds_is_passed_over_and_what_an_earlier_one_lacks_has_a_default() {
        let mut later: serde_json::Value = serde_json::from_str(KNOWN).unwrap();
        let earlier = later.clone();
        later["nextIdea"] = "of everybody".into();
        later["containers"][0]["nextIdea"] = 7.into();
        later["containers"][0]["processes"][0]["streams"]["nextIdea"] = serde_json::json!({ "deep": [1] });
        let plain = |value| serde_json::from_value::<State>(value).unwrap();
        assert_eq!(plain(later), plain(earlier.clone()));
        let mut earlier = earlier;
        for name in ["oomScore", "leaving", "asked"] {
            earlier.as_object_mut().unwrap().remove(name);
        }
        plain(earlier);
    }
}
