//! `run`: creates and starts a container, and unless detached waits for its end and deletes it.

use super::create::make;
use crate::reading::Arguments;
use crate::terminal;
use std::process::ExitCode;
use tare_error::{Context, Result};
use tare_signal::Reception;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(1)?;
    let detached = arguments.has("detach");
    let made = make(arguments, detached)?;
    // From here on a signal is the program's.
    let signals = Reception::open(terminal::FORWARDED).op("receive", "signals")?;
    let started = made.container.start();
    if detached && started.is_ok() {
        return Ok(ExitCode::SUCCESS);
    }
    if started.is_err() {
        terminal::empty(made.terminal.as_ref());
    }
    let ended = started.and_then(|()| {
        terminal::accompany(&made.process, made.terminal.as_ref(), &signals)?;
        terminal::exit_code(&made.process)
    });
    let keep = arguments.has("keep") && ended.is_ok();
    let deleted = if keep { Ok(()) } else { made.container.delete(true) };
    match (ended, deleted) {
        (Ok(code), Ok(())) => Ok(ExitCode::from(code)),
        (Ok(_), Err(e)) | (Err(e), Ok(())) => Err(e),
        (Err(e), Err(also)) => Err(e.also(also)),
    }
}
