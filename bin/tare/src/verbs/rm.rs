//! `tare rm`: containers go.

use super::{CONTAINERS, Verb, each_container};
use crate::low::Low;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "rm",
    about: "remove containers",
    operands: CONTAINERS,
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let (force, volumes) = (low.switch("force"), low.switch("volumes"));
    each_container(low, session, |engine, name| {
        engine.remove_container(name, force, volumes).map(drop)
    })
}
