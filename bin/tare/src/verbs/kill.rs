//! `tare kill`: send containers a signal.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::process::ExitCode;
use tare_engine::container::request::parse_signal;
use tare_error::Result;

/// What is sent where nobody says.
const KILL: i32 = 9;

pub(super) const VERB: Verb = Verb {
    name: "kill",
    about: "send containers a signal",
    operands: Operands::Many("CONTAINER", "a name, an id, or the beginning of one"),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let signal = low.parsed("signal", parse_signal)?.unwrap_or(KILL);
    let names = low.operands()?;
    let engine = session.engine()?;
    super::each(&names, |name| {
        engine.kill_container(name, signal)?;
        output::say(&format!("{name}\n"));
        Ok(())
    })
}
