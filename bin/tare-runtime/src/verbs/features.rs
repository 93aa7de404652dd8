//! `features`: what this program can do.

use crate::output;
use crate::reading::Arguments;
use std::process::ExitCode;
use tare_error::Result;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(0)?;
    output::print_json(&tare_lifecycle::features())?;
    Ok(ExitCode::SUCCESS)
}
