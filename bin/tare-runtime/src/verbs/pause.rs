//! `pause` and `resume`.

use crate::reading::Arguments;
use std::process::ExitCode;
use tare_error::Result;

pub(crate) fn pause(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(1)?;
    arguments.home().container(&arguments.id()?)?.pause()?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn resume(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(1)?;
    arguments.home().container(&arguments.id()?)?.resume()?;
    Ok(ExitCode::SUCCESS)
}
