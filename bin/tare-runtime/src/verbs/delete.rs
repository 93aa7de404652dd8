//! `delete`: removes whatever is left of a container.

use crate::reading::Arguments;
use std::process::ExitCode;
use tare_error::{Kind, Result};

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(1)?;
    let force = arguments.has("force");
    match arguments.home().container(&arguments.id()?) {
        Err(e) if force && e.kind() == Kind::NotFound => {}
        container => container?.delete(force)?,
    }
    Ok(ExitCode::SUCCESS)
}
