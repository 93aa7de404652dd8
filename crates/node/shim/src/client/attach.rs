//! The foreground: the client's streams, terminal and signals joined with the container's until its end.

use super::Connection;
use super::container::{kill, wait};
use super::fifos::Wires;
use super::keys::Keys;
use super::raw::{self, Raw, Size};
use super::relay::{Input, Output};
use crate::clock::timespec;
use crate::exit::Exit;
use crate::own::KeepRequest;
use crate::signals::Signals;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::process::Signal;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Kind, Result};
use tare_logs::{Scribe, Stream, Target};
use tare_spec_containerd::Message;
use tare_spec_containerd::task::{CloseIoRequest, ResizePtyRequest, TaskMethod, WaitResponse};

/// How often `INT` or `TERM` is passed on before the container is killed instead.
const PATIENCE: u32 = 3;
/// How long after a container's end its streams may stay open without a word: somebody else has them.
const SILENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether an output has ended that tells no end, once the container has.
const LOOK: Duration = Duration::from_millis(3);
/// How often it is looked for more of such an output, should the kernel not say so (splice(2) does not before Linux 6.8).
const LOOK_SELDOM: Duration = Duration::from_millis(500);
/// How many supervisors of one container may die before it is given up.
const SUCCESSORS: u32 = 16;

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

/// How a client is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manner {
    /// Typed on its terminal, they part it from the container, which lives on.
    pub keys: Keys,
    /// Signals that come to it meanwhile are the container's.
    pub proxy: bool,
}

impl Default for Manner {
    /// It stays till the end, and passes signals on.
    fn default() -> Manner {
        let (keys, proxy) = (Keys::none(), true);
        Manner { keys, proxy }
    }
}

impl Manner {
    fn signals(&self) -> Result<Signals> {
        match self.proxy {
            true => Signals::proxied(),
            false => Signals::of_terminal(),
        }
    }
}

/// How the two were parted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parted {
    /// The container has ended.
    Ended(Exit),
    /// The keys were typed, or nobody reads its output any more: it lives on.
    Left,
}

impl Connection {
    /// Joins streams, signals and terminal sizes until the container has ended and its last byte is written. A supervisor
    /// that dies meanwhile gets a successor, by which the container lives on.
    ///
    /// Signals are blocked in the calling thread meanwhile and passed on: all that docker's `--sig-proxy` passes on.
    /// Other threads must not exist or block them too, else the kernel may hand a signal to them. The third `INT` or
    /// `TERM` kills the container. Where nobody reads `stdout` any more (`EPIPE`), the container is killed: it would
    /// otherwise run on for nobody, as its own first process ignores `SIGPIPE`; see [`Connection::output_broken`].
    ///
    /// # Errors
    /// `Conflict` where no container was made on this connection; `Unavailable` where no successor can be started.
    pub fn attach(&mut self, id: &str, attach: &Attach<'_>) -> Result<Exit> {
        match self.attach_until(id, attach, &Manner::default())? {
            Parted::Ended(exit) => Ok(exit),
            Parted::Left => self.wait(id),
        }
    }

    /// The same, but for who may leave.
    ///
    /// # Errors
    /// As [`Connection::attach`].
    pub fn attach_until(&mut self, id: &str, attach: &Attach<'_>, manner: &Manner) -> Result<Parted> {
        let Some(wires) = self.wires.take() else {
            return Err(Error::new(Kind::Conflict, "attach to", id).because("it was not made here"));
        };
        let scribe = match self.copy.take() {
            Some(path) => Some(Scribe::open(path.clone(), Target::json_file(path).cap)?),
            None => None,
        };
        let scribe = scribe.map(|scribe| Rc::new(RefCell::new(scribe)));
        let mut session = Session::join((id, ""), wires, manner.signals()?, (attach, manner), None)?;
        session.stdout.copy = scribe.clone().map(|scribe| (scribe, Stream::Stdout));
        if let Some(stderr) = &mut session.stderr {
            stderr.copy = scribe.clone().map(|scribe| (scribe, Stream::Stderr));
        }
        let ended = session.run(self);
        session.stdout.copy = None;
        if let Some(stderr) = &mut session.stderr {
            stderr.copy = None;
        }
        self.unwritten = scribe
            .and_then(Rc::into_inner)
            .and_then(|scribe| scribe.into_inner().end());
        self.output_broken = session.stdout.broken;
        self.missed = session.missed();
        ended?;
        match session.has_left() {
            true => Ok(Parted::Left),
            false => self.exit(id).map(Parted::Ended),
        }
    }

