//! A connection to a supervisor: greeting, calls and their replies.

use crate::pod::{Entry, PodDir};
use crate::protocol::{
    Answer, Call, CreateRequest, Exit, FrameKind, Hello, Malformed, Notice, Received, Reply, Request, State,
    VERSION, Wire, restore,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use serde::de::DeserializeOwned;
use std::process::Child;
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Kind, Result};

/// How long a supervisor may take to come to itself.
const BIRTH: Duration = Duration::from_secs(20);
/// How long a supervisor may take to leave after it was told that nothing is left to do.
const LEAVING: Duration = Duration::from_secs(10);

/// A connection to a supervisor that has greeted.
#[derive(Debug)]
pub struct Connection {
    pub(super) wire: Wire,
    pub(super) exit: Option<Exit>,
    pub(super) warnings: Vec<String>,
    pub(super) output_broken: bool,
    child: Option<Child>,
    pod: PodDir,
    last_id: u32,
}

/// A container whose process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    /// The process id of its first process.
    pub pid: i32,
}

impl Connection {
    /// Connects to the supervisor that already looks after a pod, as a further client: it can ask and signal.
    ///
    /// # Errors
    /// `NotFound` or `Unavailable` where none listens; what the supervisor says against us.
    pub fn open(pod: &PodDir) -> Result<Connection> {
        let path = pod.file(Entry::Socket);
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .op("make a socket for", path.display())?;
        // A socket's address holds 108 bytes; the directory's handle makes any path short enough.
        let dir = std::fs::File::open(pod.path()).op("open the pod's folder", pod.path().display())?;
        let short = format!("/proc/self/fd/{}/sock", std::os::fd::AsRawFd::as_raw_fd(&dir));
        let address = SocketAddrUnix::new(short).op("name", path.display())?;
        rustix::net::connect(&socket, &address).op("connect to the supervisor at", path.display())?;
        Connection::greet(socket, None, pod.clone())
    }

    pub(super) fn greet(socket: OwnedFd, child: Option<Child>, pod: PodDir) -> Result<Connection> {
        let mut connection = Connection {
            wire: Wire::new(socket),
            exit: None,
            warnings: Vec::new(),
            output_broken: false,
            child,
            pod,
            last_id: 0,
        };
        let hello = Hello {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            warnings: Vec::new(),
        };
        connection.wire.send_message(FrameKind::Hello, &hello);
        let frame = connection.await_frame(Some(Instant::now() + BIRTH))?;
        match frame.kind {
            FrameKind::Hello => {
                let hello: Hello = connection.read(&frame)?;
                if hello.version != VERSION {
                    let reason = format!("it speaks version {}, this program {VERSION}", hello.version);
                    return Err(connection.broken(Kind::Unsupported, reason));
                }
                connection.warnings = hello.warnings;
                connection.wire.trust();
                Ok(connection)
            }
            FrameKind::Reply => match connection.read::<Reply>(&frame)?.outcome {
                Err(failure) => Err(restore(failure)),
                Ok(_) => Err(connection.broken(Kind::Corrupt, "it replied before it greeted")),
            },
            _ => Err(connection.broken(Kind::Corrupt, "it spoke before it greeted")),
        }
    }

    /// What the supervisor found less than perfect so far, one sentence each; empties the list.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Makes the container and starts its process. Where this fails, nothing of the container is left.
    ///
    /// # Errors
    /// The supervisor's, as if it had happened in this process: `CommandNotFound`, `CommandNotExecutable` ...
    pub fn create(&mut self, request: CreateRequest) -> Result<Created> {
        let id = request.id.clone();
        match self.call(Call::Create(Box::new(request)))? {
            Answer::Created { pid } => Ok(Created { pid }),
            other => Err(self.unexpected("create", &id, &other)),
        }
    }

    /// Sends a signal to the container's first process.
    ///
    /// # Errors
    /// `NotFound` where it has ended; `Invalid` where there is no such signal.
    pub fn kill(&mut self, signal: i32) -> Result<()> {
        self.call(Call::Kill { signal, all: false }).map(drop)
    }

    /// Kills every process of the container.
    ///
    /// # Errors
    /// The supervisor's.
    pub fn kill_all(&mut self) -> Result<()> {
        let signal = Signal::KILL.as_raw();
        self.call(Call::Kill { signal, all: true }).map(drop)
    }

    /// How the container is.
    ///
    /// # Errors
    /// `Unavailable` where the supervisor is gone.
    pub fn state(&mut self) -> Result<State> {
        match self.call(Call::State)? {
            Answer::State(state) => Ok(state),
            other => Err(self.unexpected("ask", "state", &other)),
        }
    }

