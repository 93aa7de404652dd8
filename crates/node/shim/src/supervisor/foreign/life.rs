//! How processes of a foreign container begin: the commands that make, start and enter it. What is asked of a shim instead is in
//! remote.rs.

use super::errand::Errand;
use super::record::Maker;
use super::remote::{self, Creation};
use super::{Foreign, Record, group, root};
use crate::supervisor::connection::Asked;
use crate::supervisor::container::{Container, Progress};
use crate::supervisor::creation::mount;
use crate::supervisor::life::Life;
use crate::supervisor::memory::Memory;
use crate::supervisor::process::{Ended, Process, Stage};
use crate::supervisor::sandbox::rewrite;
use crate::supervisor::service::Service;
use crate::supervisor::stdio::{Ends, Owner, Streams, Wanted};
use rustix::event::epoll::EventFlags;
use rustix::fd::AsFd;
use rustix::process::{PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use std::path::PathBuf;
use std::process::{Command as Program, Stdio};
use std::time::{Instant, SystemTime};
use tare_error::{Context, Error, Kind, Result};
use tare_lifecycle::{Awaited, Bundle, ContainerId, Pending};
use tare_logs::Moment;
use tare_process::{Child, Stamp};
use tare_spec_containerd::task::CreateTaskRequest;
use tare_spec_oci::{Mount, Process as Command};
use tare_store::Durability;

/// A command at work for the beginning of a process.
#[derive(Debug)]
pub(in crate::supervisor) struct Work {
    pub(super) errand: Errand,
    pub(super) aim: Aim,
    pub(super) asked: Asked,
}

/// What the command is to bring about.
#[derive(Debug)]
pub(super) enum Aim {
    /// The container, with its first process.
    Make,
    /// That the first process goes on to its program.
    Start(Life),
    /// Another process.
    Enter,
    /// A shim.
    Launch(Box<Creation>),
    /// The container, by the shim.
    Create(Box<Creation>),
    /// That its first process, of this number, goes on to its program.
    Begin(u32),
    /// Another process; its streams are held open until the shim has them.
    Execute(Ends),
    /// That nothing is left, as this went wrong.
    Undo(Box<Error>),
}

impl Work {
    /// The first process, while it is started.
    pub(in crate::supervisor) fn life(&self) -> Option<&Life> {
        match &self.aim {
            Aim::Start(life) => Some(life),
            _ => None,
        }
    }

    /// Whether it makes the container, or undoes that.
    pub(in crate::supervisor) fn makes(&self) -> bool {
        matches!(
            self.aim,
            Aim::Make | Aim::Undo(_) | Aim::Launch(_) | Aim::Create(_)
        )
    }

    /// The first process, while a shim starts it; its number.
    pub(in crate::supervisor) fn remote(&self) -> Option<u32> {
        match self.aim {
            Aim::Begin(pid) => Some(pid),
            _ => None,
        }
    }

    /// What the loop is to be told of what it waits for.
    pub(in crate::supervisor) fn flags(&self) -> EventFlags {
        self.errand.flags()
    }

    /// When it must go on at the latest.
    pub(in crate::supervisor) fn deadline(&self) -> Option<Instant> {
        self.errand.deadline()
    }

    /// Who wants to hear of it.
    pub(super) fn asked(&self) -> Asked {
        self.asked
    }

    /// What it waits for.
    pub(in crate::supervisor) fn awaited(&self) -> Vec<Awaited<'_>> {
        self.errand.awaited()
    }
}

/// What a container of a foreign runtime is made of.
pub(in crate::supervisor) struct Order {
    pub(in crate::supervisor) request: CreateTaskRequest,
    pub(in crate::supervisor) maker: Maker,
    pub(in crate::supervisor) bundle: Bundle,
    pub(in crate::supervisor) wanted: Wanted,
}

