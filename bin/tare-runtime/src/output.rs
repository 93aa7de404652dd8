//! What was asked for, on standard output.

use serde::Serialize;
use std::io::Write;
use tare_error::{Context, Error, Kind, Result};

/// Prints text. Whoever reads may have gone: that is theirs to know.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Prints a document, indented by two as runc does.
pub(crate) fn print_json(document: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|e| Error::new(Kind::Internal, "write", "the answer").from_source(e))?;
    writeln!(std::io::stdout(), "{text}").op("write", "the answer")
}

/// Prints a document on one line; false where nobody reads any more.
pub(crate) fn print_line(document: &impl Serialize) -> Result<bool> {
    let text = serde_json::to_string(document)
        .map_err(|e| Error::new(Kind::Internal, "write", "the answer").from_source(e))?;
    let mut out = std::io::stdout();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        done => done.op("write", "the answer").map(|()| true),
    }
}

/// Says something on standard error.
#[expect(clippy::print_stderr, reason = "this is the program's one place to speak")]
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}
