//! `tare doctor`: what this machine offers, what is lost without the rest, and how to mend it.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output::{self, Table};
use crate::session::Session;
use std::process::ExitCode;
use tare_doctor::{Outcome, Report, Weight};
use tare_error::{Error, Kind, Result};

pub(super) const VERB: Verb = Verb {
    name: "doctor",
    about: "say what this machine offers, what is lost without the rest, and how to mend it",
    operands: Operands::None,
    heading: "About",
    // It asks as the user who calls it, and opens nothing that needs mending first.
    needs_engine: false,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let search_path = session.environment.text("PATH").unwrap_or_default();
    let report = tare_doctor::examine(&session.roots()?, &search_path);
    let text = if low.switch("json") {
        let json = serde_json::to_string_pretty(&report)
            .map_err(|e| Error::new(Kind::Internal, "print", "the report").from_source(e))?;
        json + "\n"
    } else {
        page(&report)
    };
    let said = output::say(&text);
    if report.is_healthy() {
        Ok(said)
    } else {
        Ok(ExitCode::FAILURE)
    }
}

/// One line a check, then what is lost and what mends it.
fn page(report: &Report) -> String {
    let mut table = Table::new(&["CHECK", "THERE", "DETAIL"]);
    for outcome in &report.checks {
        table.row(vec![
            outcome.title.to_owned(),
            outcome.present.as_str().to_owned(),
            outcome.detail.clone(),
        ]);
    }
    let missing = report.checks.iter().filter(|outcome| !outcome.is_present());
    let lost: String = missing.map(loss).collect();
    match lost.as_str() {
        "" => table.render() + "\nNothing is missing.\n",
        lost => format!(
            "{}\nWhat is missing, needed things marked with !\n{lost}",
            table.render()
        ),
    }
}

fn loss(outcome: &Outcome) -> String {
    let mark = match outcome.weight {
        Weight::Needed => '!',
        Weight::Useful => ' ',
    };
    let mut text = format!("{mark} {}: {}\n", outcome.title, outcome.lost);
    if !outcome.mend.is_empty() {
        text += &format!("    mend: {}\n", outcome.mend);
    }
    text
}