impl Service {
    /// Begins to make a container by its runtime's command; the answer comes when it is made.
    pub(in crate::supervisor) fn create_foreign(&mut self, asked: Asked, order: Order) -> Result<()> {
        let Order {
            request,
            maker,
            bundle,
            wanted,
        } = order;
        ContainerId::parse(&request.id)?;
        self.strays.take_in(&mut self.signals)?;
        let mounts: Vec<Mount> = request.rootfs.iter().map(mount).collect();
        if self.sandbox.is_some() {
            rewrite(&bundle)?;
        }
        let record = Record::begin(maker, &self.foreign_home, &request.id, &bundle, &mounts)?;
        let number = self.number();
        let owner = Owner {
            namespace: &self.namespace,
            container: &request.id,
            process: "",
            records: &self.records,
        };
        let begun = self.signals.released(|| {
            remote::prepare(&record, &bundle)?;
            match &record.shim {
                Some(_) => Creation::begin(&record, number, &request, &wanted, owner),
                None => making(&record, number, &wanted, owner),
            }
        });
        let (errand, streams, aim) = match begun.flatten() {
            Ok(begun) => begun,
            Err(error) => {
                return Err(match record.remove() {
                    Ok(()) => error,
                    Err(also) => error.also(also),
                });
            }
        };
        let work = Work { errand, aim, asked };
        let mut first = Process::new(number, String::new(), wanted, Stage::Foreign(Box::new(work)));
        first.streams = streams;
        self.containers.push(Container {
            id: request.id,
            namespace: self.namespace.clone(),
            bundle: PathBuf::from(request.bundle),
            records: self.records.clone(),
            rootfs: request.rootfs,
            held: None,
            foreign: Some(Box::new(Foreign::of(record))),
            memory: None,
            paused: false,
            killed: false,
            processes: vec![first],
            left_groups: Vec::new(),
        });
        self.advance(number);
        Ok(())
    }

    /// Begins to start a foreign container or a process that was added to it; none where it is not foreign.
    pub(in crate::supervisor) fn start_foreign(
        &mut self,
        asked: Asked,
        id: &str,
        exec_id: &str,
    ) -> Option<Result<()>> {
        let container = self.containers.iter_mut().find(|container| container.id == id)?;
        let begun = match container.foreign.as_ref()?.record.shim {
            Some(_) => container.begin_remote(asked, exec_id),
            None => container.begin_foreign(asked, exec_id),
        };
        Some(begun.map(|number| self.advance(number)))
    }
}

impl Container {
    /// Begins to start or enter it; the number of the process.
    fn begin_foreign(&mut self, asked: Asked, exec_id: &str) -> Result<u32> {
        let (id, namespace, records) = (self.id.clone(), self.namespace.clone(), self.records.clone());
        let refuse = |kind, why: &str| Error::new(kind, "start", &id).because(why.to_owned());
        let Some(foreign) = &self.foreign else {
            return Err(refuse(Kind::Internal, "it is not foreign"));
        };
        let mut processes = self.processes.iter_mut();
        let found = processes.find(|process| process.exec_id == exec_id);
        let process = found.ok_or_else(|| refuse(Kind::NotFound, "there is no process of this name"))?;
        let number = process.number;
        let mut errand = Errand::new(&foreign.record, number);
        let aim = match process.stage.take() {
            Stage::Created(life) => {
                let mut command = errand.command(&foreign.record.runtime, "start");
                command.arg(&id);
                errand.then("start", command);
                Aim::Start(life)
            }
            // It stays an end that nobody saw, to be deleted, where this goes wrong.
            Stage::Added(command) => {
                let owner = Owner {
                    namespace: &namespace,
                    container: &id,
                    process: exec_id,
                    records: &records,
                };
                process.streams = entering(&mut errand, &foreign.record, &command, &process.stdio, owner)?;
                Aim::Enter
            }
            other => {
                process.stage = other;
                return Err(refuse(Kind::Conflict, "cannot start a running process"));
            }
        };
        process.stage = Stage::Foreign(Box::new(Work { errand, aim, asked }));
        Ok(number)
    }

