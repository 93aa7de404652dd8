//! `tare run`: makes a container of an image, runs it in the foreground, and ends as it ended.

use super::{Operands, Verb};
use crate::high;
use crate::low::Low;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::{Error, Kind, Result};

pub(super) const VERB: Verb = Verb {
    name: "run",
    about: "run a command in a new container",
    operands: Operands::Command(
        "IMAGE [COMMAND] [ARG...]",
        "an image, then a command in place of its own",
    ),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let request = high::run_request(low, session)?;
    Err(Error::new(Kind::Unsupported, "run", &request.image).because("containers are not wired yet"))
}
