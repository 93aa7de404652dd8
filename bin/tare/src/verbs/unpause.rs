//! `tare unpause`: let containers go on that are paused.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "unpause",
    about: "let containers go on that are paused",
    operands: Operands::Many("CONTAINER", "a name, an id, or the beginning of one"),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let names = low.operands()?;
    let engine = session.engine()?;
    super::each(&names, |name| {
        engine.freeze_container(name, false)?;
        output::say(&format!("{name}\n"));
        Ok(())
    })
}
