//! The loop: what clients ask, what the container does, and when to leave.

use super::container::{Container, Pending, SetUp};
use super::copy::Copier;
use super::group::Home;
use super::journal::Journal;
use super::peer::{Fault, Peer};
use super::source::Source;
use super::streams::Pumped;
use crate::clock::Earliest;
use crate::entrance::{self, Visitor};
use crate::pod::{Entry, PodDir};
use crate::poller::{Interest, Poller};
use crate::protocol::{Answer, Credit, Filled, FrameKind, Hangup, Notice, Stream};
use crate::signals::Signals;
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use tare_error::{Report, Result};

/// How many clients there may be at once, the creator among them.
const MOST_PEERS: usize = 16;
/// How long a client may take to greet.
const GREETING: Duration = Duration::from_secs(10);
/// How long leaving waits for the copy of the exit record.
const COPYING: Duration = Duration::from_secs(5);

/// The creator's number: the first peer of all.
pub(super) const CREATOR: u32 = 0;

/// A running supervisor.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) pod: PodDir,
    pub(super) home: Home,
    pub(super) signals: Signals,
    pub(super) listener: OwnedFd,
    pub(super) journal: Journal,
    pub(super) poller: Poller<Source>,
    pub(super) peers: Vec<Peer>,
    pub(super) next_peer: u32,
    pub(super) container: Option<Container>,
    pub(super) copier: Option<Copier>,
    pub(super) buffer: Vec<u8>,
    /// A container was asked for: what is left of it is for others to look at.
    pub(super) begun: bool,
    /// Something of it could not be removed: the record by which it is found must stay.
    pub(super) left_behind: bool,
    pub(super) leaving: Option<Leaving>,
    pub(super) leave_by: Option<Instant>,
}

/// Why a supervisor leaves, which says what it does last.
#[derive(Clone, Debug)]
pub(super) enum Leaving {
    /// The client has cleaned up and waits for us to do so, or nothing was ever made.
    Clean(Option<Pending>),
    /// Nobody cleans up: execute this.
    Reap(Vec<String>),
}

impl Service {
    /// Runs until the pod has ended.
    pub(super) fn run(mut self) -> Result<()> {
        loop {
            self.progress();
            self.flush();
            if self.may_leave() {
                return self.leave();
            }
            let deadline = self.deadline();
            let mut wanted = Vec::new();
            interests(&mut wanted, &self.listener, &self.signals, &self.peers);
            if let Some(container) = &self.container {
                container.interests(&mut wanted);
            }
            if let Some(copier) = &self.copier {
                wanted.push(Interest {
                    source: Source::Copier,
                    fd: copier.as_fd(),
                    flags: EventFlags::IN,
                });
            }
            self.poller.want(&wanted)?;
            for (source, flags) in self.poller.wait(deadline.left().as_ref())? {
                self.act(source, flags);
            }
        }
    }

    fn act(&mut self, source: Source, flags: EventFlags) {
        match source {
            Source::Listener => self.accept(),
            Source::Signals => {
                while let Some(signal) = self.signals.next() {
                    self.journal.note(format_args!("signal {signal} ignored"));
                }
            }
            Source::Peer(number) => self.serve(number, flags),
            Source::Creation => self.advance(),
            Source::Init => self.look_at_init(),
            Source::Copier => {
                if self.copier.as_mut().and_then(Copier::ended) == Some(false) {
                    self.journal.note("the exit record could not be copied");
                }
                self.copier.take_if(|copier| copier.ended().is_some());
            }
            Source::Stdin => {
                if let Some(streams) = self.container.as_mut().and_then(|c| c.streams.as_mut()) {
                    streams.input.write();
                }
            }
            Source::Stdout => self.pump(Stream::Stdout),
            Source::Stderr => self.pump(Stream::Stderr),
        }
    }

    /// Takes a further client, if it is the same user or root.
    fn accept(&mut self) {
        let socket = match entrance::accept(&self.listener) {
            None => return,
            Some(Visitor::Welcome(socket)) if self.peers.len() < MOST_PEERS => socket,
            Some(_) => {
                self.journal
                    .note("a client was refused: of another user, or one too many");
                return;
            }
        };
        let mut peer = Peer::new(self.next_peer, socket);
        peer.say_hello(Vec::new());
        self.next_peer += 1;
        self.peers.push(peer);
    }

