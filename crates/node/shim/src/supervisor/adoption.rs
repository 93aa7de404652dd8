//! A successor's first work: it takes over what a supervisor before it left that was killed.
//!
//! Each container is what its records say and the kernel confirms: a process is known by pid, start time and boot, and its
//! end by its pidfd. What nobody can know is said so: the code is 255, and `exit.json` has the reason.

use super::container::{Container, LONGEST_RECORD};
use super::foreign::{Foreign, Record, end_what_is_left};
use super::life::Life;
use super::memory::Memory;
use super::process::{Ended, Process, Stage};
use super::record::{ContainerRecord, ProcessRecord, StageRecord};
use super::sandbox::Sandbox;
use super::service::Service;
use super::stdio::{Leaving, Owner, Streams, Wanted};
use crate::exit::{self, Exit};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};
use tare_cgroup::Group;
use tare_error::{Error, Kind, Report, Result};
use tare_lifecycle::{Condition, ContainerId, OwnGroup};

/// How long what was half made may take to end.
const UNMADE: Duration = Duration::from_millis(100);

const UNSEEN: &str = "its supervisor died before it, and nobody saw its end";

impl Service {
    /// Takes over every container that is on record; what cannot be is noted, and tried again when somebody comes.
    pub(super) fn adopt(&mut self) {
        // What it was writing down when it died.
        let swept = tare_store::sweep_temporaries(&self.records, Duration::ZERO);
        self.note_failure(swept.map(drop));
        let records = ContainerRecord::read_all(&self.records).unwrap_or_else(|error| vec![Err(error)]);
        self.adopted = true;
        if self.sandbox.is_none() {
            match Sandbox::adopt(self.journal.pod().path()) {
                Ok(sandbox) => self.sandbox = sandbox,
                Err(error) => {
                    self.adopted = false;
                    self.journal.note(Report::new(&error));
                }
            }
        }
        for record in records {
            if let Err(error) = record.and_then(|record| self.adopt_container(record)) {
                self.adopted = false;
                self.journal.note(Report::new(&error));
            }
        }
        // Where each is kept is known with the pod, and with its containers.
        self.adopt_keepers();
        self.adopt_health();
        self.mend_sandbox();
        if self.adopted {
            self.adopt_left_logs();
        }
    }

    /// Takes over the logs of what is gone already: what was said is written down all the same.
    fn adopt_left_logs(&mut self) {
        let Service {
            containers,
            leaving,
            journal,
            ..
        } = self;
        let processes = containers.iter().flat_map(|container| &container.processes);
        let living = processes.flat_map(|process| process.streams.log_folders());
        let held: Vec<&Path> = living
            .chain(leaving.iter().flat_map(Leaving::log_folders))
            .collect();
        let streams = journal.pod().streams();
        let mut odd = |error| journal.note(Report::new(&error));
        let found = Leaving::found(&streams, |folder| held.contains(&folder), &mut odd);
        leaving.extend(found);
    }

    fn adopt_container(&mut self, record: ContainerRecord) -> Result<()> {
        if self.containers.iter().any(|known| known.id == record.id) {
            return Ok(());
        }
        tare_failpoint::pass("adopt-intended")?;
        let Some(kept) = self.kept(&record.id)? else {
            return self.forget_container(&record.id);
        };
        let condition = kept.condition;
        let own_groups = kept.group.as_ref().map(Group::own_groups);
        let memory = record.memory.zip(kept.group);
        let memory = memory.map(|(before, group)| Memory::taken_over(&group, before));
        let mut container = Container {
            id: record.id,
            namespace: self.namespace.clone(),
            bundle: record.bundle,
            records: self.records.clone(),
            rootfs: Vec::new(),
            held: kept.held,
            foreign: kept.foreign.map(Box::new),
            memory,
            paused: condition == Condition::Paused,
            killed: false,
            processes: Vec::new(),
            left_groups: own_groups.unwrap_or_default(),
        };
        for process in record.processes {
            let number = self.number();
            let (own_group, input_ended) = (process.own_group.clone(), process.input_ended);
            let mut adopted = match process.exec_id.is_empty() {
                true => container.adopt_first(number, process, condition)?,
                false => adopt_executed(number, process)?,
            };
            adopted.own_group = own_group;
            adopted.input_ended = input_ended;
            let hung_up = container.adopt_process(adopted);
            if let Some(line) = hung_up {
                self.journal.note(line);
            }
        }
        let processes = &container.processes;
        let kept = |own: &OwnGroup| processes.iter().any(|p| p.own_group.as_ref() == Some(own));
        container.left_groups.retain(|own| !kept(own));
        // What was half made has left one in which nobody is.
        let removed = container.remove_groups(None);
        let recorded = tare_failpoint::pass("adopt-done").and_then(|()| container.write_record());
        let id = container.id.clone();
        self.containers.push(container);
        self.look_at_remote(&id);
        removed.and(recorded)
    }
}

