//! **What.** The OCI runtime as a command: runc's verbs and options over `tare-lifecycle`.
//!
//! **Not.** No logic that another door would need, no executor, no network beyond the sockets it is given.
//!
//! **Words.** *Verb*: what is to be done (`create`). *Operand*: an argument that is no option. All other words are the
//! specification's.
//!
//! **Life.** Arguments are read by one table → the verb runs → what failed goes to the log and to standard error.
//!
//! **Rules.** Whatever forks a container's process runs sealed. Standard output holds what was asked for and nothing
//! else. Exit codes are runc's: 1 where the runtime failed (exec: 255), else the process's own.

mod help;
mod log;
mod options;
mod output;
mod reading;
mod terminal;
mod verbs;

use log::Log;
use reading::Arguments;
use std::process::ExitCode;
use tare_error::Error;
use tare_sys::Arena;

#[global_allocator]
static MEMORY: Arena = Arena::new();

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let log = Log::of(&words);
    match run(words) {
        Ok(code) => code,
        Err((failure, code)) => {
            log.error(&failure);
            ExitCode::from(code)
        }
    }
}

/// What was asked for; or the error, and the code that says so.
fn run(words: Vec<std::ffi::OsString>) -> Result<ExitCode, (Error, u8)> {
    let arguments = Arguments::read(words).map_err(|e| (e, 1))?;
    if arguments.has("version") {
        output::print(&help::version());
        return Ok(ExitCode::SUCCESS);
    }
    let Some(verb) = arguments.verb.filter(|_| !arguments.has("help")) else {
        output::print(&help::text(arguments.verb));
        return Ok(ExitCode::SUCCESS);
    };
    let log = &arguments.log;
    let ended = (verb.run)(&arguments).map_err(|e| (e, verb.failed));
    // Once: what runs sealed has executed itself anew.
    log.debug(|| {
        let how = if ended.is_ok() { "well" } else { "with an error" };
        let version = help::version().trim().replace('\n', ", ");
        format!(
            "{} {}: ended {how} ({version})",
            verb.name,
            arguments.operands.join(" ")
        )
    });
    ended
}