    /// Reads what a client sent and does it.
    fn serve(&mut self, number: u32, flags: EventFlags) {
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return;
        }
        let Some(at) = self.peers.iter().position(|peer| peer.number == number) else {
            return;
        };
        // Out of the list while it is served, so that what it asks may change everything else.
        let mut peer = self.peers.swap_remove(at);
        match self.serve_peer(&mut peer) {
            Ok(()) => self.peers.push(peer),
            Err(fault) => self.dropped(peer, &fault),
        }
    }

    fn serve_peer(&mut self, peer: &mut Peer) -> Result<(), Fault> {
        let filled = peer.wire.fill().map_err(|e| format!("read: {e}"))?;
        while let Some(frame) = peer.wire.receive().map_err(|m| m.to_string())? {
            if peer.greeted {
                self.take(peer, &frame)?;
            } else {
                peer.greet(&frame)?;
            }
        }
        match filled {
            Filled::Closed => Err(String::new()),
            Filled::Some | Filled::Nothing => Ok(()),
        }
    }

    /// Makes a step of the set-up and answers when it is done.
    fn advance(&mut self) {
        let Some(container) = self.container.take() else {
            return;
        };
        let (container, set_up) = container.advance();
        self.container = container;
        match set_up {
            SetUp::Goes => {}
            SetUp::Runs { asked, pid } => self.answer(asked, Ok(Answer::Created { pid })),
            SetUp::Failed { asked, error } => {
                self.left_behind |= !error.attached().is_empty();
                self.answer(asked, Err(&error));
            }
        }
    }

    /// Where the first process has ended: its record is written before anything else happens.
    fn look_at_init(&mut self) {
        let Some(container) = self.container.as_mut() else {
            return;
        };
        match container.look_at_init(&self.pod) {
            Ok(None) => {}
            Ok(Some(_)) => {
                if let Some(to) = &container.record_to {
                    let to = to.join(Entry::Exit.name());
                    match Copier::start(&self.signals, &self.pod.file(Entry::Exit), &to) {
                        Ok(copier) => self.copier = Some(copier),
                        Err(error) => self.journal.note(Report::new(&error)),
                    }
                }
            }
            Err(error) => self.journal.note(Report::new(&error)),
        }
    }

    /// Hands on what the container wrote.
    fn pump(&mut self, stream: Stream) {
        let Some(container) = self.container.as_mut() else {
            return;
        };
        let ended = container.is_drainable();
        let attached = container.attached;
        let Some(output) = container.streams.as_mut().and_then(|s| s.output(stream)) else {
            return;
        };
        match Container::pump(output, ended, &mut self.buffer) {
            Ok(Pumped::Bytes(_)) => {
                if let Some(peer) = self.peers.iter_mut().find(|p| Some(p.number) == attached) {
                    peer.wire.send(FrameKind::Data(stream), &self.buffer);
                }
            }
            Ok(Pumped::Empty | Pumped::NoCredit) => {}
            Err(error) => {
                output.drained = true;
                self.journal.note(Report::new(&error));
            }
        }
    }

    /// Makes the steps that need no event of their own.
    fn progress(&mut self) {
        let Some(container) = self.container.as_mut() else {
            return;
        };
        if let Some(credit) = container.streams.as_mut().and_then(|s| s.input.credit()) {
            let stream = Stream::Stdin;
            let attached = container.attached;
            if let Some(peer) = self.peers.iter_mut().find(|p| Some(p.number) == attached) {
                peer.wire.send_credit(Credit {
                    stream,
                    bytes: credit,
                });
            }
        }
        if container.has_ended() && container.streams.is_some() {
            if let Err(error) = container.empty() {
                self.journal.note(Report::new(&error));
            }
            if container.attached.is_some() {
                self.pump(Stream::Stdout);
                self.pump(Stream::Stderr);
            }
            self.tell();
        }
        self.give_up_waiting();
    }

    /// Tells the client that the container has ended, after the last byte; with no client, cleans up.
    fn tell(&mut self) {
        let Some(container) = self.container.as_mut() else {
            return;
        };
        if !container.is_drainable() {
            return;
        }
        if !self.peers.iter().any(|peer| peer.number == CREATOR) {
            self.leaving.get_or_insert(Leaving::Reap(container.reap.clone()));
            return;
        }
        let Some(exit) = container.ready_to_tell().cloned() else {
            return;
        };
        container.told();
        for peer in self.peers.iter_mut().filter(|peer| peer.greeted) {
            peer.notify(&Notice::Exited(exit.clone()));
        }
    }

    /// Ends what took too long: greetings, and a client's cleaning up.
    fn give_up_waiting(&mut self) {
        let now = Instant::now();
        let late = |peer: &Peer| !peer.greeted && peer.since + GREETING <= now;
        while let Some(at) = self.peers.iter().position(late) {
            let peer = self.peers.swap_remove(at);
            self.dropped(peer, "it does not greet");
        }
        if let Some(container) = &self.container
            && container.is_overdue()
        {
            self.journal.note("the client did not clean up in time");
            self.leaving.get_or_insert(Leaving::Reap(container.reap.clone()));
        }
    }

    fn deadline(&self) -> Earliest {
        let mut earliest = Earliest::default();
        for peer in self.peers.iter().filter(|peer| !peer.greeted) {
            earliest.add(Some(peer.since + GREETING));
        }
        earliest.add(self.container.as_ref().and_then(Container::deadline));
        earliest.add(self.leave_by);
        earliest
    }

    fn flush(&mut self) {
        let mut at = 0;
        while let Some(peer) = self.peers.get_mut(at) {
            match peer.flush() {
                Ok(()) => at += 1,
                Err(fault) => {
                    let peer = self.peers.swap_remove(at);
                    self.dropped(peer, &fault);
                }
            }
        }
    }

    /// A client is gone, or was told to go.
    fn dropped(&mut self, peer: Peer, fault: &str) {
        let number = peer.number;
        drop(peer);
        if !fault.is_empty() {
            self.journal
                .note(format_args!("client {number} dropped: {fault}"));
        }
        let Some(container) = self.container.as_mut() else {
            // Nobody else can ask for a container.
            if number == CREATOR {
                self.leaving.get_or_insert(Leaving::Clean(None));
            }
            return;
        };
        if container.attached == Some(number) {
            container.attached = None;
            if let Some(streams) = container.streams.as_mut() {
                streams.input.push(&[]);
            }
        }
        if number != CREATOR {
            return;
        }
        if container.has_ended() {
            // Where processes of it still end, that comes first: see `tell`.
            if container.streams.is_none() {
                self.leaving.get_or_insert(Leaving::Reap(container.reap.clone()));
            }
            return;
        }
        if container.is_being_made() {
            let reap = std::mem::take(&mut container.reap);
            if let Err(error) = self.container.take().map_or(Ok(()), Container::remove) {
                self.journal.note(Report::new(&error));
                self.left_behind = true;
            }
            self.leaving.get_or_insert(Leaving::Reap(reap));
            return;
        }
        if container.on_hangup == Hangup::Kill
            && let Err(error) = container.kill(Signal::KILL.as_raw(), true)
        {
            self.journal.note(Report::new(&error));
        }
    }

    /// Whether nothing more is to be done, or waited for: the copy is bounded by a disk's patience, not by ours.
    fn may_leave(&mut self) -> bool {
        if self.leaving.is_none() {
            return false;
        }
        let until = *self.leave_by.get_or_insert_with(|| Instant::now() + COPYING);
        self.copier.is_none() || until <= Instant::now()
    }

    /// The end.
    fn leave(mut self) -> Result<()> {
        let leaving = self.leaving.take().unwrap_or(Leaving::Clean(None));
        let removed = self.container.take().map_or(Ok(()), Container::remove);
        let mut done = removed.and(self.home.leave());
        if let Err(error) = &done {
            self.journal.note(Report::new(error));
            self.left_behind = true;
        }
        done = done.and(self.pod.remove_living(self.left_behind));
        match leaving {
            Leaving::Reap(argv) => super::reap::start(&self.signals, &argv),
            Leaving::Clean(Some(asked)) => {
                self.answer(asked, done.as_ref().map(|()| Answer::Done));
                self.flush();
                done
            }
            Leaving::Clean(None) if !self.begun => self.pod.remove(),
            Leaving::Clean(None) => done,
        }
    }
}

fn interests<'a>(
    into: &mut Vec<Interest<'a, Source>>,
    listener: &'a OwnedFd,
    signals: &'a Signals,
    peers: &'a [Peer],
) {
    into.push(Interest {
        source: Source::Listener,
        fd: listener.as_fd(),
        flags: EventFlags::IN,
    });
    into.push(Interest {
        source: Source::Signals,
        fd: signals.as_fd(),
        flags: EventFlags::IN,
    });
    into.extend(peers.iter().map(|peer| Interest {
        source: Source::Peer(peer.number),
        fd: peer.as_fd(),
        flags: peer.flags(),
    }));
}