impl Service {
    /// What the library, or a foreign runtime, keeps of a container; nothing where that is not whole: its making ended with
    /// its supervisor.
    pub(super) fn kept(&mut self, id: &str) -> Result<Option<Kept>> {
        let held = match self.containers_home.container(&ContainerId::parse(id)?) {
            Err(e) if e.kind() == Kind::NotFound => return self.kept_foreign(id),
            held => held?,
        };
        if !held.record().whole {
            // Whoever asks for the successor waits for this; what is held up is tried again with the next who comes.
            return held.delete_within(true, UNMADE).map(|()| None);
        }
        Ok(Some(Kept {
            condition: held.condition()?,
            group: held.group().unwrap_or_default(),
            held: Some(held),
            foreign: None,
        }))
    }

    /// The same where its runtime is a shim, which says later whether it is as it was.
    fn kept_remote(&mut self, record: Record) -> Result<Option<Kept>> {
        if record.created.is_none() {
            return end_what_is_left(&self.foreign_home, &record.id).map(|_| None);
        }
        self.strays.take_in(&mut self.signals)?;
        Ok(Some(Kept {
            condition: match (record.started, record.paused) {
                (true, true) => Condition::Paused,
                (true, false) => Condition::Running,
                (false, _) => Condition::Created,
            },
            group: record.group(),
            held: None,
            foreign: Some(Foreign::of(record)),
        }))
    }

    fn kept_foreign(&mut self, id: &str) -> Result<Option<Kept>> {
        let Some(record) = Record::find(&self.foreign_home, id)? else {
            return Ok(None);
        };
        if record.shim.is_some() {
            return self.kept_remote(record);
        }
        let Some(init) = &record.init else {
            return end_what_is_left(&self.foreign_home, id).map(|_| None);
        };
        self.strays.take_in(&mut self.signals)?;
        let group = record.group();
        let frozen = || {
            group
                .as_ref()
                .is_some_and(|group| group.is_frozen().unwrap_or(false))
        };
        let condition = match init.runs()? {
            false => Condition::Stopped,
            true if !record.started => Condition::Created,
            true if frozen() => Condition::Paused,
            true => Condition::Running,
        };
        Ok(Some(Kept {
            condition,
            group,
            held: None,
            foreign: Some(Foreign::of(record)),
        }))
    }
}

/// What is kept of a container besides our own record.
pub(super) struct Kept {
    pub(super) held: Option<tare_lifecycle::Container>,
    pub(super) foreign: Option<Foreign>,
    condition: Condition,
    pub(super) group: Option<Group>,
}

impl Container {
    /// Adds a process with its streams; what is to be said of them.
    fn adopt_process(&mut self, mut process: Process) -> Option<String> {
        let is_remote = self
            .foreign
            .as_ref()
            .is_some_and(|foreign| foreign.record.shim.is_some());
        let lives = process.lives();
        // A shim's terminal is the shim's.
        let wanted = Wanted {
            terminal: process.stdio.terminal && !is_remote,
            ..process.stdio.clone()
        };
        let of = format!("process {:?} of {}", process.exec_id, self.id);
        let said = match Streams::adopt(&wanted) {
            _ if !lives => None,
            Ok(_) if wanted.terminal => Some(format!("the terminal of {of} hung up with its supervisor")),
            Ok(streams) => {
                process.streams = streams;
                if process.input_ended {
                    process.streams.close_input();
                }
                None
            }
            Err(error) => Some(format!("streams of {of}: {}", Report::new(&error))),
        };
        let owner = Owner {
            namespace: &self.namespace,
            container: &self.id,
            process: &process.exec_id,
            records: &self.records,
        };
        // What is kept of one that has ended may not be written yet.
        let kept = process.streams.adopt_logs(owner);
        let said = said.or_else(|| {
            kept.err()
                .map(|error| format!("logs of {of}: {}", Report::new(&error)))
        });
        self.processes.push(process);
        said
    }

