//! `run`: creates and starts a container, and unless detached waits for its end and deletes it.

use super::create::make;
use crate::reading::Arguments;
use crate::terminal;
use std::process::ExitCode;
use tare_error::{Context, Result};
use tare_lifecycle::Made;
use tare_signal::Reception;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(1)?;
    let detached = arguments.has("detach");
    let mut made = make(arguments, detached)?;
    // From here on a signal is the program's.
    let signals = Reception::open(terminal::FORWARDED).op("receive", "signals")?;
    let started = made.container.start();
    if detached && started.is_ok() {
        return Ok(ExitCode::SUCCESS);
    }
    let ended = started.and_then(|()| wait(&mut made, &signals));
    let keep = arguments.has("keep") && ended.is_ok();
    let deleted = if keep { Ok(()) } else { made.container.delete(true) };
    match (ended, deleted) {
        (Ok(code), Ok(())) => Ok(ExitCode::from(code)),
        (Ok(_), Err(e)) | (Err(e), Ok(())) => Err(e),
        (Err(e), Err(also)) => Err(e.also(also)),
    }
}

/// Waits for the end of the first process; its exit code, or 128 and the signal that ended it.
fn wait(made: &mut Made, signals: &Reception) -> Result<u8> {
    terminal::accompany(&made.process, made.terminal.as_ref(), signals)?;
    let status = made.process.wait().op("wait for", made.container.id())?;
    let code = status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|n| 128 + n));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(255))
}
