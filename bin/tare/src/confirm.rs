//! What is asked before much is removed, and what is said afterwards: in docker's words.

use crate::output;
use std::fmt::Write as _;
use std::process::ExitCode;
use tare_error::{Context, Error, Kind, Result};

/// Asks whether to remove what the lines say.
///
/// # Errors
/// `Conflict` where the answer is not yes.
pub(crate) fn ask(operation: &'static str, lines: &[&str]) -> Result<()> {
    let mut question = String::from("WARNING! This will remove");
    match lines {
        [one] => {
            let _ = writeln!(question, " {one}");
        }
        several => {
            question.push_str(":\n");
            for line in several {
                let _ = writeln!(question, "  - {line}");
            }
            question.push('\n');
        }
    }
    question.push_str("Are you sure you want to continue? [y/N] ");
    output::say(&question);
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).op("read", "the answer")?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Error::new(Kind::Conflict, operation, "")
            .because("it was not confirmed")
            .hint("--force removes without asking")),
    }
}

/// What was removed.
#[derive(Debug, Default)]
pub(crate) struct Pruned {
    text: String,
    bytes: u64,
}

impl Pruned {
    /// Adds names under a heading; none where there are none.
    pub(crate) fn with(mut self, heading: &str, names: &[String]) -> Pruned {
        if !names.is_empty() {
            let _ = writeln!(self.text, "{heading}:");
            names.iter().for_each(|name| {
                let _ = writeln!(self.text, "{name}");
            });
            self.text.push('\n');
        }
        self
    }

    /// Adds what was gained.
    pub(crate) fn and(mut self, bytes: u64) -> Pruned {
        self.bytes += bytes;
        self
    }

    /// Prints it.
    pub(crate) fn say(mut self) -> ExitCode {
        let _ = writeln!(
            self.text,
            "Total reclaimed space: {}",
            output::decimal_size(self.bytes)
        );
        output::say(&self.text)
    }
}
