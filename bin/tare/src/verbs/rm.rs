//! `tare rm`: containers go.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "rm",
    about: "remove containers",
    operands: Operands::Many("CONTAINER", "a name, an id, or the beginning of one"),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let (names, force) = (low.operands()?, low.switch("force"));
    let engine = session.engine()?;
    super::each(&names, |name| {
        engine.remove_container(name, force)?;
        output::say(&format!("{name}\n"));
        Ok(())
    })
}
