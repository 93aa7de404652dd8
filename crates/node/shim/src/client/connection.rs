//! A connection to a supervisor: calls and their answers, in the words of containerd's task service and of our own.

use super::Launch;
use super::fifos::{self, Fifos};
use super::launch;
use crate::clock::wait_readable;
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::own::{Hangup, KEEP, KeepRequest, SUPERVISOR};
use crate::pod::{Entry, PodDir};
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Kind, Result};
use tare_spec_containerd::process::Status as Condition;
use tare_spec_containerd::task::{
    CreateTaskRequest, CreateTaskResponse, DeleteRequest, DeleteResponse, KillRequest, ShutdownRequest,
    StartRequest, StartResponse, StateRequest, StateResponse, TaskMethod, WaitRequest, WaitResponse,
};
use tare_spec_containerd::{Message, Service, types};
use tare_spec_oci::Mount;
use tare_ttrpc::{Client, Reply, Status};

/// How long a supervisor may take to leave after it was told that nothing is left to do.
const LEAVING: Duration = Duration::from_secs(10);
/// What one read brings.
const READ: usize = 8192;
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
    /// It has a terminal.
    pub terminal: bool,
    /// The container's stdin is the client's, until its end; otherwise it is empty.
    pub stdin_open: bool,
    /// What happens to the container when the connection that made it ends without a word.
    pub on_hangup: Hangup,
    /// The command that cleans up when no client does: program and arguments.
    pub reap: Vec<String>,
}

/// A container whose process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    /// The process id of its first process, in the supervisor's pid namespace.
    pub pid: u32,
}

/// A connection to a supervisor.
#[derive(Debug)]
pub struct Connection {
    socket: UnixStream,
    client: Client,
    /// Answers to calls that nobody waited for when they came.
    replies: Vec<Reply>,
    child: Option<Child>,
    pod: PodDir,
    program: PathBuf,
    containers: PathBuf,
    keep: KeepRequest,
    pub(super) fifos: Option<Fifos>,
    pub(super) output_broken: bool,
}

impl Connection {
    pub(super) fn over(socket: UnixStream, child: Option<Child>, launch: &Launch<'_>) -> Result<Connection> {
        Ok(Connection {
            socket,
            client: Client::new(),
            replies: Vec::new(),
            child,
            pod: launch.pod.clone(),
            program: launch.program.to_owned(),
            containers: launch.containers.to_owned(),
            keep: KeepRequest::default(),
            fifos: None,
            output_broken: false,
        })
    }

    /// Makes the container and starts its process; from now on we are the keeper of the pod. Where this fails, nothing of the
    /// container is left.
    ///
    /// # Errors
    /// The supervisor's, as if it had happened in this process: `CommandNotFound`, `CommandNotExecutable` ...
    pub fn create(&mut self, request: CreateRequest) -> Result<Created> {
        self.keep(KeepRequest {
            reap: request.reap,
            kill: request.on_hangup == Hangup::Kill,
        })?;
        let id = request.id;
        self.fifos = Some(Fifos::make(&self.pod, request.terminal, request.stdin_open)?);
        let create = CreateTaskRequest {
            id: id.clone(),
            bundle: request.bundle.to_string_lossy().into_owned(),
            rootfs: request.rootfs.into_iter().map(mount).collect(),
            terminal: request.terminal,
            stdin: fifos::name(&self.pod, Entry::Stdin),
            stdout: fifos::name(&self.pod, Entry::Stdout),
            stderr: fifos::name(&self.pod, Entry::Stderr),
            ..CreateTaskRequest::default()
        };
        let _: CreateTaskResponse = self.ask(TaskMethod::Create, &create)?;
        let start = StartRequest {
            id: id.clone(),
            exec_id: String::new(),
        };
        let started: Result<StartResponse> = self.ask(TaskMethod::Start, &start);
        match started {
            Ok(started) => Ok(Created { pid: started.pid }),
            Err(error) => Err(match self.delete(&id) {
                Ok(()) => error,
                Err(also) => error.also(also),
            }),
        }
    }

    /// From now on we are the keeper of the pod.
    pub(super) fn keep(&mut self, keep: KeepRequest) -> Result<()> {
        let kept = self.call(SUPERVISOR, KEEP, &keep);
        self.keep = keep;
        kept
    }

