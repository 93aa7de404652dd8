//! Which signals the two sides take as messages.

use rustix::fd::{AsFd, BorrowedFd};
use rustix::process::Signal;
use std::cell::Cell;
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
pub(crate) struct Signals {
    reception: Reception,
    /// Whether some may have gone by while a program was started.
    missed: Cell<bool>,
}

impl Signals {
    /// What an attached client passes on.
    pub(crate) fn proxied() -> Result<Signals> {
        let mut numbers: Vec<i32> = PROXIED.iter().map(|s| s.as_raw()).collect();
        numbers.extend(tare_signal::real_time());
        Reception::open(&numbers)
            .op("open", "the signals to pass on")
            .map(Signals::of)
    }

    /// What a client hears that passes none on: of its terminal.
    pub(crate) fn of_terminal() -> Result<Signals> {
        let numbers = [Signal::WINCH, Signal::CONT].map(Signal::as_raw);
        Reception::open(&numbers)
            .op("open", "the signals of the terminal")
            .map(Signals::of)
    }

    /// What a supervisor notes and otherwise ignores.
    pub(crate) fn of_supervisor() -> Result<Signals> {
        tare_signal::unblock_all().op("unblock", "all signals")?;
        let numbers = SUPERVISOR.map(Signal::as_raw);
        Reception::open(&numbers)
            .op("open", "the signals to ignore")
            .map(Signals::of)
    }

    fn of(reception: Reception) -> Signals {
        Signals {
            reception,
            missed: Cell::new(false),
        }
    }

    /// Hears of the ends of children too.
    pub(crate) fn hear_of_children(&mut self) -> Result<()> {
        self.reception
            .add(Signal::CHILD.as_raw())
            .op("open", "the signal of children")
    }

    /// The same in a supervisor that another one has become.
    pub(crate) fn of_successor() -> Result<Signals> {
        let numbers = SUPERVISOR.map(Signal::as_raw);
        Reception::reopen(&numbers)
            .op("open", "the signals to ignore")
            .map(Signals::of)
    }

    /// The number of the next signal that arrived.
    pub(crate) fn next(&self) -> Option<i32> {
        self.reception.next()
    }

    /// Starts a program that blocks no signal.
    pub(crate) fn released<T>(&self, start: impl FnOnce() -> T) -> Result<T> {
        self.missed.set(true);
        self.reception.released(start).op("unblock", "signals")
    }

    /// Whether a signal may have gone by unheard since this was last asked.
    pub(crate) fn may_have_missed(&self) -> bool {
        self.missed.take()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reception.as_fd()
    }
}
