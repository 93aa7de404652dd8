//! `tare health ID WORD` (hidden): writes down that a container's health has changed; its supervisor calls it.

use super::{Operands, Verb};
use crate::low::Low;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "health",
    about: "write down that a container's health has changed",
    operands: Operands::Two(["ID", "WORD"], "its whole id, and what its health is now"),
    heading: "",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let operands = low.operands()?;
    if let [id, word] = operands.as_slice() {
        session.engine_as_it_is()?.note_health(id, word)?;
    }
    Ok(ExitCode::SUCCESS)
}