    /// Goes on with a command that begins a process.
    pub(in crate::supervisor) fn advance_foreign(&mut self, number: u32) -> Progress {
        let Some(process) = self.processes.iter_mut().find(|p| p.number == number) else {
            return Progress::Goes;
        };
        let Stage::Foreign(work) = &mut process.stage else {
            return Progress::Goes;
        };
        let done = match work.errand.advance() {
            Ok(false) => return Progress::Goes,
            done => done.map(drop),
        };
        let Stage::Foreign(work) = process.stage.take() else {
            return Progress::Goes;
        };
        let Work { errand, aim, asked } = *work;
        match (aim, done) {
            (Aim::Make, done) => match done.and_then(|()| self.take_foreign(errand, number)) {
                Ok(pid) => Progress::Created { asked, pid },
                Err(error) => self.undo(number, asked, error),
            },
            (Aim::Undo(error), done) => self.undone(asked, *error, done),
            (Aim::Launch(creation), Ok(())) => self.ask_for_creation(number, asked, errand, creation),
            (Aim::Create(creation), Ok(())) => match self.take_created(errand, *creation) {
                Ok(pid) => Progress::Created { asked, pid },
                Err(error) => self.undo(number, asked, error),
            },
            (Aim::Launch(_) | Aim::Create(_), Err(error)) => {
                drop(errand);
                self.undo(number, asked, error)
            }
            (Aim::Begin(pid), done) => self.take_begun(number, asked, pid, done),
            (Aim::Execute(ends), done) => self.take_executed(number, asked, errand, (done, ends)),
            (Aim::Start(life), Ok(())) => {
                let pid = life.pid().unsigned_abs();
                process.stage = Stage::Running(life);
                let exec_id = String::new();
                match self.note_start() {
                    Ok(()) => Progress::Started { asked, exec_id, pid },
                    Err(error) => failed(asked, error),
                }
            }
            (Aim::Start(life), Err(error)) => {
                process.stage = Stage::Created(life);
                failed(asked, error)
            }
            (Aim::Enter, done) => match done.and_then(|()| self.take_foreign(errand, number)) {
                Ok(pid) => Progress::Started {
                    asked,
                    exec_id: self.name_of(number),
                    pid,
                },
                Err(error) => {
                    self.never_was(number);
                    failed(asked, error)
                }
            },
        }
    }

    pub(super) fn note_start(&mut self) -> Result<()> {
        self.foreign.as_mut().map_or(Ok(()), |foreign| {
            foreign.record.started = true;
            foreign.record.since = Some(Moment::from(SystemTime::now()).to_string());
            foreign.record.write()
        })
    }

    pub(super) fn name_of(&self, number: u32) -> String {
        let process = self.processes.iter().find(|p| p.number == number);
        process.map_or_else(String::new, |process| process.exec_id.clone())
    }

    /// A process that could not be made.
    pub(super) fn never_was(&mut self, number: u32) {
        if let Some(process) = self.processes.iter_mut().find(|p| p.number == number) {
            process.stage = Stage::Ended(Ended::unknown());
            process.streams = Streams::default();
        }
    }