    /// The same with a container that was made by somebody else, and whose output is kept in a log: from now on, beside whoever
    /// else looks on. It is not ended by our leaving, nor is its input by the end of ours.
    ///
    /// # Errors
    /// As [`Connection::attach`]; `Unsupported` where its output is not kept.
    pub fn look_on(&mut self, id: &str, attach: &Attach<'_>, manner: &Manner) -> Result<Parted> {
        let wires = Wires::of_log(&self.pod, id, false)?;
        let mut session = Session::join((id, ""), wires, manner.signals()?, (attach, manner), None)?;
        session.looks_on = true;
        let ended = session.run(self);
        self.missed = session.missed();
        let code = ended?;
        if session.has_left() {
            return Ok(Parted::Left);
        }
        // Whoever keeps it may have settled it by now.
        match self.exit(id) {
            Err(e) if e.kind() == Kind::NotFound => Ok(Parted::Ended(Exit::of_code(code))),
            exit => exit.map(Parted::Ended),
        }
    }

    /// From now on the container lives on without us.
    ///
    /// # Errors
    /// `Unavailable` where the supervisor is gone.
    pub fn let_live(&mut self) -> Result<()> {
        let keep = KeepRequest {
            kill: false,
            ..self.keep.clone()
        };
        self.keep(keep)
    }

    /// How many bytes came faster than an [`Connection::attach`] could write them, and were left out: the log has them.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// How many bytes of its output an [`Connection::attach`] could not write down, and why; told once.
    pub fn take_unwritten(&mut self) -> Option<(u64, Error)> {
        self.unwritten.take()
    }

    /// Whether an [`Connection::attach`] ended because nobody read `stdout` any more.
    pub fn output_broken(&self) -> bool {
        self.output_broken
    }
}

/// One attached foreground.
pub(super) struct Session<'a> {
    id: &'a str,
    /// What is executed in it; empty for its first process.
    exec_id: &'a str,
    /// When it is killed.
    pub(super) until: Option<Instant>,
    signals: Signals,
    raw: Option<Raw>,
    terminal: Option<BorrowedFd<'a>>,
    input: Option<Input<'a>>,
    pub(super) stdout: Output<'a>,
    pub(super) stderr: Option<Output<'a>>,
    /// Nothing more comes from the client's stdin.
    input_ended: bool,
    /// The call that is answered at the container's end.
    waits: u32,
    /// Since when it has ended, or its streams were heard of after that.
    ended: Option<Instant>,
    /// As a shell has it, once it has ended.
    code: u8,
    size: Option<Size>,
    asked_to_end: u32,
    pub(super) killed: bool,
    successors: u32,
    /// It is not ours: nothing of ours ends it.
    looks_on: bool,
    left: bool,
}

/// What a poll looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Supervisor,
    Signals,
    Stdin,
    Stdout,
    Stderr,
}

impl<'a> Session<'a> {
    /// Joins what the client has with a process's FIFOs; of each output no more than `room` bytes.
    pub(super) fn join(
        (id, exec_id): (&'a str, &'a str),
        wires: Wires,
        signals: Signals,
        (attach, manner): (&Attach<'a>, &Manner),
        room: Option<usize>,
    ) -> Result<Session<'a>> {
        let raw = match attach.stdin.filter(|_| attach.terminal) {
            Some(terminal) => Some(Raw::enter(terminal)?),
            None => None,
        };
        let input = match attach.stdin {
            Some(stdin) => {
                let keys = match attach.terminal {
                    true => manner.keys.clone(),
                    false => Keys::none(),
                };
                wires.stdin()?.map(|to| Input::new(stdin, to, keys))
            }
            None => None,
        };
        let (stdout, stderr) = wires.outputs()?;
        Ok(Session {
            id,
            exec_id,
            until: None,
            signals,
            raw,
            terminal: attach.terminal.then_some(attach.stdout),
            input,
            stdout: Output::new(stdout, attach.stdout, room),
            stderr: stderr.map(|stderr| Output::new(stderr, attach.stderr, room)),
            input_ended: false,
            waits: 0,
            ended: None,
            code: 0,
            size: None,
            asked_to_end: 0,
            killed: false,
            successors: 0,
            looks_on: false,
            left: false,
        })
    }

