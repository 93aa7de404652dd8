//! The epoll set, told each time what is wanted; it changes what differs.

use crate::protocol::Stream;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use tare_error::{Context, Result};

/// What a supervisor listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The socket for further clients.
    Listener,
    /// Signals sent to the supervisor.
    Signals,
    /// A client, by its number, which is never used again.
    Peer(u32),
    /// A container's set-up.
    Creation,
    /// A container's first process.
    Init,
    /// The short-lived child that copies the exit record.
    Copier,
    /// The container's stdin, or its terminal to be written.
    Stdin,
    /// The container's stdout, or its terminal to be read.
    Stdout,
    /// The container's stderr.
    Stderr,
}

/// How many events are taken at once; what is left comes next time.
const BATCH: usize = 16;

/// Sources without a number of their own, by what they are in epoll's data; peers follow with theirs.
const SINGLE: [Source; 8] = [
    Source::Listener,
    Source::Signals,
    Source::Creation,
    Source::Init,
    Source::Copier,
    Source::Stdin,
    Source::Stdout,
    Source::Stderr,
];

impl Source {
    /// The source of an output.
    pub(super) fn of_output(stream: Stream) -> Source {
        match stream {
            Stream::Stdin => Source::Stdin,
            Stream::Stdout => Source::Stdout,
            Stream::Stderr => Source::Stderr,
        }
    }

    fn data(self) -> u64 {
        match self {
            Source::Peer(number) => SINGLE.len() as u64 + u64::from(number),
            single => SINGLE
                .iter()
                .zip(0..)
                .find(|(s, _)| **s == single)
                .map_or(0, |(_, n)| n),
        }
    }

    fn of_data(data: u64) -> Option<Source> {
        match data.checked_sub(SINGLE.len() as u64) {
            Some(number) => u32::try_from(number).ok().map(Source::Peer),
            None => usize::try_from(data).ok().and_then(|n| SINGLE.get(n)).copied(),
        }
    }
}

/// Something to wait for.
#[derive(Debug)]
pub(super) struct Interest<'a> {
    pub(super) source: Source,
    pub(super) fd: BorrowedFd<'a>,
    pub(super) flags: EventFlags,
}

/// The epoll set and what is in it.
#[derive(Debug)]
pub(super) struct Poller {
    epoll: OwnedFd,
    known: Vec<(Source, EventFlags)>,
}

impl Poller {
    pub(super) fn new() -> Result<Poller> {
        Ok(Poller {
            epoll: epoll::create(CreateFlags::CLOEXEC).op("make", "an epoll set")?,
            known: Vec::new(),
        })
    }

    /// Makes the set hold exactly what is `wanted`: every open source is listed, those with empty flags are not
    /// waited for. A source that is not listed was closed, and has left the set by itself (epoll(7)).
    pub(super) fn want(&mut self, wanted: &[Interest<'_>]) -> Result<()> {
        self.known
            .retain(|(known, _)| wanted.iter().any(|interest| interest.source == *known));
        for interest in wanted {
            self.want_one(interest)
                .op("wait for", format_args!("{:?}", interest.source))?;
        }
        Ok(())
    }

    fn want_one(&mut self, interest: &Interest<'_>) -> rustix::io::Result<()> {
        let &Interest { source, fd, flags } = interest;
        let known = self.known.iter().position(|(known, _)| *known == source);
        let before = known.and_then(|at| self.known.get(at)).map(|(_, flags)| *flags);
        if before.unwrap_or(EventFlags::empty()) == flags {
            return Ok(());
        }
        if let Some(at) = known {
            self.known.swap_remove(at);
        }
        if flags.is_empty() {
            return epoll::delete(&self.epoll, fd);
        }
        self.known.push((source, flags));
        let data = EventData::new_u64(source.data());
        match known.map(|_| epoll::modify(&self.epoll, fd, data, flags)) {
            // Another descriptor took the place of the one that was waited for.
            None | Some(Err(Errno::NOENT)) => epoll::add(&self.epoll, fd, data, flags),
            Some(other) => other,
        }
    }

    /// Waits for events, at most so long; the result is empty when the time is over.
    pub(super) fn wait(&mut self, most: Option<&Timespec>) -> Result<Vec<(Source, EventFlags)>> {
        let mut events: Vec<Event> = Vec::with_capacity(BATCH);
        let room = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&self.epoll, room, most) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e).op("wait for", "events"),
        }
        let events = events.iter().filter_map(|event| {
            let source = Source::of_data(event.data.u64())?;
            Some((source, event.flags))
        });
        Ok(events.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_follows_what_is_wanted() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let mut poller = Poller::new().unwrap();
        let none = Timespec::default();
        let interest = |flags| Interest {
            source: Source::Stdin,
            fd: rustix::fd::AsFd::as_fd(&write),
            flags,
        };
        let steps = [
            (EventFlags::OUT, 1),
            (EventFlags::empty(), 0),
            (EventFlags::empty(), 0),
            (EventFlags::OUT, 1),
            (EventFlags::IN, 0),
        ];
        for (flags, expected) in steps {
            poller.want(&[interest(flags)]).unwrap();
            assert_eq!(poller.wait(Some(&none)).unwrap().len(), expected, "{flags:?}");
        }
        // An end that nobody waits for is not reported, over and over.
        drop(read);
        poller.want(&[interest(EventFlags::empty())]).unwrap();
        assert_eq!(poller.wait(Some(&none)).unwrap().len(), 0);
    }

    #[test]
    fn sources_come_back_from_epolls_data() {
        for source in SINGLE.into_iter().chain([0, 1, u32::MAX].map(Source::Peer)) {
            assert_eq!(Source::of_data(source.data()), Some(source));
        }
        assert_eq!(Source::of_data(u64::MAX), None);
    }
}
