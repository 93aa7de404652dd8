//! `tare inspect`: containers and images in full, as JSON.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::{Error, Kind, Result};

pub(super) const VERB: Verb = Verb {
    name: "inspect",
    about: "show containers or images in full, as JSON",
    operands: Operands::Many("NAME", "a container or an image, by name or id"),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let names = low.operands()?;
    let engine = session.engine()?;
    let mut found = Vec::new();
    for name in names {
        found.push(match engine.inspect_container(name) {
            Err(e) if e.kind() == Kind::NotFound => engine.inspect_image(name)?,
            other => other?,
        });
    }
    let text = serde_json::to_string_pretty(&found)
        .map_err(|e| Error::new(Kind::Internal, "print", "JSON").from_source(e))?;
    Ok(output::say(&format!("{text}\n")))
}
