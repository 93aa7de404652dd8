//! `start`: starts a created container.

use crate::output;
use crate::reading::Arguments;
use std::process::ExitCode;
use tare_error::{Report, Result};

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(1)?;
    let container = arguments.home().container(&arguments.id()?)?;
    match container.start() {
        // A container without a process has nothing to run: it has stopped, which is said, and is no failure of ours.
        // The specification asks for an error, its validation suite and crun for success.
        Err(e) if container.spec()?.process.is_none() => {
            output::tell(&format!("tare-runtime: {}", Report::new(&e)))
        }
        started => started?,
    }
    Ok(ExitCode::SUCCESS)
}
