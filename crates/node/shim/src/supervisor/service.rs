//! The loop: what containerd asks, what the containers do, and when to leave.

use super::arguments::Arguments;
use super::connection::{Asked, Connection};
use super::container::{Container, LOOK_AGAIN};
use super::foreign::Strays;
use super::health::HealthCheck;
use super::held_up::{GivenUp, HeldUp};
use super::journal::Journal;
use super::keeper::{Keeper, Reaper};
use super::life::Life;
use super::process::Process;
use super::publisher::Publisher;
use super::record::ContainerRecord;
use super::sandbox::Sandbox;
use super::source::Source;
use super::stdio::Leaving;
use super::telling::told;
use super::upgrade::Upgrade;
use crate::clock::Earliest;
use crate::entrance::{self, Visitor};
use crate::poller::{Interest, Poller};
use crate::signals::Signals;
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;
use tare_error::{Report, Result};
use tare_ttrpc::Status;

/// How many connections there may be at once. containerd has one for each container of a pod, and as many more while it
/// restarts.
const MOST_CONNECTIONS: usize = 1024;

/// A running supervisor.
#[derive(Debug)]
pub(super) struct Service {
    /// What it was started with.
    pub(super) arguments: Arguments,
    /// Where containerd reaches it.
    pub(super) address: PathBuf,
    /// Where the library keeps its containers.
    pub(super) containers_home: tare_lifecycle::Home,
    /// Where containers of foreign runtimes are recorded.
    pub(super) foreign_home: PathBuf,
    /// Whether all was taken over that a supervisor before this one left.
    pub(super) adopted: bool,
    /// Where records of containers are, for a successor.
    pub(super) records: Rc<Path>,
    pub(super) signals: Signals,
    pub(super) listener: OwnedFd,
    pub(super) journal: Journal,
    pub(super) publisher: Publisher,
    pub(super) connections: Vec<Connection>,
    pub(super) containers: Vec<Container>,
    /// Who writes down what was said of what is deleted.
    pub(super) leaving: Vec<Leaving>,
    /// Answers that wait for processes to stand or to end.
    pub(super) held_up: Vec<HeldUp>,
    /// What was given up while it was made, and is not gone yet.
    pub(super) given_up: Vec<GivenUp>,
    /// What foreign runtimes leave to us.
    pub(super) strays: Strays,
    /// Another program, which it is about to become.
    pub(super) upgrade: Option<Upgrade>,
    /// The pod, where containerd has asked for one by the Sandbox service.
    pub(super) sandbox: Option<Sandbox>,
    pub(super) namespace: Rc<str>,
    /// The next number of a connection or a process.
    pub(super) next: u32,
    /// The starter's score, which a container has that asks for none.
    pub(super) oom_score: Option<i32>,
    pub(super) alone_since: Instant,
    pub(super) leave_by: Option<Instant>,
    /// Whose its containers are, where they are our own engine's.
    pub(super) keepers: Vec<Keeper>,
    /// What cleans up after them.
    pub(super) reapers: Vec<Reaper>,
    /// The health of its containers, where somebody wants that to be looked after.
    pub(super) health: Vec<HealthCheck>,
}

impl Service {
    /// Runs until containerd needs it no more.
    pub(super) fn run(mut self) -> Result<()> {
        let mut poller = Poller::new()?;
        loop {
            self.progress();
            if self.may_leave() && self.gives_up_address() {
                return self.leave();
            }
            let deadline = self.deadline();
            let mut wanted = Vec::new();
            self.interests(&mut wanted);
            poller.want(&wanted)?;
            for (source, _) in poller.wait(deadline.left().as_ref())? {
                self.act(source);
            }
        }
    }

    fn act(&mut self, source: Source) {
        match source {
            Source::Listener => self.accept(),
            Source::Signals => {
                while let Some(signal) = self.signals.next() {
                    if !self.strays.heard(signal) {
                        self.journal.note(format_args!("signal {signal} ignored"));
                    }
                }
            }
            Source::Publisher => self.publisher.heard(),
            // They are looked at in any case.
            Source::Upgrade | Source::Reaper(_) => {}
            Source::Connection(number) => self.serve(number),
            Source::Making(number, _) => self.advance(number),
            Source::Errand(number, _) => self.run_errand(number),
            Source::Sandbox => self.look_at_sandbox(),
            Source::Health(_) => self.listen_to_health(),
            Source::End(number) => self.with(number, |container| container.look_at_end(number)),
            Source::Memory(number) => self.look_at_memory(number),
            Source::Stream(number, _) => self.with(number, |container| {
                let mut processes = container.processes.iter_mut();
                let process = processes.find(|process| process.number == number);
                process.map_or(Ok(()), |process| process.streams.pump())
            }),
        }
    }

    /// Does something with the container of a process; what goes wrong is noted.
    fn with(&mut self, number: u32, act: impl FnOnce(&mut Container) -> Result<()>) {
        if let Some(container) = self.container_of(number)
            && let Err(error) = act(container)
        {
            self.journal.note(Report::new(&error));
        }
    }

