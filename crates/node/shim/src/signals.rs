//! Which signals the two sides take as messages.

use rustix::fd::{AsFd, BorrowedFd};
use rustix::process::Signal;
use tare_error::{Context, Result};
use tare_signal::Reception;

/// What an attached client passes on, besides the real-time signals: what docker's `--sig-proxy` passes on, without
/// those that the kernel sends for the client's own sake (`CHLD PIPE URG TTIN TTOU` and faults).
const PROXIED: [Signal; 14] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::TERM,
    Signal::CONT,
    Signal::TSTP,
    Signal::WINCH,
    Signal::IO,
    Signal::POWER,
    Signal::VTALARM,
    Signal::PROF,
];

/// What a supervisor does not die of: it belongs to its pod, and its pod's end is its own.
const SUPERVISOR: [Signal; 7] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::TERM,
];

/// Signals that are read instead of acted on, until dropped.
#[derive(Debug)]
pub(crate) struct Signals(Reception);

impl Signals {
    /// What an attached client passes on.
    pub(crate) fn proxied() -> Result<Signals> {
        let mut numbers: Vec<i32> = PROXIED.iter().map(|s| s.as_raw()).collect();
        numbers.extend(tare_signal::real_time());
        Ok(Signals(
            Reception::open(&numbers).op("open", "the signals to pass on")?,
        ))
    }

    /// What a supervisor notes and otherwise ignores.
    pub(crate) fn of_supervisor() -> Result<Signals> {
        tare_signal::unblock_all().op("unblock", "all signals")?;
        let numbers = SUPERVISOR.map(Signal::as_raw);
        Ok(Signals(
            Reception::open(&numbers).op("open", "the signals to ignore")?,
        ))
    }

    /// The number of the next signal that arrived.
    pub(crate) fn next(&self) -> Option<i32> {
        self.0.next()
    }

    /// Starts a program that blocks no signal.
    pub(crate) fn released<T>(&self, start: impl FnOnce() -> T) -> Result<T> {
        self.0.released(start).op("unblock", "signals")
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
