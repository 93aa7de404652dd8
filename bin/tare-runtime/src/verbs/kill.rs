//! `kill`: sends a signal.

use crate::reading::Arguments;
use std::process::ExitCode;
use tare_error::{Error, Kind, Result};

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(2)?;
    let container = arguments.home().container(&arguments.id()?)?;
    let text = arguments.operands.get(1).map_or("TERM", String::as_str);
    let signal = tare_signal::number(text.trim_start_matches('-')).ok_or_else(|| {
        Error::new(Kind::Invalid, "read signal", format!("{text:?}"))
            .because("there is no such signal")
            .hint("give a number, or a name like TERM or RTMIN+3")
    })?;
    if arguments.has("all") {
        container.signal_all(signal)?;
    } else {
        container.signal(signal)?;
    }
    Ok(ExitCode::SUCCESS)
}
