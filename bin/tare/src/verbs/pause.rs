//! `tare pause`: have containers stand still.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "pause",
    about: "have containers stand still",
    operands: Operands::Many("CONTAINER", "a name, an id, or the beginning of one"),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let names = low.operands()?;
    let engine = session.engine()?;
    super::each(&names, |name| {
        engine.freeze_container(name, true)?;
        output::say(&format!("{name}\n"));
        Ok(())
    })
}
