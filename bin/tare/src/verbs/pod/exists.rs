//! `tare pod exists`: whether there is such a pod, as an exit code.

use crate::low::Low;
use crate::session::Session;
use crate::verbs::{Operands, Verb};
use std::process::ExitCode;
use tare_error::Result;

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "pod exists",
    about: "end with 0 where there is such a pod, else with 1",
    operands: Operands::One("POD", "a name, an id, or the beginning of one"),
    heading: "",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let name = low.operands()?.first().copied().unwrap_or_default();
    Ok(match session.engine()?.pod_exists(name)? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
