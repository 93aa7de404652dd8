//! How processes of a container begin and end whose runtime is a shim: what is asked of that, and what its answers mean.
//!
//! ```text
//! Create -> PROGRAM start -> Connect, Create -> Created; from then on Wait, until that is answered
//! Start  -> Start         Exec's Start -> Exec, Start; Wait
//! Delete -> Delete, Shutdown -> the shim leaves
//! the shim is gone -> PROGRAM delete -> what was still running has an end that nobody saw
//! ```

use super::errand::{DELETING, Errand, STARTING};
use super::life::{Aim, Work, failed};
use super::shim::{self, Address};
use super::{Purpose, Record, Task, group, root};
use crate::exit::{self, Exit, Oom};
use crate::supervisor::connection::Asked;
use crate::supervisor::container::{Container, Progress};
use crate::supervisor::memory::Memory;
use crate::supervisor::process::{Ended, Process, Stage};
use crate::supervisor::service::Service;
use crate::supervisor::stdio::{Ends, Owner, Streams, Wanted};
use rustix::process::Signal;
use std::time::{Duration, Instant, UNIX_EPOCH};
use tare_error::{Error, Kind, Result};
use tare_process::Stamp;
use tare_spec_containerd::task::{
    ConnectRequest, ConnectResponse, CreateTaskRequest, CreateTaskResponse, DeleteRequest,
    ExecProcessRequest, KillRequest, ShutdownRequest, StartRequest, StartResponse, TaskMethod, WaitRequest,
    WaitResponse,
};
use tare_spec_containerd::{Any, typeurl};
use tare_spec_oci::Process as Command;

/// How long a shim may take to make or start something: a machine may have to boot for it.
const MAKING: Duration = Duration::from_secs(120);
/// How long it may take for everything else.
pub(super) const ANSWERING: Duration = Duration::from_secs(10);
/// How long it may take to kill, and what was killed to end.
pub(super) const ENDING: Duration = Duration::from_secs(5);
/// How long it may take to say that it leaves.
const LEAVING: Duration = Duration::from_secs(3);
/// How often a shim that lives may break off before it is given up.
const PATIENCE: u32 = 3;

/// What is to be asked of a shim that is being started.
#[derive(Debug)]
pub(super) struct Creation {
    request: CreateTaskRequest,
    /// The other ends of its streams, until the shim has them.
    ends: Ends,
}

impl Creation {
    /// The first steps of a container, and what is ours of its streams.
    pub(super) fn begin(
        record: &Record,
        number: u32,
        request: &CreateTaskRequest,
        wanted: &Wanted,
        owner: Owner<'_>,
    ) -> Result<(Errand, Streams, Aim)> {
        let mut errand = Errand::new(record, number);
        errand.hear(record, STARTING, false)?;
        let (streams, ends, paths) = Streams::name(wanted, owner)?;
        let options = record.shim.as_ref().and_then(|shim| shim.options());
        let request = CreateTaskRequest {
            id: record.id.clone(),
            bundle: record.bundle.display().to_string(),
            rootfs: request.rootfs.clone(),
            terminal: wanted.terminal,
            stdin: paths.stdin,
            stdout: paths.stdout,
            stderr: paths.stderr,
            options,
            ..CreateTaskRequest::default()
        };
        let aim = Aim::Launch(Box::new(Creation { request, ends }));
        Ok((errand, streams, aim))
    }
}

impl Container {
    /// The shim has been started: it is asked who it is, and to make the container.
    pub(super) fn ask_for_creation(
        &mut self,
        number: u32,
        asked: Asked,
        mut errand: Errand,
        creation: Box<Creation>,
    ) -> Progress {
        let said = errand.raw_answer().unwrap_or_default();
        drop(errand);
        let Some(foreign) = self.foreign.as_mut() else {
            return Progress::Goes;
        };
        let record = &mut foreign.record;
        let noted = Address::parse(&said, &record.runtime.name()).and_then(|address| {
            if let Some(shim) = &mut record.shim {
                shim.address = Some(address);
            }
            record.write()
        });
        if let Err(error) = noted {
            return self.undo(number, asked, error);
        }
        let mut errand = Errand::new(record, number);
        let id = record.id.clone();
        errand.try_to_ask(TaskMethod::Connect, &ConnectRequest { id }, ANSWERING);
        errand.ask(TaskMethod::Create, &creation.request, Some(MAKING));
        if let Some(process) = self.processes.iter_mut().find(|p| p.number == number) {
            let aim = Aim::Create(creation);
            process.stage = Stage::Foreign(Box::new(Work { errand, aim, asked }));
        }
        self.advance_foreign(number)
    }

