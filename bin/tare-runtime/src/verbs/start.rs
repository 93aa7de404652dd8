//! `start`: starts a created container.

use crate::reading::Arguments;
use std::process::ExitCode;
use tare_error::Result;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(1)?;
    arguments.home().container(&arguments.id()?)?.start()?;
    Ok(ExitCode::SUCCESS)
}
