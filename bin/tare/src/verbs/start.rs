//! `tare start`: start containers that do not run.

use super::{Operands, Verb, each_container};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::{Error, Kind, Result};

pub(super) const VERB: Verb = Verb {
    name: "start",
    about: "start containers that do not run",
    operands: Operands::Any("CONTAINER", "a name, an id, or the beginning of one"),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let interactive = low.switch("interactive");
    let names = low.operands()?;
    if low.switch("due") {
        return due(&names, session);
    }
    if names.is_empty() {
        return Err(Error::new(Kind::Invalid, "start", "")
            .because("no container was named")
            .hint("give names or ids: `tare ps -a` lists them"));
    }
    if !low.switch("attach") && !interactive {
        return each_container(low, session, |engine, name| {
            engine.start_container(name).map(drop)
        });
    }
    let [name] = names.as_slice() else {
        return Err(Error::new(Kind::Invalid, "start", names.join(" "))
            .because("you cannot start and attach multiple containers at once"));
    };
    let engine = session.engine()?;
    let manner = super::attach::manner(low)?;
    if engine.container(name)?.status.lives() {
        return super::attach::join(&engine, name, interactive, &manner);
    }
    let verbose = low.count("verbose") > 0;
    let container = engine
        .start_attached(name, interactive)
        .inspect_err(|_| super::why::tell(&engine, name, verbose))?;
    super::run::attended(&engine, container, &manner, verbose)
}

/// What is to run since the machine was started, or is due again.
fn due(names: &[&str], session: &Session) -> Result<ExitCode> {
    if !names.is_empty() {
        return Err(Error::new(Kind::Invalid, "start", names.join(" "))
            .because("--due starts all that are due, and takes no names"));
    }
    let engine = session.engine_as_it_is()?;
    for text in engine.reconcile()? {
        output::warn(&text);
    }
    let mut code = ExitCode::SUCCESS;
    for (name, started) in engine.start_due()? {
        match started {
            Ok(()) => drop(output::say(&format!("{name}\n"))),
            Err(e) => code = output::fail(&engine.about_storage(e), false),
        }
    }
    Ok(code)
}
