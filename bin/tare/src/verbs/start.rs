//! `tare start`: start containers that do not run.

use super::{CONTAINERS, Verb, each_container};
use crate::low::Low;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "start",
    about: "start containers that do not run",
    operands: CONTAINERS,
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    each_container(low, session, |engine, name| {
        engine.start_container(name).map(drop)
    })
}
