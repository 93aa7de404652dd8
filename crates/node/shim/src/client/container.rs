//! What a client asks of a supervisor about its container, in the words of containerd's task service and of our own.

use super::Connection;
use super::fifos::{self, Fifos, Wires};
use super::runtime::{Maker, of_its_kind, options};
use crate::exit::Exit;
use crate::health::HealthPlan;
use crate::own::{HEALTH, Hangup, KEEP, KeepRequest, SUPERVISOR, foreign_home};
use crate::pod::Entry;
use crate::supervisor::EXIT_RECORD;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Kind, Result};
use tare_spec_containerd::process::Status as Condition;
use tare_spec_containerd::task::{
    CreateTaskRequest, CreateTaskResponse, DeleteRequest, DeleteResponse, KillRequest, PauseRequest,
    ResumeRequest, StartRequest, StartResponse, StateRequest, StateResponse, TaskMethod, UpdateTaskRequest,
    WaitRequest, WaitResponse,
};
use tare_spec_containerd::{Any, types, typeurl};
use tare_spec_oci::{Mount, Resources};

/// How long what was killed may take to end.
const KILLED: Duration = Duration::from_secs(10);
/// The longest record of an end that is read.
const LONGEST: usize = 64 * 1024;

/// The container to make.
#[derive(Clone, Debug)]
pub struct CreateRequest {
    /// The container's id.
    pub id: String,
    /// The folder with its `config.json`.
    pub bundle: PathBuf,
    /// What makes the container's root, in order, e.g. one overlay; empty: `root.path` of the configuration.
    pub rootfs: Vec<Mount>,
    /// Who is to make it; absent: the library in the supervisor.
    pub maker: Option<Maker>,
    /// It has a terminal.
    pub terminal: bool,
    /// The container's stdin is the client's, until its end; otherwise it is empty.
    pub stdin_open: bool,
    /// Where its outputs are kept (`docs/design/logs.md`), in place of a client that reads them.
    pub log: Option<String>,
    /// Where a client that reads them writes them down too, in docker's form.
    pub copy: Option<PathBuf>,
    /// What happens to the container when the connection that made it ends without a word.
    pub on_hangup: Hangup,
    /// The command that cleans up when no client does: program and arguments.
    pub reap: Vec<String>,
    /// How its health is looked after.
    pub health: Option<HealthPlan>,
}

/// A container whose process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    /// The process id of its first process, in the supervisor's pid namespace.
    pub pid: u32,
}

impl Connection {
    /// Makes the container and starts its process; from now on we are the keeper of the pod. Where this fails, nothing of the
    /// container is left.
    ///
    /// # Errors
    /// The supervisor's, as if it had happened in this process: `CommandNotFound`, `CommandNotExecutable` ...
    pub fn create(&mut self, request: CreateRequest) -> Result<Created> {
        self.keep(KeepRequest {
            reap: request.reap,
            kill: request.on_hangup == Hangup::Kill,
            container: self.member(),
        })?;
        if let Some(plan) = &request.health {
            self.plan_health(plan)?;
        }
        let id = request.id;
        let folder = self.pod.path();
        match &request.log {
            Some(_) if request.stdin_open => Fifos::make_stdin(folder)?,
            Some(_) => {}
            None => {
                let fifos = Fifos::make(folder, request.terminal, request.stdin_open)?;
                self.wires = Some(Wires::Fifos(fifos));
            }
        }
        self.copy = request.copy;
        let log = request.log.as_ref();
        let output = |entry| log.cloned().unwrap_or_else(|| fifos::name(folder, entry));
        let create = CreateTaskRequest {
            id: id.clone(),
            bundle: request.bundle.to_string_lossy().into_owned(),
            rootfs: request.rootfs.into_iter().map(mount).collect(),
            terminal: request.terminal,
            stdin: fifos::name(folder, Entry::Stdin),
            stdout: output(Entry::Stdout),
            stderr: match request.terminal {
                true => String::new(),
                false => output(Entry::Stderr),
            },
            options: request.maker.as_ref().map(options),
            ..CreateTaskRequest::default()
        };
        let made = self.ask::<CreateTaskResponse>(TaskMethod::Create, &create);
        made.map_err(of_its_kind)?;
        if request.log.is_some() && request.on_hangup == Hangup::Kill {
            // Before it says anything.
            match Wires::of_log(&self.pod, &id, true) {
                Ok(wires) => self.wires = Some(wires),
                Err(error) => {
                    return Err(match self.delete(&id, "") {
                        Ok(()) => error,
                        Err(also) => error.also(also),
                    });
                }
            }
        }
        let start = StartRequest {
            id: id.clone(),
            exec_id: String::new(),
        };
        let started: Result<StartResponse> = self.ask(TaskMethod::Start, &start);
        match started {
            Ok(started) => Ok(Created { pid: started.pid }),
            Err(error) => Err(match self.delete(&id, "") {
                Ok(()) => of_its_kind(error),
                Err(also) => error.also(also),
            }),
        }
    }

