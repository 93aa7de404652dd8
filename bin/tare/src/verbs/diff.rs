//! `tare diff`: what a container has written.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::fmt::Write as _;
use std::process::ExitCode;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "diff",
    about: "list what a container has added (A), changed (C) and deleted (D)",
    operands: Operands::One("CONTAINER", "a name, an id, or the beginning of one"),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let name = low.operands()?.pop().unwrap_or_default();
    let mut text = String::new();
    for change in session.engine()?.changes_of(name)? {
        // A name with a line's end in it stays one line.
        let path = change.path.display().to_string();
        let path: String = path
            .chars()
            .flat_map(|c| {
                let escaped = c.is_control().then(|| c.escape_default());
                let plain = (!c.is_control()).then_some(c);
                plain.into_iter().chain(escaped.into_iter().flatten())
            })
            .collect();
        let _ = writeln!(text, "{} {path}", change.kind);
    }
    Ok(output::say(&text))
}
