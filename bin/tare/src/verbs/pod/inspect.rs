//! `tare pod inspect`: pods in full, as JSON.

use crate::low::Low;
use crate::output;
use crate::session::Session;
use crate::verbs::{Operands, Verb};
use std::process::ExitCode;
use tare_error::{Error, Kind, Result};
use tare_template::Template;

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "pod inspect",
    about: "show pods in full, as JSON",
    operands: Operands::Many("POD", "a name, an id, or the beginning of one"),
    heading: "",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let names = low.operands()?;
    let engine = session.engine()?;
    let found: Vec<_> = names
        .iter()
        .map(|name| engine.inspect_pod(name))
        .collect::<Result<_>>()?;
    if let Some(format) = low.text("format")?.filter(|format| *format != "json") {
        let template = Template::parse(format)?;
        return Ok(output::say(&output::per_object(&template, &found)?));
    }
    // podman's: one alone is no list.
    let text = match found.as_slice() {
        [one] => serde_json::to_string_pretty(one),
        all => serde_json::to_string_pretty(all),
    };
    let text = text.map_err(|e| Error::new(Kind::Internal, "print", "JSON").from_source(e))?;
    Ok(output::say(&format!("{text}\n")))
}
