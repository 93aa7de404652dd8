//! `tare stop`: ask containers to end, and kill those that do not.

use super::{CONTAINERS, Verb, each_container};
use crate::low::Low;
use crate::session::Session;
use std::process::ExitCode;
use tare_engine::container::request::{parse_seconds, parse_signal};
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "stop",
    about: "ask containers to end, and kill those that do not",
    operands: CONTAINERS,
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let signal = low.parsed("signal", parse_signal)?;
    let seconds = low.parsed("time", parse_seconds)?;
    each_container(low, session, |engine, name| {
        engine.stop_container(name, signal, seconds)
    })
}
