//! What leaves the program: results on stdout; warnings and errors on stderr.

mod table;

#[expect(
    unused_imports,
    reason = "the verbs that print tables come with the engine's images"
)]
pub(crate) use table::Table;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use tare_error::{Error, Kind, Report};

/// Prints a result. A reader that went away (`tare images | head -1`) is no failure.
pub(crate) fn say(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
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

/// The exit code of a container's process: its own, or 128 and the signal.
pub(crate) fn code_of(code: Option<i32>, signal: Option<i32>) -> ExitCode {
    let number = match (code, signal) {
        (Some(code), _) => code & 0xff,
        (None, Some(signal)) => 128 + (signal & 0x7f),
        (None, None) => i32::from(Kind::Internal.exit_code()),
    };
    ExitCode::from(u8::try_from(number).unwrap_or(Kind::Internal.exit_code()))
}