    /// Joins the streams until the process has ended, and everything it wrote is written; its exit code.
    pub(super) fn run(&mut self, connection: &mut Connection) -> Result<u8> {
        self.begin(connection)?;
        loop {
            self.hear(connection);
            if self.is_over() || self.has_left() {
                return Ok(self.code);
            }
            if self.until.is_some_and(|until| until <= Instant::now()) {
                self.kill(connection)?;
            }
            connection.flush()?;
            for watched in self.wait(connection)? {
                self.act(connection, watched)?;
            }
        }
    }

    /// Whether we part from a container that lives.
    pub(super) fn has_left(&self) -> bool {
        self.ended.is_none() && (self.left || self.input.as_ref().is_some_and(Input::parts))
    }

    fn missed(&self) -> u64 {
        let outputs = std::iter::once(&self.stdout).chain(&self.stderr);
        outputs.map(Output::missed).sum()
    }

    /// Asks for the container's end, and gives its terminal our size.
    fn begin(&mut self, connection: &mut Connection) -> Result<()> {
        self.waits = connection.request(TaskMethod::Wait, &wait(self.id, self.exec_id))?;
        self.look_again();
        if self.input_ended {
            self.end_input(connection)?;
        }
        self.size = None;
        if self.looks_on {
            // Another size for a moment has a program draw its screen again.
            self.draw_again(connection)?;
        }
        self.resize(connection)
    }

    /// Takes the answers that have come. Those to signals and sizes say nothing: one that came too late finds an end.
    fn hear(&mut self, connection: &mut Connection) {
        let replies = connection.take_replies();
        if let Some(reply) = replies.into_iter().find(|reply| reply.stream == self.waits) {
            // One without a container says so, and there is nothing to wait for either.
            let answer = reply
                .outcome
                .ok()
                .and_then(|bytes| WaitResponse::decode(bytes.as_slice()).ok());
            self.code = answer.map_or(u8::MAX, |answer| {
                u8::try_from(answer.exit_status).unwrap_or(u8::MAX)
            });
            self.ended.get_or_insert_with(Instant::now);
            self.look_again();
        }
    }

    /// Where nobody had a stream open for writing, somebody may have now, or may have had meanwhile.
    fn look_again(&mut self) {
        self.stdout.ended = false;
        if let Some(stderr) = &mut self.stderr {
            stderr.ended = false;
        }
    }

    /// The container has ended, and everything it wrote is written.
    fn is_over(&self) -> bool {
        let Some(since) = self.ended else {
            return false;
        };
        let mut outputs = std::iter::once(&self.stdout).chain(&self.stderr);
        let silent = since + SILENCE <= Instant::now();
        outputs.all(|output| output.is_empty() && (output.ended || silent))
    }

    /// Waits until something can be done.
    fn wait(&self, connection: &Connection) -> Result<Vec<Watched>> {
        let mut flags = PollFlags::IN;
        flags.set(PollFlags::OUT, connection.has_output());
        let mut watched = vec![(Watched::Signals, self.signals.as_fd(), PollFlags::IN)];
        // After the container's end nothing more comes from there.
        if self.ended.is_none() {
            watched.push((Watched::Supervisor, connection.as_fd(), flags));
        }
        let input = self.input.as_ref().filter(|_| self.ended.is_none());
        let streams = [
            (Watched::Stdin, input.and_then(Input::wanted)),
            (Watched::Stdout, self.stdout.wanted()),
            (Watched::Stderr, self.stderr.as_ref().and_then(Output::wanted)),
        ];
        for (what, wanted) in streams {
            watched.extend(wanted.map(|(fd, flags)| (what, fd, flags)));
        }
        let mut polled: Vec<_> = watched
            .iter()
            .map(|(_, fd, flags)| PollFd::new(fd, *flags))
            .collect();
        let until = match self.ended {
            Some(since) => Some(since + SILENCE),
            None => self.until.filter(|_| !self.killed),
        };
        let patience = until.map(|until| until.saturating_duration_since(Instant::now()));
        let outputs = [
            (Watched::Stdout, Some(&self.stdout)),
            (Watched::Stderr, self.stderr.as_ref()),
        ];
        let looked_at: Vec<Watched> = outputs
            .into_iter()
            .filter(|(_, output)| output.is_some_and(Output::is_looked_at))
            .map(|(what, _)| what)
            .collect();
        let look = match self.ended {
            Some(_) => LOOK,
            None => LOOK_SELDOM,
        };
        let patience = match looked_at.is_empty() {
            true => patience,
            false => Some(patience.map_or(look, |patience| patience.min(look))),
        };
        match poll(&mut polled, patience.map(timespec).as_ref()) {
            Err(Errno::INTR) => return Ok(Vec::new()),
            Ok(0) => return Ok(looked_at),
            other => other.op("wait for", "the container")?,
        };
        let ready = polled.iter().map(|fd| !fd.revents().is_empty());
        let ready = ready.zip(&watched).filter(|(ready, _)| *ready);
        Ok(ready.map(|(_, (what, _, _))| *what).collect())
    }

