//! `tare restart`: stop containers and start them again.

use super::{CONTAINERS, Verb, each_container};
use crate::low::Low;
use crate::session::Session;
use std::process::ExitCode;
use tare_engine::container::request::{parse_seconds, parse_signal};
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "restart",
    about: "stop containers and start them again",
    operands: CONTAINERS,
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let signal = low.parsed("signal", parse_signal)?;
    let seconds = low.parsed("time", parse_seconds)?;
    each_container(low, session, |engine, name| {
        engine.restart_container(name, signal, seconds)
    })
}
