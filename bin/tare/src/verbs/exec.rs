//! `tare exec`: a further process in a container that runs.

use super::{Operands, Verb};
use crate::high;
use crate::low::Low;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::{Error, Kind, Result};

pub(super) const VERB: Verb = Verb {
    name: "exec",
    about: "run a further command in a container that runs",
    operands: Operands::Command("CONTAINER COMMAND [ARG...]", "a container, then a command"),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let mut asked = high::execute(low, session)?;
    let container = low.operands()?.first().copied().unwrap_or_default();
    if asked.command.is_empty() {
        return Err(Error::new(Kind::Invalid, "exec in container", container)
            .because("there is no command")
            .hint(format!("give one: tare exec {container} COMMAND")));
    }
    if asked.terminal {
        asked.size = super::terminal_size();
    }
    let engine = session.engine()?;
    if low.switch("detach") {
        engine.execute(container, &asked, None)?;
        return Ok(ExitCode::SUCCESS);
    }
    let manner = super::attach::manner(low)?;
    let executed = super::with_streams(asked.interactive, asked.terminal, |streams| {
        engine.execute(container, &asked, Some((streams, &manner)))
    })?;
    Ok(ExitCode::from(executed.map_or(0, |executed| executed.code)))
}
