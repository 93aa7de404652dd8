//! **What.** The user's command: options in, the engine's library called, results and errors out.
//!
//! **Not.** No logic that another door (daemon, API) would need: that is the engine's. No system calls of its own.
//!
//! **Words.** *Verb*: the word after `tare`. *Low*: what was typed. *High*: what was meant. *Session*: where things
//! are, for one call of the program.
//!
//! **Life.** environment and arguments read once → tables make the parser → verb → engine → exit code.
//!
//! **Rules.** stdout is for results alone; progress, warnings and errors go to stderr. An error is one sentence, with
//! a `hint:` line where there is something to do. The exit code is the container's own, or 125, 126 or 127.

mod commands;
mod complaint;
mod confirm;
mod environment;
mod high;
mod low;
mod options;
mod output;
mod progress;
mod session;
mod verbs;

use clap::ArgMatches;
use clap::error::ErrorKind;
use environment::Environment;
use low::Low;
use session::Session;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::SystemTime;
use tare_error::{Error, Kind, Result};

/// musl's own gives memory back and takes it again for almost every list that grows: a fifth of a short command's CPU.
#[global_allocator]
static ALLOCATOR: tare_heap::Heap = tare_heap::Heap;

fn main() -> ExitCode {
    let started = SystemTime::now();
    let environment = Environment::of_process();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match commands::for_arguments(&arguments).try_get_matches_from(&arguments) {
        Ok(typed) => act(&typed, environment, started),
        Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            output::say(&e.render().to_string())
        }
        Err(e) if e.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            output::tell(&e.render().to_string());
            ExitCode::from(Kind::Invalid.exit_code())
        }
        Err(e) => output::fail(&complaint::about(&e), false),
    }
}

/// Runs the verb that was typed.
fn act(typed: &ArgMatches, environment: Environment, started: SystemTime) -> ExitCode {
    let Some((verb, of_verb)) = verbs::chosen(typed) else {
        return output::fail(
            &Error::new(Kind::Invalid, "read command line", "").because("no command"),
            false,
        );
    };
    let low = Low::new(verb.name, of_verb, typed);
    let verbose = low.count("verbose") > 0;
    let done = prepare(verb, &low, environment, started)
        .and_then(|session| (verb.run)(&low, &session).map_err(|e| session.about_storage(e)));
    match done {
        Ok(code) => code,
        Err(e) => output::fail(&e, verbose),
    }
}

/// What every verb needs before it acts.
fn prepare(
    verb: &verbs::Verb,
    low: &Low<'_>,
    environment: Environment,
    started: SystemTime,
) -> Result<Session> {
    if verb.needs_engine {
        // An ordinary user's command goes on as root of a user namespace; what follows is the same for both.
        let ordinary = !rustix::process::geteuid().is_root();
        let beside = ordinary
            .then(|| verbs::neighbour(verb, low, &environment))
            .flatten();
        match beside {
            Some(pid) => tare_process::rootless::join(pid)?,
            None => tare_process::rootless::enter()?,
        };
    }
    let session = Session::open(low, environment, started)?;
    tare_telemetry::start(session.log_level, session.log_format);
    Ok(session)
}

#[cfg(test)]
mod tests;