    /// Says how the container's health is looked after, once it runs.
    fn plan_health(&mut self, plan: &HealthPlan) -> Result<()> {
        let text = serde_json::to_string(plan).map_err(|e| {
            Error::new(Kind::Internal, "describe the health checks of", &plan.container).from_source(e)
        })?;
        self.call(SUPERVISOR, HEALTH, &text, None)
    }

    /// The container that we are about, where others have the same supervisor; empty where there are none.
    pub(super) fn member(&self) -> String {
        self.pod.member().unwrap_or_default().to_owned()
    }

    /// From now on we are the keeper of the pod, or of our container of it.
    pub(super) fn keep(&mut self, keep: KeepRequest) -> Result<()> {
        let kept = self.call(SUPERVISOR, KEEP, &keep, None);
        self.keep = keep;
        kept
    }

    /// Sends a signal to the container's first process.
    ///
    /// # Errors
    /// `NotFound` where it has ended; `Invalid` where there is no such signal.
    pub fn kill(&mut self, id: &str, signal: i32) -> Result<()> {
        self.ask(TaskMethod::Kill, &kill(id, "", signal, false))
    }

    /// Kills every process of the container.
    ///
    /// # Errors
    /// The supervisor's.
    pub fn kill_all(&mut self, id: &str) -> Result<()> {
        self.ask(TaskMethod::Kill, &kill(id, "", Signal::KILL.as_raw(), true))
    }

    /// How the container is, and its first process's id.
    ///
    /// # Errors
    /// `NotFound` where there is none of this id; `Unavailable` where the supervisor is gone.
    pub fn state(&mut self, id: &str) -> Result<(Condition, u32)> {
        self.state_while(id, || {})
    }

    /// The same, while the client does something else.
    ///
    /// # Errors
    /// As [`Connection::state`].
    pub fn state_while(&mut self, id: &str, meanwhile: impl FnOnce()) -> Result<(Condition, u32)> {
        let request = StateRequest {
            id: id.to_owned(),
            exec_id: String::new(),
        };
        let state: StateResponse = self.ask_while(TaskMethod::State, &request, meanwhile)?;
        Ok((state.status(), state.pid))
    }

    /// Stops every process of the container where it is.
    ///
    /// # Errors
    /// The supervisor's.
    pub fn pause(&mut self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.ask(TaskMethod::Pause, &PauseRequest { id })
    }

    /// Lets a container go on that is paused.
    ///
    /// # Errors
    /// The supervisor's.
    pub fn resume(&mut self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.ask(TaskMethod::Resume, &ResumeRequest { id })
    }

    /// Changes the container's limits; what is absent stays as it is.
    ///
    /// # Errors
    /// `NotFound` where it has ended; the kernel's where it refuses one.
    pub fn update(&mut self, id: &str, resources: &Resources) -> Result<()> {
        let text = serde_json::to_vec(resources)
            .map_err(|e| Error::new(Kind::Internal, "describe the limits of", id).from_source(e))?;
        let request = UpdateTaskRequest {
            id: id.to_owned(),
            resources: Some(Any::json(typeurl::LINUX_RESOURCES, text)),
            ..UpdateTaskRequest::default()
        };
        self.ask(TaskMethod::Update, &request)
    }

    /// Waits until the container has ended; its record.
    ///
    /// # Errors
    /// `Unavailable` where the supervisor dies; `Corrupt` where there is no record.
    pub fn wait(&mut self, id: &str) -> Result<Exit> {
        let answer: WaitResponse = self.ask(TaskMethod::Wait, &wait(id, ""))?;
        self.exit_or(id, &answer)
    }

