//! Executing a process in a container that runs.

use super::attach::{Manner, Session};
use super::fifos::{self, Fifos, Wires};
use super::runtime::of_its_kind;
use super::{Attach, Connection, Keys};
use crate::pod::Entry;
use crate::signals::Signals;
use std::path::Path;
use std::time::{Duration, Instant};
use tare_error::{Error, Kind, Result};
use tare_spec_containerd::task::{ExecProcessRequest, StartRequest, StartResponse, TaskMethod};
use tare_spec_containerd::{Any, typeurl};
use tare_spec_oci::Process;

/// A log that nobody reads: what is on its way there can be looked at.
const NOWHERE: &str = "file:///dev/null";

/// A process to be executed.
#[derive(Clone, Debug)]
pub struct ExecRequest {
    /// The container's id.
    pub id: String,
    /// Its own, which no other of the container has.
    pub exec_id: String,
    /// What it is; `terminal` says whether it has one.
    pub process: Process,
    /// Its stdin is the client's, until its end; otherwise it is empty.
    pub stdin_open: bool,
    /// How long it may take; then it is killed, with all that it has started.
    pub timeout: Option<Duration>,
    /// How many bytes of each output are wanted; what comes after them is thrown away.
    pub most_output: Option<usize>,
}

/// How such a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The exit code as a shell has it; 255 where nobody knows.
    pub code: u8,
    /// It was killed for its time, or as nobody read its output.
    pub killed: bool,
    /// It wrote more than was wanted.
    pub cut: bool,
}

/// Where the client may do something of its own: the supervisor is at it meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The process was asked for.
    Asked,
    /// It has ended so, and is to be forgotten.
    Ended(Executed),
}

impl Connection {
    /// Executes a process and joins its streams with the client's until its end. Signals are not passed on; who dies leaves the
    /// process behind.
    ///
    /// # Errors
    /// `NotFound` where there is no such container, `Conflict` where it does not run; `CommandNotFound`, `CommandNotExecutable`
    /// and the like of its program.
    pub fn exec(&mut self, request: &ExecRequest, attach: &Attach<'_>) -> Result<Executed> {
        let left = self.exec_until(request, attach, &Manner::default(), |_| {})?;
        left.ok_or_else(|| Error::new(Kind::Internal, "wait for", &request.exec_id).because("nobody left it"))
    }

    /// The same, but for who may leave: nothing, where he has left a process that lives on. What the client has to do `meanwhile`
    /// it does at these moments.
    ///
    /// # Errors
    /// As [`Connection::exec`].
    pub fn exec_until(
        &mut self,
        request: &ExecRequest,
        attach: &Attach<'_>,
        manner: &Manner,
        mut meanwhile: impl FnMut(Moment),
    ) -> Result<Option<Executed>> {
        let folder = self.pod.make_exec(&request.exec_id)?;
        let names = (request.id.as_str(), request.exec_id.as_str());
        let may_leave = request.process.terminal && manner.keys != Keys::none();
        let wires = if may_leave {
            // What it says is taken by somebody else than us, who may leave, and thrown away.
            if request.stdin_open {
                Fifos::make_stdin(&folder)?;
            }
            self.start_exec(request, Some(&folder), NOWHERE, &mut meanwhile)?;
            Wires::of_exec(&self.pod, names, &folder)?
        } else {
            let fifos = Fifos::make(&folder, request.process.terminal, request.stdin_open)?;
            self.start_exec(request, Some(&folder), "", &mut meanwhile)?;
            Wires::Fifos(fifos)
        };
        let joined = (attach, manner);
        let mut session = Session::join(names, wires, Signals::of_terminal()?, joined, request.most_output)?;
        session.until = request.timeout.map(|timeout| Instant::now() + timeout);
        let code = session.run(self)?;
        if session.has_left() {
            return Ok(None);
        }
        let outputs = std::iter::once(&session.stdout).chain(&session.stderr);
        let executed = Executed {
            code,
            killed: session.killed,
            cut: outputs.into_iter().any(|output| output.cut),
        };
        drop(session);
        self.delete_while(names, || meanwhile(Moment::Ended(executed)))?;
        Ok(Some(executed))
    }

    /// Executes a process that nobody waits for and whose streams lead nowhere; its process id. For `meanwhile` see
    /// [`Connection::exec_until`].
    ///
    /// # Errors
    /// As [`Connection::exec`].
    pub fn exec_detached(&mut self, request: &ExecRequest, meanwhile: impl FnMut(Moment)) -> Result<u32> {
        self.start_exec(request, None, "", meanwhile)
    }

    fn start_exec(
        &mut self,
        request: &ExecRequest,
        folder: Option<&Path>,
        log: &str,
        mut meanwhile: impl FnMut(Moment),
    ) -> Result<u32> {
        let name = |entry| {
            folder
                .map(|folder| fifos::name(folder, entry))
                .unwrap_or_default()
        };
        let process = serde_json::to_vec(&request.process)
            .map_err(|e| Error::new(Kind::Internal, "describe", &request.exec_id).from_source(e))?;
        let exec = ExecProcessRequest {
            id: request.id.clone(),
            exec_id: request.exec_id.clone(),
            terminal: request.process.terminal,
            stdin: name(Entry::Stdin),
            stdout: match log {
                "" => name(Entry::Stdout),
                log => log.to_owned(),
            },
            stderr: name(Entry::Stderr),
            spec: Some(Any::json(typeurl::PROCESS, process)),
        };
        let start = StartRequest {
            id: request.id.clone(),
            exec_id: request.exec_id.clone(),
        };
        // One after the other, and neither is waited for before both are told: the second is refused where the first was.
        let adding = self.request(TaskMethod::Exec, &exec)?;
        let starting = self.request(TaskMethod::Start, &start)?;
        self.flush()?;
        meanwhile(Moment::Asked);
        let added: Result<()> = self.answer(adding, TaskMethod::Exec.name());
        let started: Result<StartResponse> = self.answer(starting, TaskMethod::Start.name());
        match added.and(started) {
            Ok(started) => Ok(started.pid),
            Err(error) => Err(match self.delete(&request.id, &request.exec_id) {
                Ok(()) => of_its_kind(error),
                Err(also) => error.also(also),
            }),
        }
    }
}
