//! `tare kill`: send containers a signal.

use super::{CONTAINERS, Verb, each_container};
use crate::low::Low;
use crate::session::Session;
use std::process::ExitCode;
use tare_engine::container::request::parse_signal;
use tare_error::Result;

/// What is sent where nobody says.
const KILL: i32 = 9;

pub(super) const VERB: Verb = Verb {
    name: "kill",
    about: "send containers a signal",
    operands: CONTAINERS,
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let signal = low.parsed("signal", parse_signal)?.unwrap_or(KILL);
    each_container(low, session, |engine, name| engine.kill_container(name, signal))
}
