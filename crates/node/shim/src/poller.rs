//! The epoll set of a loop, told each time what is wanted; it changes what differs.

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use tare_error::{Context, Result};

/// What a loop calls the things that it waits for.
pub(crate) trait Source: Copy + PartialEq + std::fmt::Debug {
    /// As the kernel keeps it.
    fn data(self) -> u64;
    /// What it was; none for what this loop never waited for.
    fn of_data(data: u64) -> Option<Self>;
}

/// How many events are taken at once; what is left comes next time.
const BATCH: usize = 16;

/// Something to wait for.
#[derive(Debug)]
pub(crate) struct Interest<'a, S> {
    pub(crate) source: S,
    pub(crate) fd: BorrowedFd<'a>,
    pub(crate) flags: EventFlags,
}

/// The epoll set and what is in it.
#[derive(Debug)]
pub(crate) struct Poller<S> {
    epoll: OwnedFd,
    known: Vec<(S, EventFlags)>,
}

impl<S: Source> Poller<S> {
    pub(crate) fn new() -> Result<Poller<S>> {
        Ok(Poller {
            epoll: epoll::create(CreateFlags::CLOEXEC).op("make", "an epoll set")?,
            known: Vec::new(),
        })
    }

    /// Makes the set hold exactly what is `wanted`: every open source is listed, those with empty flags are not
    /// waited for. A source that is not listed was closed, and has left the set by itself (epoll(7)).
    pub(crate) fn want(&mut self, wanted: &[Interest<'_, S>]) -> Result<()> {
        self.known
            .retain(|(known, _)| wanted.iter().any(|interest| interest.source == *known));
        for interest in wanted {
            self.want_one(interest)
                .op("wait for", format_args!("{:?}", interest.source))?;
        }
        Ok(())
    }

    fn want_one(&mut self, interest: &Interest<'_, S>) -> rustix::io::Result<()> {
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
    pub(crate) fn wait(&mut self, most: Option<&Timespec>) -> Result<Vec<(S, EventFlags)>> {
        let mut events: Vec<Event> = Vec::with_capacity(BATCH);
        let room = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&self.epoll, room, most) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e).op("wait for", "events"),
        }
        let events = events.iter().filter_map(|event| {
            let source = S::of_data(event.data.u64())?;
            Some((source, event.flags))
        });
        Ok(events.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Only;

    impl Source for Only {
        fn data(self) -> u64 {
            7
        }

        fn of_data(data: u64) -> Option<Only> {
            (data == 7).then_some(Only)
        }
    }

    #[test]
    fn the_set_follows_what_is_wanted() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let mut poller = Poller::new().unwrap();
        let none = Timespec::default();
        let interest = |flags| Interest {
            source: Only,
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
}
