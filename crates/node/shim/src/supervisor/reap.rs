//! The last act where no client cleans up: execute the engine's own clean-up, and be gone.

use crate::signals::Signals;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use tare_error::{Context, Result};

/// Executes the clean-up, detached: in a process group of its own, without our streams. Nobody waits for it.
pub(super) fn start(signals: &Signals, argv: &[String]) -> Result<()> {
    let Some((program, arguments)) = argv.split_first() else {
        return Ok(());
    };
    let mut command = Command::new(program);
    command.args(arguments).process_group(0);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    signals
        .released(|| command.spawn())?
        .op("execute", program)
        .map(drop)
}
