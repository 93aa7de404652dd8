//! `tare rename`: give a container another name.

use super::{Operands, Verb};
use crate::low::Low;
use crate::session::Session;
use std::process::ExitCode;
use tare_engine::container::request::Name;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "rename",
    about: "give a container another name",
    operands: Operands::Two(["CONTAINER", "NAME"], "a container, and its name from now on"),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let [container, name] = low.operands()?.try_into().unwrap_or_default();
    session
        .engine()?
        .rename_container(container, &Name::parse(name)?)?;
    Ok(ExitCode::SUCCESS)
}