    /// Takes over the process that a command has left, with its terminal; its pid.
    fn take_foreign(&mut self, mut errand: Errand, number: u32) -> Result<u32> {
        let child = adopted(&errand)?;
        let pid = child.pid;
        let taken = self.take_child(&mut errand, number, child);
        if taken.is_err() {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        taken.map(|()| pid.as_raw_pid().unsigned_abs())
    }

    fn take_child(&mut self, errand: &mut Errand, number: u32, child: Child) -> Result<()> {
        let (Some(process), Some(foreign)) = (
            self.processes.iter_mut().find(|p| p.number == number),
            self.foreign.as_mut(),
        ) else {
            return Ok(());
        };
        let owner = Owner {
            namespace: &self.namespace,
            container: &self.id,
            process: &process.exec_id,
            records: &self.records,
        };
        if let Some(master) = errand.terminal()? {
            process.streams = Streams::of_terminal(&process.stdio, master, owner)?;
        }
        let pid = child.pid.as_raw_pid();
        let stamp = Stamp::of(pid)?;
        let life = Life::of_child(child, stamp.clone());
        if !process.is_first() {
            process.stage = Stage::Running(life);
            return self.write_record();
        }
        process.stage = Stage::Created(life);
        foreign.record.init = Some(stamp);
        let group = group::of(pid)?;
        foreign.record.group = group.as_ref().map(|group| group.path().to_string());
        foreign.record.write()?;
        self.memory = group.and_then(|group| Memory::of(&group));
        self.write_record()
    }

    /// Has the runtime, and the mounts, take back what was made of the container.
    pub(super) fn undo(&mut self, number: u32, asked: Asked, error: Error) -> Progress {
        let Some(foreign) = &self.foreign else {
            return failed(asked, error);
        };
        let mut errand = Errand::new(&foreign.record, number);
        if let Err(also) = deletion(&mut errand, &foreign.record, true, true) {
            return failed(asked, error.also(also));
        }
        if let Some(process) = self.processes.iter_mut().find(|p| p.number == number) {
            let aim = Aim::Undo(Box::new(error));
            process.stage = Stage::Foreign(Box::new(Work { errand, aim, asked }));
        }
        self.advance_foreign(number)
    }

    fn undone(&self, asked: Asked, error: Error, done: Result<()>) -> Progress {
        let removed = done.and(self.forget_foreign());
        let error = match removed {
            Ok(()) => error,
            Err(also) => error.also(also),
        };
        Progress::Failed {
            asked,
            error,
            never_made: true,
        }
    }
}

pub(super) fn failed(asked: Asked, error: Error) -> Progress {
    Progress::Failed {
        asked,
        error,
        never_made: false,
    }
}

/// The commands that make a container, and what is ours of its streams.
fn making(record: &Record, number: u32, wanted: &Wanted, owner: Owner<'_>) -> Result<(Errand, Streams, Aim)> {
    let mut errand = Errand::new(record, number);
    let runtime = &record.runtime;
    let mut command = errand.command(runtime, "create");
    command.arg("--bundle").arg(&record.bundle);
    if runtime.without_pivot {
        command.arg("--no-pivot");
    }
    if runtime.shared_keyring {
        command.arg("--no-new-keyring");
    }
    let streams = plug(&mut errand, &mut command, wanted, owner)?;
    command.arg(&record.id);
    if record.mounted {
        errand.then("create", root::mounting(&record.mounts(), &record.rootfs()));
    }
    errand.then("create", command);
    Ok((errand, streams, Aim::Make))
}

/// The command that executes a process, and what is ours of its streams.
fn entering(
    errand: &mut Errand,
    record: &Record,
    process: &Command,
    wanted: &Wanted,
    owner: Owner<'_>,
) -> Result<Streams> {
    let path = errand.file("json");
    let text = serde_json::to_vec(process)
        .map_err(|e| Error::new(Kind::Internal, "write", path.display()).from_source(e))?;
    tare_store::replace(&path, Durability::Volatile, 0o600, &text)?;
    let mut command = errand.command(&record.runtime, "exec");
    command.arg("--process").arg(&path).arg("--detach");
    let streams = plug(errand, &mut command, wanted, owner)?;
    command.arg(&record.id);
    errand.then("exec", command);
    Ok(streams)
}

/// Gives a command the streams of the process that it makes, and a file for its pid.
fn plug(errand: &mut Errand, command: &mut Program, wanted: &Wanted, owner: Owner<'_>) -> Result<Streams> {
    command.arg("--pid-file").arg(errand.file("pid"));
    if wanted.terminal {
        command.arg("--console-socket").arg(errand.console()?);
        return Ok(Streams::default());
    }
    let (streams, ends) = Streams::open(wanted, owner)?;
    let Ends {
        stdin,
        stdout,
        stderr,
    } = ends;
    command.stdin(Stdio::from(stdin));
    command.stdout(Stdio::from(stdout));
    command.stderr(Stdio::from(stderr));
    Ok(streams)
}

/// The commands after which nothing of a container is left.
pub(super) fn deletion(errand: &mut Errand, record: &Record, force: bool, whatever: bool) -> Result<()> {
    if record.shim.is_some() {
        return remote::end(errand, record, force);
    }
    let mut command = errand.command(&record.runtime, "delete");
    if force {
        command.arg("--force");
    }
    command.arg(&record.id);
    match whatever {
        true => errand.then_try("delete", command),
        false => errand.then("delete", command),
    }
    if record.mounted {
        errand.then("delete", root::unmounting(&record.rootfs()));
    }
    Ok(())
}

/// The process that a command has left to us.
fn adopted(errand: &Errand) -> Result<Child> {
    let pid = errand.pid()?;
    let strange = || {
        Error::new(Kind::Unsupported, "wait for process", pid.as_raw_pid())
            .because("the runtime has not left it to whoever called it, so that its end could not be known")
    };
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Err(strange()),
        handle => handle.op("open a handle on process", pid.as_raw_pid())?,
    };
    // As long as nobody waits for it, its number is its own.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::PidFd(pidfd.as_fd()), options) {
        Err(rustix::io::Errno::CHILD) => Err(strange()),
        done => done
            .op("wait for process", pid.as_raw_pid())
            .map(|_| Child { pid, pidfd }),
    }
}
