//! `tare unpause`: let containers go on that are paused.

use super::{CONTAINERS, Verb, each_container};
use crate::low::Low;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "unpause",
    about: "let containers go on that are paused",
    operands: CONTAINERS,
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    each_container(low, session, |engine, name| engine.freeze_container(name, false))
}
