//! The foreground: the client's streams, terminal and signals joined with the container's until its end.

use super::connection::Connection;
use super::raw::{self, Raw};
use super::relay::{Sink, Source};
use crate::protocol::{Call, Credit, Exit, FrameKind, Received, Reply, Stream, WindowSize};
use crate::signals::Signals;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::process::Signal;
use tare_error::{Context, Error, Kind, Result};

/// How often `INT` or `TERM` is passed on before the container is killed instead.
const PATIENCE: u32 = 3;

/// What a container's streams are joined with.
#[derive(Clone, Copy, Debug)]
pub struct Attach<'a> {
    /// Read until its end, which ends the container's stdin; `None` where the container has no stdin open.
    pub stdin: Option<BorrowedFd<'a>>,
    /// Gets the container's stdout; with a terminal, all its output.
    pub stdout: BorrowedFd<'a>,
    /// Gets the container's stderr.
    pub stderr: BorrowedFd<'a>,
    /// The container runs on a terminal and `stdin` is one: it becomes raw, and its size is the container's.
    pub terminal: bool,
}

impl Connection {
    /// Relays streams, signals and terminal sizes until the container has ended and its last byte is written.
    ///
    /// Signals are blocked in the calling thread meanwhile and passed on: all that docker's `--sig-proxy` passes on.
    /// Other threads must not exist or block them too, else the kernel may hand a signal to them. The third `INT` or
    /// `TERM` kills the container. Where nobody reads `stdout` any more (`EPIPE`), the container is killed: it would
    /// otherwise run on for nobody, as its own first process ignores `SIGPIPE`; see [`Connection::output_broken`].
    ///
    /// # Errors
    /// `Unavailable` where the supervisor dies: [`PodDir`](crate::PodDir) then knows more.
    pub fn attach(&mut self, attach: &Attach<'_>) -> Result<Exit> {
        let signals = Signals::proxied()?;
        let raw = match attach.stdin.filter(|_| attach.terminal) {
            Some(terminal) => Some(Raw::enter(terminal)?),
            None => None,
        };
        self.call(Call::Attach)?;
        let mut session = Session {
            signals,
            raw,
            terminal: attach.terminal.then_some(attach.stdout),
            source: attach.stdin.map(Source::new),
            stdout: Sink::new(attach.stdout, Stream::Stdout),
            stderr: Sink::new(attach.stderr, Stream::Stderr),
            buffer: Vec::new(),
            size: None,
            asked_to_end: 0,
            killed: false,
        };
        session.resize(self);
        let exit = session.run(self);
        self.output_broken = session.stdout.broken;
        exit
    }

    /// Whether an [`Connection::attach`] ended because nobody read `stdout` any more.
    pub fn output_broken(&self) -> bool {
        self.output_broken
    }
}

/// One attached foreground.
struct Session<'a> {
    signals: Signals,
    raw: Option<Raw>,
    terminal: Option<BorrowedFd<'a>>,
    source: Option<Source<'a>>,
    stdout: Sink<'a>,
    stderr: Sink<'a>,
    buffer: Vec<u8>,
    size: Option<WindowSize>,
    asked_to_end: u32,
    killed: bool,
}

/// What a poll looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Wire,
    Signals,
    Stdin,
    Stdout,
    Stderr,
}

impl<'a> Session<'a> {
    fn run(&mut self, connection: &mut Connection) -> Result<Exit> {
        loop {
            while let Some(frame) = connection.wire.receive().map_err(|m| connection.malformed(m))? {
                self.take(connection, &frame)?;
            }
            self.grant(connection);
            if let Some(exit) = self.done(connection) {
                return Ok(exit);
            }
            match connection.wire.flush() {
                // What it still had to say is read before its end counts.
                Ok(()) | Err(Errno::PIPE | Errno::CONNRESET) => {}
                Err(e) => return Err(e).op("write to", "the supervisor"),
            }
            for watched in self.wait(connection)? {
                self.act(connection, watched)?;
            }
        }
    }

    /// The container has ended, and everything it wrote is written.
    fn done(&self, connection: &mut Connection) -> Option<Exit> {
        let written = self.stdout.is_empty() && self.stderr.is_empty();
        if written { connection.exit.take() } else { None }
    }

