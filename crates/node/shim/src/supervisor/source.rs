//! What the supervisor of the engine's pods listens to.

use crate::poller;
use crate::protocol::Stream;

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
}

impl poller::Source for Source {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poller::Source as _;

    #[test]
    fn sources_come_back_from_epolls_data() {
        for source in SINGLE.into_iter().chain([0, 1, u32::MAX].map(Source::Peer)) {
            assert_eq!(Source::of_data(source.data()), Some(source));
        }
        assert_eq!(Source::of_data(u64::MAX), None);
    }
}
