//! A connection to a supervisor: calls and their answers, and another one where the supervisor is gone.

use super::Launch;
use super::fifos::Wires;
use super::launch;
use crate::clock::wait_readable;
use crate::failure::{self, Failure};
use crate::own::KeepRequest;
use crate::pod::PodDir;
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Kind, Result};
use tare_spec_containerd::task::TaskMethod;
use tare_spec_containerd::{Message, Service};
use tare_ttrpc::{Client, Reply, Status};

/// What one read brings.
const READ: usize = 8192;

/// A connection to a supervisor.
#[derive(Debug)]
pub struct Connection {
    socket: UnixStream,
    client: Client,
    /// Answers to calls that nobody waited for when they came.
    replies: Vec<Reply>,
    child: Option<Child>,
    pub(super) pod: PodDir,
    pub(super) program: PathBuf,
    pub(super) containers: PathBuf,
    pub(super) keep: KeepRequest,
    pub(super) wires: Option<Wires>,
    /// Where its outputs are written down as they are read.
    pub(super) copy: Option<PathBuf>,
    /// What of that is missing.
    pub(super) unwritten: Option<(u64, Error)>,
    pub(super) missed: u64,
    pub(super) output_broken: bool,
}

impl Connection {
    pub(super) fn over(socket: UnixStream, child: Option<Child>, launch: &Launch<'_>) -> Connection {
        Connection {
            socket,
            client: Client::new(),
            replies: Vec::new(),
            child,
            pod: launch.pod.clone(),
            program: launch.program.to_owned(),
            containers: launch.containers.to_owned(),
            keep: KeepRequest::default(),
            wires: None,
            copy: None,
            unwritten: None,
            missed: 0,
            output_broken: false,
        }
    }

    /// Waits until the other side is gone: a connection ends with its supervisor's process.
    pub(super) fn await_end(&mut self, until: Instant) -> Result<()> {
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

    /// Waits for a supervisor that was our child, and ends by itself.
    pub(super) fn reap(&mut self) {
        if let Some(child) = self.child.as_mut() {
            let _ = child.wait();
        }
    }

    /// Starts a successor of a supervisor that was killed, and is the keeper of the pod again.
    pub(super) fn find_successor(&mut self) -> Result<()> {
        self.reap();
        let pod = self.pod.clone();
        let (program, containers) = (self.program.clone(), self.containers.clone());
        let launched = launch(&Launch {
            program: &program,
            pod: &pod,
            containers: &containers,
        });
        let mut found = match launched {
            Err(_) if !pod.path().is_dir() => {
                let why = "its container has ended, and was cleared away";
                return Err(self.broken(Kind::Unavailable, why));
            }
            launched => launched?,
        };
        found.wires = self.wires.take();
        found.copy = self.copy.take();
        let keep = std::mem::take(&mut self.keep);
        *self = found;
        match keep.reap.is_empty() {
            // Somebody else is its keeper.
            true => Ok(()),
            false => self.keep(keep),
        }
    }

    /// Asks the task service, and waits for the answer.
    pub(super) fn ask<A: Message + Default>(
        &mut self,
        method: TaskMethod,
        request: &impl Message,
    ) -> Result<A> {
        self.ask_within(method, request, None)
    }

    /// The same, and does something else meanwhile.
    pub(super) fn ask_while<A: Message + Default>(
        &mut self,
        method: TaskMethod,
        request: &impl Message,
        meanwhile: impl FnOnce(),
    ) -> Result<A> {
        let stream = self.request(method, request)?;
        self.flush()?;
        meanwhile();
        self.answer(stream, method.name())
    }

    /// Asks the task service, for a time: the supervisor says then that it is over.
    pub(super) fn ask_within<A: Message + Default>(
        &mut self,
        method: TaskMethod,
        request: &impl Message,
        time: Option<Duration>,
    ) -> Result<A> {
        self.call(Service::TaskV3.name(), method.name(), request, time)
    }

    pub(super) fn call<A: Message + Default>(
        &mut self,
        service: &str,
        method: &str,
        request: &impl Message,
        time: Option<Duration>,
    ) -> Result<A> {
        let stream = self.send(service, method, request, time)?;
        self.answer(stream, method)
    }

    /// Waits for the answer to a call that was made before.
    pub(super) fn answer<A: Message + Default>(&mut self, stream: u32, method: &str) -> Result<A> {
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
        self.send(Service::TaskV3.name(), method.name(), request, None)
    }

    fn send(
        &mut self,
        service: &str,
        method: &str,
        request: &impl Message,
        time: Option<Duration>,
    ) -> Result<u32> {
        let payload = request.encode_to_vec();
        self.client
            .call(service, method, &payload, time, Instant::now())
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

/// A failure of the supervisor's as it was there.
fn said(status: Status, method: &str) -> Error {
    let whole = status.detail.as_ref().and_then(Failure::of_detail);
    match whole {
        Some(failure) => failure::restore(failure),
        None => status.into_error("call", method),
    }
}