    /// Says that the caller has cleaned up after the container, and waits until the supervisor has left.
    ///
    /// # Errors
    /// `Conflict` where the container runs; `Unavailable` where the supervisor does not leave in time, or was gone
    /// before it heard us: then [`PodDir::end_orphan`] is what cleans up.
    pub fn finish(mut self) -> Result<()> {
        self.call(Call::Reaped)?;
        let until = Instant::now() + LEAVING;
        loop {
            match self.await_frame(Some(until)) {
                Ok(_) => {}
                Err(_) if Instant::now() < until => break,
                Err(e) => return Err(e),
            }
        }
        self.collect(until)
    }

    /// Takes the exit status of a supervisor that was our child, so that no zombie stays.
    fn collect(&mut self, until: Instant) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        if child
            .try_wait()
            .op("wait for the supervisor", child.id())?
            .is_some()
        {
            return Ok(());
        }
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let handle =
                pidfd_open(pid, PidfdFlags::empty()).op("open a handle on the supervisor", child.id())?;
            if !wait_readable(&handle, Some(until)).op("wait for the supervisor", child.id())? {
                return Err(self.broken(Kind::Unavailable, "it does not leave"));
            }
        }
        child.wait().op("wait for the supervisor", child.id()).map(drop)
    }

    /// Sends a request and waits for its reply; what else arrives meanwhile is kept.
    pub(super) fn call(&mut self, call: Call) -> Result<Answer> {
        let id = self.request(call);
        loop {
            let frame = self.await_frame(None)?;
            match frame.kind {
                FrameKind::Reply => {
                    let reply: Reply = self.read(&frame)?;
                    if reply.id == id || reply.id == 0 {
                        return reply.outcome.map_err(restore);
                    }
                }
                FrameKind::Notice => self.note(&frame)?,
                FrameKind::Hello | FrameKind::Request | FrameKind::Credit | FrameKind::Data(_) => {}
            }
        }
    }

    /// Sends a request without waiting.
    pub(super) fn request(&mut self, call: Call) -> u32 {
        self.last_id += 1;
        let id = self.last_id;
        self.wire.send_message(FrameKind::Request, &Request { id, call });
        id
    }

    /// Keeps what the supervisor says unasked.
    pub(super) fn note(&mut self, frame: &Received) -> Result<()> {
        match self.read(frame)? {
            Notice::Exited(exit) => self.exit = Some(exit),
            Notice::Warning(text) => self.warnings.push(text),
        }
        Ok(())
    }

    pub(super) fn read<T: DeserializeOwned>(&self, frame: &Received) -> Result<T> {
        serde_json::from_slice(self.wire.payload(frame)).map_err(|e| {
            let what = format!("{:?} of the supervisor", frame.kind);
            Error::new(Kind::Corrupt, "read", what).from_source(e)
        })
    }

    /// Waits for a whole frame, sending what is to be sent meanwhile.
    fn await_frame(&mut self, until: Option<Instant>) -> Result<Received> {
        loop {
            if let Some(frame) = self.wire.receive().map_err(|m| self.malformed(m))? {
                return Ok(frame);
            }
            match self.wire.flush() {
                Ok(()) | Err(Errno::PIPE | Errno::CONNRESET) => {}
                Err(e) => return Err(e).op("write to the supervisor of", self.pod.path().display()),
            }
            let mut wanted = PollFlags::IN;
            if self.wire.unsent() > 0 {
                wanted |= PollFlags::OUT;
            }
            let ready = poll_one(&self.wire, wanted, until)
                .op("wait for the supervisor of", self.pod.path().display())?;
            if !ready {
                return Err(self.broken(Kind::Unavailable, "it does not answer"));
            }
            self.fill()?;
        }
    }

    /// Reads what has arrived; the end of the connection is an error.
    pub(super) fn fill(&mut self) -> Result<()> {
        match self.wire.fill() {
            Ok(crate::protocol::Filled::Closed) => Err(self.vanished()),
            Ok(_) => Ok(()),
            Err(e) => Err(e).op("read from the supervisor of", self.pod.path().display()),
        }
    }

    pub(super) fn malformed(&self, malformed: Malformed) -> Error {
        self.broken(Kind::Corrupt, malformed)
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

    fn unexpected(&self, operation: &'static str, subject: &str, answer: &Answer) -> Error {
        Error::new(Kind::Corrupt, operation, subject).because(format!("the supervisor answered {answer:?}"))
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

/// Waits for one descriptor; `false` where the time is over.
pub(crate) fn wait_readable(fd: impl AsFd, until: Option<Instant>) -> rustix::io::Result<bool> {
    poll_one(fd, PollFlags::IN, until)
}

fn poll_one(fd: impl AsFd, wanted: PollFlags, until: Option<Instant>) -> rustix::io::Result<bool> {
    loop {
        let left = until.map(|until| timespec(until.saturating_duration_since(Instant::now())));
        match poll(&mut [PollFd::new(&fd, wanted)], left.as_ref()) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
}

/// A duration as the kernel takes it.
pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
