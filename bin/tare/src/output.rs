//! What leaves the program: results on stdout; warnings and errors on stderr.

mod amount;
mod format;
mod table;

pub(crate) use amount::{ago, binary_size, decimal_size, lasted, parse_time};
pub(crate) use format::{Format, per_object};
pub(crate) use table::Table;

use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use tare_error::{Error, Report};

/// Prints a result. A reader that went away (`tare images | head -1`) is no failure. Scripts get it as it is; a terminal gets no
/// character that it obeys: names, labels and commands are data of images and containers.
pub(crate) fn say(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let text = match out.is_terminal() {
        true => Cow::Owned(text.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "?")),
        false => Cow::Borrowed(text),
    };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if e.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(e) => fail(&Error::os("write", "standard output", e), false),
    }
}

/// Prints to people; there is nobody to tell when that fails.
pub(crate) fn tell(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints a warning.
pub(crate) fn warn(text: &str) {
    tell(&format!("tare: warning: {text}\n"));
}

/// Prints an error, and gives its exit code.
pub(crate) fn fail(error: &Error, verbose: bool) -> ExitCode {
    let report = Report::new(error).with_hint();
    let report = if verbose { report.with_chain() } else { report };
    tell(&format!("tare: {report}\n"));
    ExitCode::from(error.kind().exit_code())
}

/// Prints names and values, aligned or as one JSON object.
pub(crate) fn facts(facts: &[(&str, String)], json: bool) -> ExitCode {
    if json {
        let members = facts
            .iter()
            .map(|(name, text)| (name.replace(' ', ""), text.as_str().into()));
        let object: serde_json::Map<String, serde_json::Value> = members.collect();
        return say(&format!("{:#}\n", serde_json::Value::Object(object)));
    }
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    say(&facts
        .iter()
        .map(|(name, text)| format!("{name:width$}  {text}\n"))
        .collect::<String>())
}

/// The first 12 digits of `sha256:...`.
pub(crate) fn short_digest(digest: &str) -> String {
    let hex = digest.split(':').nth(1).unwrap_or(digest);
    hex.get(..12).unwrap_or(hex).to_owned()
}
