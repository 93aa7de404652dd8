//! `checkpoint` and `restore`: not supported.

use crate::reading::Arguments;
use std::process::ExitCode;
use tare_error::{Error, Kind, Result};

/// The one answer, whatever is asked.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let verb = arguments.verb.map_or("", |verb| verb.name);
    Err(Error::new(Kind::Unsupported, verb, "a container")
        .because("checkpoint and restore are not supported by tare-runtime"))
}