    pub(super) fn container_of(&mut self, number: u32) -> Option<&mut Container> {
        let has = |container: &&mut Container| container.processes.iter().any(|p| p.number == number);
        self.containers.iter_mut().find(has)
    }

    /// Takes a connection, if it is of the same user or root.
    pub(super) fn accept(&mut self) {
        let socket = match entrance::accept(&self.listener) {
            None => return,
            Some(Visitor::Welcome(socket)) if self.connections.len() < MOST_CONNECTIONS => socket,
            Some(_) => {
                self.journal
                    .note("a connection was refused: of another user, or one too many");
                return;
            }
        };
        if !self.adopted {
            self.adopt();
        }
        // It may be for a container: the address was given to somebody who needs a supervisor.
        self.leave_by = None;
        let number = self.number();
        self.connections.push(Connection::new(number, socket));
        self.publisher.hurry();
    }

    /// A number for a connection or a process; none is used twice.
    pub(super) fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// Reads what came and does it.
    fn serve(&mut self, number: u32) {
        let Some(at) = self.connections.iter().position(|c| c.number == number) else {
            return;
        };
        let Some(calls) = self.connections.get_mut(at).and_then(Connection::receive) else {
            drop(self.connections.swap_remove(at));
            self.forget(|asked| asked.connection == number);
            return self.hung_up(number);
        };
        for call in calls {
            let asked = Asked {
                connection: number,
                stream: call.stream,
            };
            if let Some(outcome) = self.call(asked, &call).transpose() {
                self.answer(asked, outcome);
            }
        }
    }

    pub(super) fn answer(&mut self, asked: Asked, outcome: Result<Vec<u8>, Status>) {
        self.hear_of_health(asked, &outcome);
        // containerd gets what it knows, and no more.
        let plain = |status: Status| Status {
            detail: status.detail.filter(|_| self.arguments.own.is_some()),
            ..status
        };
        let outcome = outcome.map_err(plain);
        let mut connections = self.connections.iter_mut();
        if let Some(connection) = connections.find(|c| c.number == asked.connection) {
            connection.answer(asked.stream, outcome);
        }
    }

    /// Notes what went wrong where nobody asked for it.
    pub(super) fn note_failure(&mut self, done: Result<()>) {
        if let Err(error) = done {
            self.journal.note(Report::new(&error));
        }
    }

    /// Forgets a container that is gone.
    pub(super) fn forget_container(&mut self, id: &str) -> Result<()> {
        self.containers.retain(|container| container.id != id);
        self.health.retain(|check| !check.is_of(id));
        ContainerRecord::remove(&self.records, id)
    }

    /// Forgets a container that was not made, with what was begun for its streams.
    pub(super) fn forget_unmade(&mut self, id: &str) -> Result<()> {
        let streams = tare_logs::Folder::at(self.journal.pod().streams().join(id));
        self.forget_container(id).and(streams.remove())
    }

    /// Moves what is still written down of an earlier container or process out of the way of a new one of its name.
    pub(super) fn set_logs_aside(&mut self, id: &str) -> Result<()> {
        let streams = self.journal.pod().streams();
        let theirs = streams.join(id);
        let are_there = |leaving: &Leaving| leaving.log_folders().any(|path| path.parent() == Some(&theirs));
        if !self.leaving.iter().any(are_there) {
            return Ok(());
        }
        // No container's name has a colon, and no other supervisor our number.
        let aside = streams.join(format!("{id}:{}.{}", std::process::id(), self.number()));
        let mut leaving = self.leaving.iter_mut();
        leaving.try_for_each(|leaving| leaving.set_aside(&theirs, &aside))
    }

    /// Makes the steps that need no event of their own.
    fn progress(&mut self) {
        let now = Instant::now();
        // What is being made and has taken too long: a hook, by its timeout.
        let overdue = |process: &Process| process.deadline().is_some_and(|deadline| deadline <= now);
        for number in self.numbers(overdue) {
            self.advance(number);
        }
        let foreign = self
            .containers
            .iter()
            .filter_map(|container| container.foreign.as_ref());
        let late: Vec<u32> = foreign.flat_map(|foreign| foreign.overdue(now)).collect();
        for number in late {
            self.run_errand(number);
        }
        self.watch_remotes();
        for number in self.numbers(|process| process.life().is_some_and(Life::is_to_be_looked_at)) {
            self.with(number, |container| container.look_at_end(number));
        }
        self.release(now);
        self.see_off(now);
        self.look_at_held_up(now);
        self.tell_ends(now);
        self.look_at_health(now);
        for container in &mut self.containers {
            let looked = container.look_at_logs(now);
            if let Err(error) = container.close_streams(now).and(looked) {
                self.journal.note(Report::new(&error));
            }
        }
        if self.signals.may_have_missed() {
            self.strays.may_have_come();
        }
        let processes = self.containers.iter().flat_map(|container| &container.processes);
        let pids = processes.map(Process::pid);
        // Everybody has had his turn to wait for what is his.
        self.strays
            .bury(now, |pid| pids.clone().any(|known| known == pid));
        self.flush(now);
        self.look_after();
        self.publisher.advance();
        self.advance_upgrade(now);
        let given_up = !self.given_up.is_empty();
        if given_up || !self.containers.is_empty() || !self.connections.is_empty() {
            self.alone_since = now;
        }
    }

