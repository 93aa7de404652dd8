//! Events on their way to containerd, in their order, each until containerd has it.

use super::upgrade::{Bytes, EventsState};
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};
use tare_spec_containerd::forward::ForwardRequest;
use tare_spec_containerd::{EVENTS, Event, FORWARD, Message};
use tare_ttrpc::Client;

/// How many wait at most: then the oldest is given up. A containerd that comes back asks for states, not for history.
const MOST: usize = 2048;
/// How long containerd may take for one.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before containerd is looked for again: first, and at most, after twice as long each time.
const AGAIN: Duration = Duration::from_millis(20);
const SELDOM: Duration = Duration::from_secs(1);
/// What one read brings: answers are empty.
const READ: usize = 512;

/// The way to containerd's events.
#[derive(Debug)]
pub(super) struct Publisher {
    namespace: String,
    /// Where containerd listens; none where nobody wants to know.
    address: Option<PathBuf>,
    waiting: VecDeque<Vec<u8>>,
    link: Option<Link>,
    not_before: Option<Instant>,
    pause: Duration,
}

/// A connection, on which the first of those that wait is being told.
#[derive(Debug)]
struct Link {
    socket: OwnedFd,
    client: Client,
}

impl Publisher {
    pub(super) fn new(namespace: &str, address: Option<PathBuf>) -> Publisher {
        Publisher {
            namespace: namespace.to_owned(),
            address,
            waiting: VecDeque::new(),
            link: None,
            not_before: None,
            pause: AGAIN,
        }
    }

    /// As data, for the program that this one becomes.
    pub(super) fn save(&self) -> EventsState {
        EventsState {
            address: self.address.clone(),
            waiting: self.waiting.iter().cloned().map(Bytes).collect(),
        }
    }

    pub(super) fn restore(namespace: &str, state: EventsState) -> Publisher {
        Publisher {
            waiting: state.waiting.into_iter().map(|bytes| bytes.0).collect(),
            ..Publisher::new(namespace, state.address)
        }
    }

    /// Whether no event is being told: its answer would be lost, and it would be told again.
    pub(super) fn is_at_rest(&self) -> bool {
        self.link.as_ref().is_none_or(|link| link.client.in_flight() == 0)
    }

    /// Takes an event to be told.
    pub(super) fn publish(&mut self, event: &impl Event) {
        if self.address.is_none() {
            return;
        }
        if self.waiting.len() >= MOST {
            // The first one is being told.
            self.waiting.remove(1);
        }
        let request = ForwardRequest {
            envelope: Some(event.envelope(&self.namespace, SystemTime::now().into())),
        };
        self.waiting.push_back(request.encode_to_vec());
    }

    /// containerd is there: it is looked for at once.
    pub(super) fn hurry(&mut self) {
        self.not_before = None;
        self.pause = AGAIN;
    }

    /// Whether everything was told.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Goes on: tells the next, hears of the last, finds containerd again. Does not wait.
    pub(super) fn advance(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let now = Instant::now();
        if self.link.is_none() {
            if self.not_before.is_some_and(|then| now < then) {
                return;
            }
            self.link = self.address.as_ref().and_then(Link::open);
        }
        if self.step(now).is_none() {
            self.link = None;
            self.not_before = Some(now + self.pause);
            self.pause = (self.pause * 2).min(SELDOM);
        }
    }

    /// None where the connection is of no use any more.
    fn step(&mut self, now: Instant) -> Option<()> {
        let link = self.link.as_mut()?;
        loop {
            if link.client.in_flight() == 0 {
                let Some(first) = self.waiting.front() else {
                    self.waiting = VecDeque::new();
                    return Some(());
                };
                let called = link.client.call(EVENTS, FORWARD, first, Some(PATIENCE), now);
                called.ok()?;
            }
            link.write()?;
            // One that containerd will not have (its namespace is gone, say) would be refused for ever.
            match link.read()? {
                true => {
                    self.waiting.pop_front();
                    self.pause = AGAIN;
                }
                false => break,
            }
        }
        link.client.expire(now).is_none().then_some(())
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> Option<(BorrowedFd<'_>, EventFlags)> {
        let link = self.link.as_ref()?;
        let flags = match link.client.output() {
            [] => EventFlags::IN,
            _ => EventFlags::IN | EventFlags::OUT,
        };
        Some((link.socket.as_fd(), flags))
    }

    /// The connection has something to say while nothing is being told: it has ended.
    pub(super) fn heard(&mut self) {
        if self.waiting.is_empty() {
            self.link = None;
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.link {
            Some(link) => link.client.deadline(),
            None if self.waiting.is_empty() => None,
            None => self.not_before,
        }
    }
}

impl Link {
    fn open(address: &PathBuf) -> Option<Link> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(address).ok()?).ok()?;
        Some(Link {
            socket,
            client: Client::new(),
        })
    }

    fn write(&mut self) -> Option<()> {
        while !self.client.output().is_empty() {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match rustix::net::send(&self.socket, self.client.output(), flags) {
                Ok(length) => self.client.sent(length),
                Err(Errno::AGAIN) => return Some(()),
                Err(Errno::INTR) => {}
                Err(_) => return None,
            }
        }
        Some(())
    }

    /// Whether an answer came.
    fn read(&mut self) -> Option<bool> {
        let mut room = [0; READ];
        let length = match rustix::net::recv(&self.socket, &mut room, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return None,
            Ok((length, _)) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Some(false),
            Err(_) => return None,
        };
        let mut bytes = room.get(..length).unwrap_or_default();
        Some(self.client.next(&mut bytes).is_some())
    }
}