    /// Sends a signal to the container's first process.
    ///
    /// # Errors
    /// `NotFound` where it has ended; `Invalid` where there is no such signal.
    pub fn kill(&mut self, id: &str, signal: i32) -> Result<()> {
        self.ask(TaskMethod::Kill, &kill(id, signal, false))
    }

    /// Kills every process of the container.
    ///
    /// # Errors
    /// The supervisor's.
    pub fn kill_all(&mut self, id: &str) -> Result<()> {
        self.ask(TaskMethod::Kill, &kill(id, Signal::KILL.as_raw(), true))
    }

    /// How the container is.
    ///
    /// # Errors
    /// `NotFound` where there is none of this id; `Unavailable` where the supervisor is gone.
    pub fn state(&mut self, id: &str) -> Result<Condition> {
        let request = StateRequest {
            id: id.to_owned(),
            exec_id: String::new(),
        };
        let state: StateResponse = self.ask(TaskMethod::State, &request)?;
        Ok(state.status())
    }

    /// Waits until the container has ended; its record.
    ///
    /// # Errors
    /// `Unavailable` where the supervisor dies; `Corrupt` where there is no record.
    pub fn wait(&mut self, id: &str) -> Result<Exit> {
        let _: WaitResponse = self.ask(TaskMethod::Wait, &wait(id))?;
        self.exit(id)
    }

    /// The record of a container's end, which is written before anybody is told.
    pub(super) fn exit(&self, id: &str) -> Result<Exit> {
        let path = self.containers.join(id).join(crate::task::EXIT_RECORD);
        let bytes = tare_store::read(&path, LONGEST).op("read", path.display())?;
        serde_json::from_slice(&bytes)
            .map_err(|e| Error::new(Kind::Corrupt, "read", path.display()).from_source(e))
    }

    /// Removes a container that has ended, with its record.
    pub(super) fn delete(&mut self, id: &str) -> Result<()> {
        let request = DeleteRequest {
            id: id.to_owned(),
            exec_id: String::new(),
        };
        match self.ask::<DeleteResponse>(TaskMethod::Delete, &request) {
            Err(e) if e.kind() != Kind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// Says that the caller has cleaned up after the container, and waits until the supervisor has left.
    ///
    /// # Errors
    /// `Conflict` where the container runs; `Unavailable` where the supervisor does not leave in time, or was gone before it
    /// heard us: then [`end`](super::end()) is what cleans up.
    pub fn finish(mut self, id: &str) -> Result<()> {
        self.delete(id)?;
        let request = ShutdownRequest {
            id: id.to_owned(),
            now: false,
        };
        match self.ask(TaskMethod::Shutdown, &request) {
            // It may have seen by itself that nothing is left to do.
            Err(e) if e.kind() != Kind::Unavailable => return Err(e),
            Ok(()) | Err(_) => {}
        }
        self.await_end(Instant::now() + LEAVING)
    }

    /// Waits until the other side is gone: a connection ends with its supervisor's process.
    fn await_end(&mut self, until: Instant) -> Result<()> {
        while wait_readable(&self.socket, Some(until))
            .op("wait for the supervisor of", self.pod.path().display())?
        {
            if !self.receive()? {
                return self.collect(until);
            }
        }
        Err(self.broken(Kind::Unavailable, "it does not leave"))
    }

    /// Takes the exit status of a supervisor that was our child, so that no zombie stays.
    fn collect(&mut self, until: Instant) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some(handle) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            && !wait_readable(&handle, Some(until)).op("wait for the supervisor", child.id())?
        {
            return Err(self.broken(Kind::Unavailable, "it does not leave"));
        }
        child.wait().op("wait for the supervisor", child.id()).map(drop)
    }

    /// Starts a successor of a supervisor that was killed, and is the keeper of the pod again.
    pub(super) fn find_successor(&mut self) -> Result<()> {
        if let Some(child) = self.child.as_mut() {
            let _ = child.wait();
        }
        let pod = self.pod.clone();
        let (program, containers) = (self.program.clone(), self.containers.clone());
        let mut found = launch(&Launch {
            program: &program,
            pod: &pod,
            containers: &containers,
        })?;
        found.fifos = self.fifos.take();
        let keep = std::mem::take(&mut self.keep);
        *self = found;
        self.keep(keep)
    }

    /// Asks the task service, and waits for the answer.
    pub(super) fn ask<A: Message + Default>(
        &mut self,
        method: TaskMethod,
        request: &impl Message,
    ) -> Result<A> {
        self.call(Service::TaskV3.name(), method.name(), request)
    }

    fn call<A: Message + Default>(
        &mut self,
        service: &str,
        method: &str,
        request: &impl Message,
    ) -> Result<A> {
        let stream = self.send(service, method, request)?;
        let answer = loop {
            if let Some(at) = self.replies.iter().position(|reply| reply.stream == stream) {
                break self
                    .replies
                    .swap_remove(at)
                    .outcome
                    .map_err(|status| said(status, method))?;
            }
            self.flush()?;
            let mut flags = PollFlags::IN;
            if !self.client.output().is_empty() {
                flags |= PollFlags::OUT;
            }
            let mut polled = [rustix::event::PollFd::new(&self.socket, flags)];
            match rustix::event::poll(&mut polled, None) {
                Err(Errno::INTR) => continue,
                done => done.op("wait for the supervisor of", self.pod.path().display())?,
            };
            if !self.receive()? {
                return Err(self.vanished());
            }
        };
        A::decode(answer.as_slice())
            .map_err(|e| Error::new(Kind::Corrupt, "read the answer of", method).from_source(e))
    }

    /// Asks the task service without waiting; the call's number.
    pub(super) fn request(&mut self, method: TaskMethod, request: &impl Message) -> Result<u32> {
        self.send(Service::TaskV3.name(), method.name(), request)
    }

    fn send(&mut self, service: &str, method: &str, request: &impl Message) -> Result<u32> {
        let payload = request.encode_to_vec();
        self.client
            .call(service, method, &payload, None, Instant::now())
            .map_err(|status| said(status, method))
    }

    /// Whether there is something to be written.
    pub(super) fn has_output(&self) -> bool {
        !self.client.output().is_empty()
    }

    /// Writes what the socket takes. Where the other side is gone, what it still had to say is read before its end counts.
    pub(super) fn flush(&mut self) -> Result<()> {
        while self.has_output() {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match rustix::net::send(&self.socket, self.client.output(), flags) {
                Ok(count) => self.client.sent(count),
                Err(Errno::AGAIN | Errno::PIPE | Errno::CONNRESET) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(e) => return Err(e).op("write to the supervisor of", self.pod.path().display()),
            }
        }
        Ok(())
    }

    /// Reads once; false where the connection has ended.
    pub(super) fn receive(&mut self) -> Result<bool> {
        let mut room = [0; READ];
        let mut bytes = match rustix::net::recv(&self.socket, &mut room, RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::CONNRESET) => return Ok(false),
            Ok((count, _)) => room.get(..count).unwrap_or_default(),
            Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
            Err(e) => return Err(e).op("read from the supervisor of", self.pod.path().display()),
        };
        while let Some(reply) = self.client.next(&mut bytes) {
            self.replies.push(reply);
        }
        Ok(true)
    }