    /// Waits until something can be done.
    fn wait(&self, connection: &Connection) -> Result<Vec<Watched>> {
        let mut wire = PollFlags::IN;
        if connection.wire.unsent() > 0 {
            wire |= PollFlags::OUT;
        }
        let mut watched = vec![
            (Watched::Wire, connection.wire.as_fd(), wire),
            (Watched::Signals, self.signals.as_fd(), PollFlags::IN),
        ];
        // After its end nothing more comes over the wire, and the end itself would wake us for ever.
        if connection.exit.is_some() {
            watched.remove(0);
        }
        let source = self.source.as_ref().and_then(Source::wanted);
        let streams = [
            (Watched::Stdin, source),
            (Watched::Stdout, self.stdout.wanted()),
            (Watched::Stderr, self.stderr.wanted()),
        ];
        for (what, wanted) in streams {
            watched.extend(wanted.map(|(fd, flags)| (what, fd, flags)));
        }
        let mut polled: Vec<_> = watched
            .iter()
            .map(|(_, fd, flags)| PollFd::new(fd, *flags))
            .collect();
        match poll(&mut polled, None) {
            Err(Errno::INTR) => return Ok(Vec::new()),
            other => other.op("wait for", "the container")?,
        };
        let ready = polled.iter().map(|fd| !fd.revents().is_empty());
        let ready = ready.zip(&watched).filter(|(ready, _)| *ready);
        Ok(ready.map(|(_, (what, _, _))| *what).collect())
    }

    fn act(&mut self, connection: &mut Connection, watched: Watched) -> Result<()> {
        match watched {
            Watched::Wire => return connection.fill(),
            Watched::Signals => self.pass_on_signals(connection),
            Watched::Stdin => self.pass_on_stdin(connection),
            Watched::Stdout => self.stdout.write(),
            Watched::Stderr => self.stderr.write(),
        }
        if self.stdout.broken && !self.killed {
            self.kill(connection);
        }
        Ok(())
    }

    fn take(&mut self, connection: &mut Connection, frame: &Received) -> Result<()> {
        let stream = match frame.kind {
            FrameKind::Data(stream) => stream,
            FrameKind::Notice => return connection.note(frame),
            FrameKind::Credit => {
                let payload = connection.wire.payload(frame);
                let credit = Credit::parse(payload).map_err(|m| connection.malformed(m))?;
                if let Some(source) = self.source.as_mut().filter(|_| credit.stream == Stream::Stdin) {
                    source.grant(credit.bytes);
                }
                return Ok(());
            }
            FrameKind::Reply => {
                // A signal that came too late, a size of a terminal that is gone: the exit says all there is to say.
                let _: Reply = connection.read(frame)?;
                return Ok(());
            }
            FrameKind::Hello | FrameKind::Request => return Ok(()),
        };
        let sink = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
            Stream::Stdin => return Ok(()),
        };
        if sink.push(connection.wire.payload(frame)) {
            return Ok(());
        }
        Err(Error::new(Kind::Corrupt, "relay", "the container's output")
            .because("the supervisor sends more than it may"))
    }

    fn grant(&mut self, connection: &mut Connection) {
        for sink in [&mut self.stdout, &mut self.stderr] {
            if let Some(bytes) = sink.credit() {
                let stream = sink.stream;
                connection.wire.send_credit(Credit { stream, bytes });
            }
        }
    }

    fn pass_on_stdin(&mut self, connection: &mut Connection) {
        let Some(source) = self.source.as_mut() else {
            return;
        };
        if source.read(&mut self.buffer).is_some() {
            let kind = FrameKind::Data(Stream::Stdin);
            connection.wire.send(kind, &self.buffer);
        }
    }

    fn pass_on_signals(&mut self, connection: &mut Connection) {
        while let Some(signal) = self.signals.next() {
            if signal == Signal::WINCH.as_raw() && self.terminal.is_some() {
                self.resize(connection);
                continue;
            }
            if let Some(raw) = self.raw.as_ref().filter(|_| signal == Signal::CONT.as_raw()) {
                raw.again();
                self.resize(connection);
            }
            if signal == Signal::INT.as_raw() || signal == Signal::TERM.as_raw() {
                self.asked_to_end += 1;
            }
            if self.asked_to_end >= PATIENCE {
                self.kill(connection);
            } else {
                connection.request(Call::Kill { signal, all: false });
            }
        }
    }

    fn kill(&mut self, connection: &mut Connection) {
        if !self.killed {
            let signal = Signal::KILL.as_raw();
            connection.request(Call::Kill { signal, all: true });
            self.killed = true;
        }
    }

    fn resize(&mut self, connection: &mut Connection) {
        let size = self.terminal.and_then(raw::size);
        if let Some(size) = size.filter(|_| size != self.size) {
            connection.request(Call::Resize(size));
            self.size = Some(size);
        }
    }
}
