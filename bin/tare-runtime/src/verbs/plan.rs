//! `plan`: the steps by which a bundle's container would be made.

use crate::output;
use crate::reading::Arguments;
use std::process::ExitCode;
use tare_error::Result;
use tare_lifecycle::Bundle;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(1)?;
    let bundle = Bundle::read(arguments.bundle())?;
    let id = arguments.operands.first().map_or("container", String::as_str);
    output::print(&bundle.plan(id, &[])?.to_string());
    Ok(ExitCode::SUCCESS)
}