    /// The answers that have come and that nobody has asked for yet.
    pub(super) fn take_replies(&mut self) -> Vec<Reply> {
        std::mem::take(&mut self.replies)
    }

    /// The connection ended without a word.
    pub(super) fn vanished(&mut self) -> Error {
        let status = self
            .child
            .as_mut()
            .and_then(|child| child.try_wait().ok().flatten());
        match status {
            Some(status) => self.broken(Kind::Unavailable, format!("the supervisor ended ({status})")),
            None => self.broken(Kind::Unavailable, "the supervisor ended"),
        }
    }

    fn broken(&self, kind: Kind, reason: impl std::fmt::Display) -> Error {
        Error::new(kind, "talk to the supervisor of", self.pod.path().display()).because(reason)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Connection {
    /// Closing the socket is what tells the supervisor; a zombie that exists already is taken along.
    fn drop(&mut self) {
        if let Some(child) = self.child.as_mut() {
            let _ = child.try_wait();
        }
    }
}

/// The request for the end of a container.
pub(super) fn wait(id: &str) -> WaitRequest {
    WaitRequest {
        id: id.to_owned(),
        exec_id: String::new(),
    }
}

/// The request that sends a signal.
pub(super) fn kill(id: &str, signal: i32, all: bool) -> KillRequest {
    KillRequest {
        id: id.to_owned(),
        exec_id: String::new(),
        signal: signal.unsigned_abs(),
        all,
    }
}

/// A failure of the supervisor's as it was there.
fn said(status: Status, method: &str) -> Error {
    let whole = status.detail.as_ref().and_then(Failure::of_detail);
    match whole {
        Some(failure) => failure::restore(failure),
        None => status.into_error("call", method),
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
