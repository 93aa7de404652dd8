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
    Ok(output::facts(&facts, low.switch("json")))
}
