//! `tare volume inspect`: volumes in full, as JSON.

use crate::low::Low;
use crate::output;
use crate::session::Session;
use crate::verbs::{Operands, Verb};
use std::process::ExitCode;
use tare_error::{Error, Kind, Result};
use tare_template::Template;

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "volume inspect",
    about: "show volumes in full, as JSON",
    operands: Operands::Many("VOLUME", "a name"),
    heading: "",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let names = low.operands()?;
    let engine = session.engine()?;
    let found: Vec<_> = names
        .iter()
        .map(|name| engine.volume(name).map(|volume| volume.in_full()))
        .collect::<Result<_>>()?;
    if let Some(format) = low.text("format")?.filter(|format| *format != "json") {
        let template = Template::parse(format)?;
        return Ok(output::say(&output::per_object(&template, &found)?));
    }
    let text = serde_json::to_string_pretty(&found)
        .map_err(|e| Error::new(Kind::Internal, "print", "JSON").from_source(e))?;
    Ok(output::say(&format!("{text}\n")))
}
