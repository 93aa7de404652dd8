//! **What.** The project's own chores, run as `cargo xtask NAME` by the Makefile and by people.
//!
//! **Not.** Nothing that ships, and no installing: packaging/setup does that before.
//!
//! **Words.** *Finding*: one place that breaks one rule of the style page. *Target*: one fuzzed parser.
//! *Suite*: another project's tests, run against us. *Expectation*: the known result of one of its tests.
//!
//! **Life.** Arguments → one chore → lines on standard output → exit code 0, 1 (it found something) or 2 (usage).
//!
//! **Rules.** A chore changes nothing outside `target/` but what it generates: pages under `docs/`, message types in
//! `crates/spec`. Every rule of
//! tidy has a test that plants the sin and sees it found.

mod codegen;
mod conformance;
mod fuzz;
mod tidy;

use std::io::Write;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask tidy
       cargo xtask codegen
       cargo xtask fuzz [--seconds N] [TARGET...]
       cargo xtask conformance [--write] [SUITE...]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, rest) = match arguments.split_first() {
        Some((name, rest)) => (name.as_str(), rest),
        None => ("", &[][..]),
    };
    let outcome = match name {
        "tidy" => tidy::run(),
        "codegen" => codegen::run(),
        "conformance" => conformance::run(rest),
        "fuzz" => fuzz::run(rest),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            // Nowhere is left to report to when standard error is closed.
            let _ = writeln!(std::io::stderr(), "xtask: {message}");
            ExitCode::from(2)
        }
    }
}

/// Writes one line for the person or the log that reads this chore.
fn say(line: impl std::fmt::Display) {
    // A reader who has gone away (`| head`) is no reason to stop checking.
    let _ = writeln!(std::io::stdout(), "{line}");
}