    /// The shim has made the container; its pid.
    pub(super) fn take_created(&mut self, mut errand: Errand, creation: Creation) -> Result<u32> {
        let shim = errand.answer::<ConnectResponse>();
        let created: CreateTaskResponse = errand.answer()?;
        drop(errand);
        let Some(foreign) = self.foreign.as_mut() else {
            return Ok(created.pid);
        };
        // It may not have come to open its input.
        foreign.ends = Some(creation.ends);
        let record = &mut foreign.record;
        let bundle = record.bundle.clone();
        if let (Some(known), Ok(told)) = (&mut record.shim, shim) {
            known.take_process(told.shim_pid, &bundle);
        }
        record.created = Some(created.pid);
        // What the configuration names is the container's, if there is one; a machine's processes are in none.
        let asked = record.asked_group.as_deref();
        let group = group::open(asked);
        record.group = group.as_ref().map(|group| group.path().to_string());
        // Only who is in there is known to be a process of this machine's, and of the container.
        let pids = group
            .as_ref()
            .and_then(|group| group.processes().ok())
            .unwrap_or_default();
        let pid = pids
            .iter()
            .find(|pid| pid.as_raw_pid().unsigned_abs() == created.pid);
        record.init = pid.and_then(|pid| Stamp::of(pid.as_raw_pid()).ok());
        record.write()?;
        self.memory = group.and_then(|group| Memory::of(&group));
        let pid = created.pid;
        if let Some(first) = self.process_mut("") {
            first.stage = Stage::Remote { pid, started: false };
        }
        self.write_record()?;
        Ok(pid)
    }

    /// Begins to start a container that a shim has made, or to execute a process in it.
    pub(super) fn begin_remote(&mut self, asked: Asked, exec_id: &str) -> Result<u32> {
        let (id, namespace, records) = (self.id.clone(), self.namespace.clone(), self.records.clone());
        let refuse = |kind, why: &str| Error::new(kind, "start", &id).because(why.to_owned());
        let Some(foreign) = &self.foreign else {
            return Err(refuse(Kind::Internal, "it is not foreign"));
        };
        let mut processes = self.processes.iter_mut();
        let found = processes.find(|process| process.exec_id == exec_id);
        let process = found.ok_or_else(|| refuse(Kind::NotFound, "there is no process of this name"))?;
        let mut errand = Errand::new(&foreign.record, process.number);
        let start = StartRequest {
            id: id.clone(),
            exec_id: exec_id.to_owned(),
        };
        let aim = match process.stage.take() {
            Stage::Remote { pid, started: false } => {
                errand.ask(TaskMethod::Start, &start, Some(MAKING));
                Aim::Begin(pid)
            }
            Stage::Added(command) => {
                let owner = Owner {
                    namespace: &namespace,
                    container: &id,
                    process: exec_id,
                    records: &records,
                };
                let (streams, ends, paths) = Streams::name(&process.stdio, owner)?;
                let request = execution(&start, &command, paths, process.stdio.terminal)?;
                process.streams = streams;
                errand.ask(TaskMethod::Exec, &request, Some(ANSWERING));
                errand.ask(TaskMethod::Start, &start, Some(MAKING));
                Aim::Execute(ends)
            }
            other => {
                process.stage = other;
                return Err(refuse(Kind::Conflict, "cannot start a running process"));
            }
        };
        process.stage = Stage::Foreign(Box::new(Work { errand, aim, asked }));
        Ok(process.number)
    }

    /// The container's first process has been started, or could not be.
    pub(super) fn take_begun(&mut self, number: u32, asked: Asked, pid: u32, done: Result<()>) -> Progress {
        drop(self.foreign.as_mut().and_then(|foreign| foreign.ends.take()));
        if let Some(process) = self.processes.iter_mut().find(|p| p.number == number) {
            let started = done.is_ok();
            process.stage = Stage::Remote { pid, started };
            process.streams.await_input(&process.stdio);
        }
        let exec_id = String::new();
        match done.and_then(|()| self.note_start()) {
            Ok(()) => Progress::Started { asked, exec_id, pid },
            Err(error) => failed(asked, error),
        }
    }

