//! What the supervisor under containerd listens to.

use super::stdio::Part;
use crate::poller;

/// What it listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The socket for containerd's connections.
    Listener,
    /// Signals sent to the supervisor.
    Signals,
    /// The connection to containerd's events.
    Publisher,
    /// A program that proves itself.
    Upgrade,
    /// A command that cleans up, by its pid.
    Reaper(u32),
    /// What a health check says, by its number.
    Health(u32),
    /// A connection, by its number.
    Connection(u32),
    /// A process being made or started, by its number: the fd whose turn it is.
    Making(u32, u32),
    /// A foreign runtime's command, by its number: the turn.
    Errand(u32, u32),
    /// The first process of the pod's pid namespace.
    Sandbox,
    /// A process.
    End(u32),
    /// The memory of a container, by its first process.
    Memory(u32),
    /// A process's terminal, or what is kept of its output.
    Stream(u32, Part),
}

/// How many bits tell the kinds apart; numbers follow above, then turns.
const BITS: u32 = 4;
const NUMBER: u32 = 32;

impl poller::Source for Source {
    fn data(self) -> u64 {
        let (kind, number) = match self {
            Source::Listener => (0, 0),
            Source::Signals => (1, 0),
            Source::Publisher => (2, 0),
            Source::Sandbox => (13, 0),
            Source::Reaper(pid) => (14, pid),
            Source::Health(number) => (15, number),
            Source::Connection(number) => (3, number),
            Source::Making(number, turn) => {
                return u64::from(turn) << (NUMBER + BITS) | u64::from(number) << BITS | 4;
            }
            Source::Errand(number, turn) => {
                return u64::from(turn) << (NUMBER + BITS) | u64::from(number) << BITS | 10;
            }
            Source::End(number) => (5, number),
            Source::Memory(number) => (6, number),
            Source::Stream(number, Part::Terminal) => (7, number),
            Source::Stream(number, Part::Input) => (8, number),
            Source::Stream(number, Part::Output) => (9, number),
            Source::Stream(number, Part::Log(turn)) => {
                return u64::from(turn) << (NUMBER + BITS) | u64::from(number) << BITS | 11;
            }
            Source::Upgrade => (12, 0),
        };
        u64::from(number) << BITS | kind
    }

    fn of_data(data: u64) -> Option<Source> {
        let number = u32::try_from(data >> BITS & u64::from(u32::MAX)).ok()?;
        let turn = u32::try_from(data >> (NUMBER + BITS)).ok()?;
        Some(match data & ((1 << BITS) - 1) {
            4 => Source::Making(number, turn),
            11 => Source::Stream(number, Part::Log(turn)),
            10 => Source::Errand(number, turn),
            _ if turn > 0 => return None,
            0 => Source::Listener,
            1 => Source::Signals,
            2 => Source::Publisher,
            13 => Source::Sandbox,
            14 => Source::Reaper(number),
            15 => Source::Health(number),
            3 => Source::Connection(number),
            5 => Source::End(number),
            6 => Source::Memory(number),
            7 => Source::Stream(number, Part::Terminal),
            8 => Source::Stream(number, Part::Input),
            9 => Source::Stream(number, Part::Output),
            12 => Source::Upgrade,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poller::Source as _;

    #[test]
    fn sources_come_back_from_epolls_data() {
        for number in [0, 1, u32::MAX] {
            for source in [
                Source::Connection(number),
                Source::Making(number, 0),
                Source::Making(number, 77),
                Source::Errand(number, 3),
                Source::End(number),
                Source::Health(number),
                Source::Reaper(number),
                Source::Memory(number),
                Source::Stream(number, Part::Terminal),
                Source::Stream(number, Part::Input),
                Source::Stream(number, Part::Output),
                Source::Stream(number, Part::Log(5)),
            ] {
                assert_eq!(Source::of_data(source.data()), Some(source));
            }
        }
        for source in [
            Source::Listener,
            Source::Signals,
            Source::Publisher,
            Source::Upgrade,
            Source::Sandbox,
        ] {
            assert_eq!(Source::of_data(source.data()), Some(source));
        }
        assert_eq!(Source::of_data(u64::MAX), None);
    }
}
