//! `tare volume rm`: volumes that no container uses go.

use crate::low::Low;
use crate::output;
use crate::session::Session;
use crate::verbs::{Operands, Verb, each};
use std::process::ExitCode;
use tare_error::{Kind, Result};

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "volume rm",
    about: "remove volumes",
    operands: Operands::Many("VOLUME", "a name"),
    heading: "",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let force = low.switch("force");
    let names = low.operands()?;
    let engine = session.engine()?;
    each(&engine, &names, |name| {
        match engine.remove_volume(name) {
            Err(e) if force && e.kind() == Kind::NotFound => {}
            removed => removed?,
        }
        output::say(&format!("{name}\n"));
        Ok(())
    })
}