    /// A process has been executed, or could not be.
    pub(super) fn take_executed(
        &mut self,
        number: u32,
        asked: Asked,
        mut errand: Errand,
        (done, ends): (Result<()>, Ends),
    ) -> Progress {
        let started = done.and_then(|()| {
            errand.raw_answer();
            errand.answer::<StartResponse>()
        });
        drop((errand, ends));
        let pid = match started {
            Ok(started) => started.pid,
            Err(error) => {
                self.never_was(number);
                return failed(asked, error);
            }
        };
        if let Some(process) = self.processes.iter_mut().find(|p| p.number == number) {
            let started = true;
            process.stage = Stage::Remote { pid, started };
            process.streams.await_input(&process.stdio);
        }
        let exec_id = self.name_of(number);
        match self.write_record() {
            Ok(()) => Progress::Started { asked, exec_id, pid },
            Err(error) => failed(asked, error),
        }
    }

    /// What is to be asked next: the end of every process that the shim has, where nobody waits for it yet.
    pub(in crate::supervisor) fn unwatched(&self) -> Vec<u32> {
        let Some(foreign) = self
            .foreign
            .as_ref()
            .filter(|foreign| foreign.record.shim.is_some())
        else {
            return Vec::new();
        };
        if foreign.is_being_buried() {
            return Vec::new();
        }
        let watched = |number: u32| {
            let mut tasks = foreign.tasks.iter();
            tasks.any(|task| matches!(task.purpose, Purpose::End(of) if of == number))
        };
        let remote =
            |process: &&Process| matches!(process.stage, Stage::Remote { .. }) && !watched(process.number);
        self.processes
            .iter()
            .filter(remote)
            .map(|process| process.number)
            .collect()
    }

    /// Asks for the end of a process, under this number.
    fn watch(&mut self, of: u32, number: u32) {
        let exec_id = self.name_of(of);
        let id = self.id.clone();
        if let Some(foreign) = &mut self.foreign {
            let mut errand = Errand::new(&foreign.record, number);
            errand.ask(TaskMethod::Wait, &WaitRequest { id, exec_id }, None);
            let purpose = Purpose::End(of);
            foreign.tasks.push(Task { errand, purpose });
        }
    }

    /// A process has ended, as its shim says; the record of the first one's end is written before anyone hears of it.
    pub(super) fn take_end(&mut self, number: u32, mut errand: Errand) -> Result<()> {
        let answer: WaitResponse = errand.answer()?;
        drop(errand);
        let mut exit = Exit::told(&answer);
        let Some(process) = self.processes.iter_mut().find(|p| p.number == number) else {
            return Ok(());
        };
        let pid = i32::try_from(process.pid()).unwrap_or(0);
        process.stage = Stage::Ended(Ended {
            pid,
            code: exit.code,
            at: UNIX_EPOCH + Duration::from_nanos(exit.at),
            told: false,
        });
        process.ending = Some(Instant::now());
        if !process.is_first() {
            return self.write_record();
        }
        let by_kill = u32::from(exit.code) == KILLED && !self.killed;
        let foreign = self.foreign.as_ref().filter(|foreign| foreign.ran_out);
        let told = foreign.map(|foreign| Oom::told(foreign.record.asked_memory, by_kill));
        exit.oom = self.memory.as_mut().and_then(|memory| memory.oom(by_kill));
        exit.oom = exit.oom.or(told);
        self.record_end(&exit)
    }

    /// The shim is gone, or is to be: everything of the container is ended, under this number.
    pub(super) fn begin_burial(&mut self, number: u32, answers: bool) -> Result<()> {
        let Some(foreign) = &mut self.foreign else {
            return Ok(());
        };
        if foreign.is_being_buried() {
            return Ok(());
        }
        foreign
            .tasks
            .retain(|task| !matches!(task.purpose, Purpose::End(_)));
        let mut errand = Errand::new(&foreign.record, number);
        end(&mut errand, &foreign.record, true)?;
        if !answers {
            errand.give_up();
        }
        let purpose = Purpose::Bury;
        foreign.tasks.push(Task { errand, purpose });
        Ok(())
    }

