//! `tare exec`: a further process in a container that runs.

use super::{Operands, Verb};
use crate::high;
use crate::low::Low;
use crate::session::Session;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::process::ExitCode;
use tare_error::{Error, Kind, Result};
use tare_shim::Attach;

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
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        asked.size = size.map(|size| (size.ws_row, size.ws_col));
    }
    let engine = session.engine()?;
    if low.switch("detach") {
        engine.execute(container, &asked, None)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let attach = Attach {
        stdin: asked.interactive.then(|| stdin.as_fd()),
        stdout: stdout.as_fd(),
        stderr: stderr.as_fd(),
        terminal: asked.terminal && stdin.is_terminal(),
    };
    let executed = engine.execute(container, &asked, Some(&attach))?;
    Ok(ExitCode::from(executed.map_or(0, |executed| executed.code)))
}
