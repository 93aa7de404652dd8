//! `tare completion SHELL`: a completion script, generated from the tables.

use super::{Operands, Verb};
use crate::low::Low;
use crate::session::Session;
use crate::{commands, output};
use clap_complete::Shell;
use std::process::ExitCode;
use tare_error::{Error, Kind, Result};

pub(super) const VERB: Verb = Verb {
    name: "completion",
    about: "print a completion script for bash, elvish, fish, powershell or zsh",
    operands: Operands::One("SHELL", "the shell it is for"),
    heading: "About",
    needs_engine: false,
    run,
};

fn run(low: &Low<'_>, _session: &Session) -> Result<ExitCode> {
    let shell = low.operands()?.pop().unwrap_or_default();
    let shell: Shell = shell.parse().map_err(|_| {
        Error::new(Kind::Invalid, "complete for shell", shell)
            .because("there is no such one")
            .hint("it is one of bash, elvish, fish, powershell, zsh")
    })?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut commands::whole(), "tare", &mut script);
    Ok(output::say(&String::from_utf8_lossy(&script)))
}