    /// Answers whoever deleted what is written down now.
    fn see_off(&mut self, now: Instant) {
        let Service { leaving, journal, .. } = self;
        let mut odd = |error| journal.note(Report::new(&error));
        let ended: Vec<Leaving> = leaving
            .extract_if(.., |one| one.has_ended(now, &mut odd))
            .collect();
        for (asked, answer) in ended.into_iter().filter_map(|one| one.answer) {
            self.answer(asked, Ok(answer));
        }
    }

    /// Writes answers, among them those to calls whose time is over; whom nobody waits for any more is forgotten.
    fn flush(&mut self, now: Instant) {
        let mut over = Vec::new();
        self.connections.retain_mut(|connection| {
            let number = connection.number;
            let expired = connection.expire(now).into_iter();
            over.extend(expired.map(|stream| (number, Some(stream))));
            let lives = connection.flush();
            over.extend((!lives).then_some((number, None)));
            lives
        });
        if !over.is_empty() {
            self.forget(|asked| {
                let mut gone = over.iter();
                gone.any(|(number, stream)| {
                    *number == asked.connection && stream.is_none_or(|s| s == asked.stream)
                })
            });
        }
        for (number, _) in over.iter().filter(|(_, stream)| stream.is_none()) {
            self.hung_up(*number);
        }
    }

    /// Forgets who waits for the end of a process: they would add up while it lives.
    fn forget(&mut self, gone: impl Fn(&Asked) -> bool) {
        let processes = self
            .containers
            .iter_mut()
            .flat_map(|container| &mut container.processes);
        processes.for_each(|process| process.waiters.retain(|asked| !gone(asked)));
        self.forget_sandbox_waiters(gone);
    }

    /// Gives the answers that waited for readers.
    fn release(&mut self, now: Instant) {
        let mut released = Vec::new();
        for container in &mut self.containers {
            match container.release(now) {
                Ok(held) => released.extend(held),
                Err(error) => self.journal.note(Report::new(&error)),
            }
        }
        for held in released {
            self.answer(
                held.asked,
                held.failed.map_or(Ok(held.answer), |error| Err(told(&error))),
            );
        }
    }

    /// The processes that are so.
    fn numbers(&self, are: impl Fn(&Process) -> bool) -> Vec<u32> {
        let processes = self.containers.iter().flat_map(|container| &container.processes);
        processes
            .filter(|process| are(process))
            .map(|process| process.number)
            .collect()
    }

    fn deadline(&self) -> Earliest {
        let now = Instant::now();
        let mut earliest = Earliest::default();
        for connection in &self.connections {
            earliest.add(connection.deadline());
        }
        for container in &self.containers {
            earliest.add(container.deadline(now));
        }
        if !self.leaving.is_empty() {
            earliest.add(Some(now + LOOK_AGAIN));
        }
        earliest.add(self.held_up_deadline(now));
        earliest.add(self.publisher.deadline());
        earliest.add(self.strays.deadline());
        earliest.add(self.leave_by);
        self.health
            .iter()
            .for_each(|check| earliest.add(check.deadline()));
        self.keepers
            .iter()
            .for_each(|keeper| earliest.add(keeper.deadline()));
        earliest.add(self.upgrade_deadline());
        if self.containers.is_empty() && self.connections.is_empty() && self.sandbox.is_none() {
            earliest.add(Some(self.alone_since + self.patience()));
        }
        earliest
    }

    fn interests<'a>(&'a self, into: &mut Vec<Interest<'a, Source>>) {
        into.push(Interest {
            source: Source::Listener,
            fd: self.listener.as_fd(),
            flags: EventFlags::IN,
        });
        into.push(Interest {
            source: Source::Signals,
            fd: self.signals.as_fd(),
            flags: EventFlags::IN,
        });
        into.extend(self.publisher.interest().map(|(fd, flags)| Interest {
            source: Source::Publisher,
            fd,
            flags,
        }));
        into.extend(self.upgrade_interest());
        into.extend(self.reapers.iter().map(Reaper::interest));
        into.extend(self.connections.iter().map(|connection| Interest {
            source: Source::Connection(connection.number),
            fd: connection.as_fd(),
            flags: connection.flags(),
        }));
        into.extend(self.health.iter().filter_map(HealthCheck::interest));
        let init = self.sandbox.as_ref().and_then(|sandbox| sandbox.init.as_ref());
        into.extend(init.map(|init| Interest {
            source: Source::Sandbox,
            fd: init.as_fd(),
            flags: EventFlags::IN,
        }));
        for container in &self.containers {
            container.interests(into);
        }
    }
}
