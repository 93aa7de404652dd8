//! `tare reap ID` (hidden): clears away a container whose client is gone; its supervisor calls it.

use super::{Operands, Verb};
use crate::low::Low;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "reap",
    about: "clear away a container whose client is gone",
    operands: Operands::One("ID", "its whole id"),
    heading: "",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let id = low.operands()?.pop().unwrap_or_default();
    session.engine_as_it_is()?.reap(id)?;
    Ok(ExitCode::SUCCESS)
}