    fn act(&mut self, connection: &mut Connection, watched: Watched) -> Result<()> {
        let moved = match watched {
            Watched::Supervisor if !connection.receive()? => return self.succeed(connection),
            Watched::Supervisor => false,
            Watched::Signals => return self.pass_on_signals(connection),
            Watched::Stdin => return self.pass_on_stdin(connection),
            Watched::Stdout => self.stdout.act(),
            Watched::Stderr => self.stderr.as_mut().is_some_and(Output::act),
        };
        if moved && let Some(heard) = &mut self.ended {
            *heard = Instant::now();
        }
        match (self.stdout.broken, self.looks_on) {
            (true, true) => self.left = true,
            (true, false) => self.kill(connection)?,
            (false, _) => {}
        }
        Ok(())
    }

    /// The supervisor is gone: what it said last is heard, then another one is found.
    fn succeed(&mut self, connection: &mut Connection) -> Result<()> {
        self.hear(connection);
        if self.ended.is_some() {
            return Ok(());
        }
        self.successors += 1;
        if self.successors > SUCCESSORS {
            return Err(connection.vanished());
        }
        connection.find_successor()?;
        self.begin(connection)
    }

    fn pass_on_stdin(&mut self, connection: &mut Connection) -> Result<()> {
        let ended = self.input.as_mut().is_some_and(Input::act);
        // A terminal has no end of its own; the container sees one when somebody types it. And whoever looks on is not the only one
        // who may have something to say.
        if !ended || self.stderr.is_none() || self.looks_on {
            return Ok(());
        }
        self.input_ended = true;
        self.end_input(connection)
    }

    fn end_input(&self, connection: &mut Connection) -> Result<()> {
        let request = CloseIoRequest {
            id: self.id.to_owned(),
            exec_id: self.exec_id.to_owned(),
            stdin: true,
        };
        connection.request(TaskMethod::CloseIO, &request).map(drop)
    }

    fn pass_on_signals(&mut self, connection: &mut Connection) -> Result<()> {
        while let Some(signal) = self.signals.next() {
            if signal == Signal::WINCH.as_raw() && self.terminal.is_some() {
                self.resize(connection)?;
                continue;
            }
            if let Some(raw) = self.raw.as_ref().filter(|_| signal == Signal::CONT.as_raw()) {
                raw.again();
                self.resize(connection)?;
            }
            if signal == Signal::INT.as_raw() || signal == Signal::TERM.as_raw() {
                self.asked_to_end += 1;
            }
            if self.asked_to_end >= PATIENCE && !self.looks_on {
                self.kill(connection)?;
            } else {
                connection.request(TaskMethod::Kill, &kill(self.id, self.exec_id, signal, false))?;
            }
        }
        Ok(())
    }

    fn kill(&mut self, connection: &mut Connection) -> Result<()> {
        if self.killed {
            return Ok(());
        }
        self.killed = true;
        let all = self.exec_id.is_empty();
        let request = kill(self.id, self.exec_id, Signal::KILL.as_raw(), all);
        connection.request(TaskMethod::Kill, &request).map(drop)
    }

    fn resize(&mut self, connection: &mut Connection) -> Result<()> {
        let size = self.terminal.and_then(raw::size);
        let Some(size) = size.filter(|_| size != self.size) else {
            return Ok(());
        };
        self.size = Some(size);
        self.set_size(connection, size)
    }

    fn draw_again(&self, connection: &mut Connection) -> Result<()> {
        match self.terminal.and_then(raw::size) {
            Some(Size { rows, columns }) => self.set_size(
                connection,
                Size {
                    rows: rows.saturating_add(1),
                    columns: columns.saturating_add(1),
                },
            ),
            None => Ok(()),
        }
    }

    fn set_size(&self, connection: &mut Connection, size: Size) -> Result<()> {
        let request = ResizePtyRequest {
            id: self.id.to_owned(),
            exec_id: self.exec_id.to_owned(),
            width: u32::from(size.columns),
            height: u32::from(size.rows),
        };
        connection.request(TaskMethod::ResizePty, &request).map(drop)
    }
}