    fn adopt_first(&mut self, number: u32, record: ProcessRecord, condition: Condition) -> Result<Process> {
        if let Some(pid) = self.created() {
            return self.adopt_first_of_shim(number, record, pid, condition);
        }
        let init = self.init().cloned();
        let life = init.as_ref().map_or(Ok(None), Life::adopt)?;
        let stage = match (life, self.recorded_exit()?) {
            (Some(life), _) if condition == Condition::Created => Stage::Created(life),
            (Some(life), _) => Stage::Running(life),
            (None, known) => {
                let exit = match known {
                    Some(exit) => exit,
                    None => self.record_unseen()?,
                };
                // Whether it was told is not known: better twice than never.
                Stage::Ended(Ended {
                    pid: init.map_or(0, |init| init.pid),
                    code: exit.code,
                    at: UNIX_EPOCH + Duration::from_nanos(exit.at),
                    told: false,
                })
            }
        };
        Ok(Process::new(number, String::new(), record.stdio, stage))
    }

    /// The number of its first process, where a shim has made that.
    fn created(&self) -> Option<u32> {
        let record = &self.foreign.as_ref()?.record;
        record.shim.as_ref().and(record.created)
    }

    fn adopt_first_of_shim(
        &mut self,
        number: u32,
        record: ProcessRecord,
        pid: u32,
        condition: Condition,
    ) -> Result<Process> {
        let known = match (self.recorded_exit()?, self.is_remote()) {
            (None, true) => None,
            (None, false) => Some(self.record_unseen()?),
            (known, _) => known,
        };
        let stage = match known {
            None => Stage::Remote {
                pid,
                started: condition != Condition::Created,
            },
            Some(exit) => Stage::Ended(Ended {
                pid: i32::try_from(pid).unwrap_or(0),
                code: exit.code,
                at: UNIX_EPOCH + Duration::from_nanos(exit.at),
                told: false,
            }),
        };
        Ok(Process::new(number, String::new(), record.stdio, stage))
    }

    fn recorded_exit(&self) -> Result<Option<Exit>> {
        let Some(path) = self.exit_path() else {
            return Ok(None);
        };
        match tare_store::read(&path, LONGEST_RECORD) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::os("read", path.display(), e)),
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|e| Error::new(Kind::Corrupt, "read", path.display()).from_source(e)),
        }
    }

    /// Records an end that nobody saw, with what the group still says of it.
    fn record_unseen(&mut self) -> Result<Exit> {
        let mut exit = exit::unknown(UNSEEN);
        exit.oom = self.memory.as_mut().and_then(|memory| memory.oom(false));
        self.record_end(&exit)?;
        Ok(exit)
    }
}

/// A process that was executed: it runs, or its end is known, or nobody saw it.
fn adopt_executed(number: u32, record: ProcessRecord) -> Result<Process> {
    let stage = match record.stage {
        StageRecord::Added(command) => Stage::Added(command),
        StageRecord::Living(stamp) => match Life::adopt(&stamp)? {
            Some(life) => Stage::Running(life),
            None => Stage::Ended(Ended {
                pid: stamp.pid,
                told: false,
                ..Ended::unknown()
            }),
        },
        StageRecord::Remote(pid) => Stage::Remote { pid, started: true },
        StageRecord::Ended(ended) => Stage::Ended(ended.into()),
        StageRecord::Making => Stage::Ended(Ended::unknown()),
    };
    Ok(Process::new(number, record.exec_id, record.stdio, stage))
}
