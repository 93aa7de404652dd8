//! `tare version`: what this program is.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "version",
    about: "say what this program is",
    operands: Operands::None,
    heading: "About",
    needs_engine: false,
    run,
};

fn run(low: &Low<'_>, _session: &Session) -> Result<ExitCode> {
    let facts = [
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        (
            "Platform",
            format!("linux/{}", tare_engine::container::facts::architecture()),
        ),
        ("Runtime spec", tare_spec_oci::VERSION.to_owned()),
    ];
    if low.switch("json") {
        let members: Vec<String> = facts
            .iter()
            .map(|(name, text)| format!("  {:?}: {text:?}", name.replace(' ', "")))
            .collect();
        return Ok(output::say(&format!("{{\n{}\n}}\n", members.join(",\n"))));
    }
    let lines: String = facts
        .iter()
        .map(|(name, text)| format!("{name:<13} {text}\n"))
        .collect();
    Ok(output::say(&lines))
}
