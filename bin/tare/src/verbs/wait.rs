//! `tare wait`: wait until containers end, and print their exit codes.

use super::{CONTAINERS, Verb};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "wait",
    about: "wait until containers end, and print their exit codes",
    operands: CONTAINERS,
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let names = low.operands()?;
    let engine = session.engine()?;
    super::each(&engine, &names, |name| {
        let code = engine.wait_container(name)?;
        output::say(&format!("{code}\n"));
        Ok(())
    })
}