    /// The record, or what the answer says: whoever keeps the pod may have removed it by now.
    fn exit_or(&self, id: &str, answer: &WaitResponse) -> Result<Exit> {
        match self.exit(id) {
            Err(e) if e.kind() == Kind::NotFound => Ok(Exit::told(answer)),
            exit => exit,
        }
    }

    /// The same, for a time; none where it runs still.
    ///
    /// # Errors
    /// As [`Connection::wait`].
    pub fn wait_for(&mut self, id: &str, time: Duration) -> Result<Option<Exit>> {
        let asked = Instant::now();
        let answer = self.ask_within::<WaitResponse>(TaskMethod::Wait, &wait(id, ""), Some(time));
        match answer {
            Ok(answer) => self.exit_or(id, &answer).map(Some),
            Err(e) if e.kind() == Kind::Unavailable && asked.elapsed() >= time => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Kills every process of the container and waits for its end; one that has ended is as it should be.
    ///
    /// # Errors
    /// As [`Connection::await_killed`], and where it cannot be killed.
    pub fn end(&mut self, id: &str) -> Result<Exit> {
        match self.kill_all(id) {
            Err(e) if !matches!(e.kind(), Kind::NotFound | Kind::Conflict) => return Err(e),
            _ => {}
        }
        self.await_killed(id)
    }

    /// Waits for the end of a container that was killed.
    ///
    /// # Errors
    /// `Conflict` with what holds it, where that waits in the kernel for a device or a file system; else as [`Connection::wait`].
    pub fn await_killed(&mut self, id: &str) -> Result<Exit> {
        if let Some(exit) = self.wait_for(id, KILLED)? {
            return Ok(exit);
        }
        // What cannot be deleted says why; it ends in this moment at the earliest.
        let request = DeleteRequest {
            id: id.to_owned(),
            exec_id: String::new(),
        };
        let deleted: DeleteResponse = self.ask(TaskMethod::Delete, &request)?;
        Ok(Exit::of_code(
            u8::try_from(deleted.exit_status).unwrap_or(u8::MAX),
        ))
    }

    /// The record of a container's end, which is written before anybody is told.
    pub(super) fn exit(&self, id: &str) -> Result<Exit> {
        let path = self.containers.join(id).join(EXIT_RECORD);
        let bytes = match tare_store::read(&path, LONGEST) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                tare_store::read(foreign_home(&self.containers).join(id).join(EXIT_RECORD), LONGEST)
            }
            bytes => bytes,
        };
        let bytes = bytes.op("read", path.display())?;
        serde_json::from_slice(&bytes)
            .map_err(|e| Error::new(Kind::Corrupt, "read", path.display()).from_source(e))
    }

    /// Removes a container that has ended, with its record, or what was executed in it.
    pub(super) fn delete(&mut self, id: &str, exec_id: &str) -> Result<()> {
        self.delete_while((id, exec_id), || {})
    }

    /// The same, while the client does something else.
    pub(super) fn delete_while(
        &mut self,
        (id, exec_id): (&str, &str),
        meanwhile: impl FnOnce(),
    ) -> Result<()> {
        let request = DeleteRequest {
            id: id.to_owned(),
            exec_id: exec_id.to_owned(),
        };
        match self.ask_while::<DeleteResponse>(TaskMethod::Delete, &request, meanwhile) {
            Err(e) if e.kind() != Kind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

/// The request for the end of a container.
pub(super) fn wait(id: &str, exec_id: &str) -> WaitRequest {
    WaitRequest {
        id: id.to_owned(),
        exec_id: exec_id.to_owned(),
    }
}

/// The request that sends a signal.
pub(super) fn kill(id: &str, exec_id: &str, signal: i32, all: bool) -> KillRequest {
    KillRequest {
        id: id.to_owned(),
        exec_id: exec_id.to_owned(),
        signal: signal.unsigned_abs(),
        all,
    }
}

/// A mount of the root, as the task service names it.
fn mount(mount: Mount) -> types::Mount {
    let target: &Path = mount.destination.strip_prefix("/").unwrap_or(&mount.destination);
    types::Mount {
        r#type: mount.kind.unwrap_or_default(),
        source: mount.source.unwrap_or_default().to_string_lossy().into_owned(),
        target: target.to_string_lossy().into_owned(),
        options: mount.options,
    }
}