    /// Nothing of the container is left; what was running has ended unseen.
    pub(super) fn take_burial(&mut self) -> Result<()> {
        let mut why = "its shim is gone".to_owned();
        if let Some(foreign) = &mut self.foreign {
            why = format!(
                "its shim, {}, died or stopped answering, and nobody saw its end",
                foreign.record.runtime.name()
            );
            if let Some(shim) = &mut foreign.record.shim {
                shim.is_over = true;
            }
            foreign.record.write()?;
        }
        let mut first = false;
        for process in &mut self.processes {
            let Stage::Remote { pid, .. } = process.stage else {
                continue;
            };
            first |= process.is_first();
            process.stage = Stage::Ended(Ended {
                pid: i32::try_from(pid).unwrap_or(0),
                told: false,
                ..Ended::unknown()
            });
            process.ending = Some(Instant::now());
        }
        if !first {
            return self.write_record();
        }
        let mut exit = exit::unknown(why);
        exit.oom = self.memory.as_mut().and_then(|memory| memory.oom(false));
        let recorded = self.record_end(&exit);
        self.write_record().and(recorded)
    }
}

impl Service {
    /// Asks for every end that nobody waits for yet.
    pub(in crate::supervisor) fn watch_remotes(&mut self) {
        for at in 0..self.containers.len() {
            let unwatched = self
                .containers
                .get(at)
                .map(Container::unwatched)
                .unwrap_or_default();
            for of in unwatched {
                let number = self.number();
                if let Some(container) = self.containers.get_mut(at) {
                    container.watch(of, number);
                }
                self.run_errand(number);
            }
        }
    }

    /// A shim does not answer: one that is gone, or that does so again and again, is buried.
    pub(super) fn lost(&mut self, id: &str, for_good: bool, answers: bool) {
        let number = self.number();
        let mut containers = self.containers.iter_mut();
        let Some(container) = containers.find(|container| container.id == id) else {
            return;
        };
        let Some(foreign) = &mut container.foreign else {
            return;
        };
        let lives = foreign.record.shim.as_ref().is_some_and(|shim| shim.lives());
        foreign.breaks += 1;
        if lives && !for_good && foreign.breaks <= PATIENCE {
            return;
        }
        match container.begin_burial(number, answers) {
            Ok(()) => self.run_errand(number),
            Err(error) => self.note_failure(Err(error)),
        }
    }
}

/// The code of a process that was killed.
const KILLED: u32 = 128 + 9;

/// What executes a process.
fn execution(
    start: &StartRequest,
    command: &Command,
    paths: Wanted,
    terminal: bool,
) -> Result<ExecProcessRequest> {
    let spec = serde_json::to_vec(command)
        .map_err(|e| Error::new(Kind::Internal, "describe", &start.exec_id).from_source(e))?;
    Ok(ExecProcessRequest {
        id: start.id.clone(),
        exec_id: start.exec_id.clone(),
        terminal,
        stdin: paths.stdin,
        stdout: paths.stdout,
        stderr: paths.stderr,
        spec: Some(Any::json(typeurl::PROCESS, spec)),
    })
}

/// The steps after which nothing of a container is left, its shim neither. Where that is forced, nothing that fails hinders the
/// rest.
pub(super) fn end(errand: &mut Errand, record: &Record, force: bool) -> Result<()> {
    let (id, exec_id) = (record.id.clone(), String::new());
    let delete = DeleteRequest {
        id: id.clone(),
        exec_id: exec_id.clone(),
    };
    let shut_down = ShutdownRequest {
        id: id.clone(),
        now: force,
    };
    let shim = record.shim.as_ref();
    let is_over = shim.is_some_and(|shim| shim.is_over);
    let answers = shim.is_some_and(|shim| shim.address.is_some()) && !is_over;
    if answers && force {
        let kill = KillRequest {
            id: id.clone(),
            exec_id: exec_id.clone(),
            signal: Signal::KILL.as_raw().unsigned_abs(),
            all: true,
        };
        errand.try_to_ask(TaskMethod::Kill, &kill, ENDING);
        errand.try_to_ask(TaskMethod::Wait, &WaitRequest { id, exec_id }, ENDING);
        errand.try_to_ask(TaskMethod::Delete, &delete, ENDING);
    } else if answers {
        errand.ask(TaskMethod::Delete, &delete, Some(MAKING));
    }
    if answers {
        errand.try_to_ask(TaskMethod::Shutdown, &shut_down, LEAVING);
    }
    if !is_over {
        errand.leave(record);
    }
    if force && !is_over {
        errand.hear(record, DELETING, true)?;
    }
    errand.then(DELETING, root::unmounting(&record.rootfs()));
    Ok(())
}

/// Makes what a shim takes for the bundle.
pub(super) fn prepare(record: &Record, bundle: &tare_lifecycle::Bundle) -> Result<()> {
    match record.shim {
        Some(_) => shim::make_bundle(record, bundle),
        None => Ok(()),
    }
}
