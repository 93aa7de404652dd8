//! `cargo xtask conformance [SUITE...]`: runs other projects' suites against us and holds their results to a list.
//!
//! ```text
//! tests/foreign/SUITE/run            a program; prints one line per test: pass|fail|skip NAME [reason]
//!                                    or, alone: missing NEED reason  (the suite cannot run on this machine)
//! tests/foreign/SUITE/expectations   first line: "# what the suite is"; then every test that does not pass:
//!                                    NAME | not yet #ISSUE | reason     or     NAME | never | reason
//! docs/conformance/SUITE.md          the table made from both; a stale one fails (`--write` makes it anew)
//! ```
//!
//! A ratchet: a test that fails unexpectedly fails the suite, and so does one that passes unexpectedly.

mod expectations;

use expectations::{Expectations, Outcome, Verdict};
use std::path::Path;
use std::process::{Command, Stdio};

/// Sums over all suites: what the last line says.
#[derive(Default)]
struct Totals {
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// Runs the named suites, or all; true when every result was expected and every table is fresh.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    let write = arguments.iter().any(|a| a == "--write");
    let wanted: Vec<&String> = arguments.iter().filter(|a| *a != "--write").collect();
    let suites: Vec<String> = suites()?
        .into_iter()
        .filter(|s| wanted.is_empty() || wanted.contains(&s))
        .collect();
    if let Some(unknown) = wanted.iter().find(|name| !suites.contains(name)) {
        return Err(format!("no suite {unknown}: see tests/foreign/"));
    }
    let mut totals = Totals::default();
    let mut fine = true;
    for suite in &suites {
        fine &= one(suite, write, &mut totals)?;
    }
    crate::say(format_args!(
        "{} passed, {} failed, {} skipped",
        totals.passed, totals.failed, totals.skipped
    ));
    Ok(fine)
}

fn suites() -> Result<Vec<String>, String> {
    let Ok(folder) = std::fs::read_dir("tests/foreign") else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in folder {
        let path = entry.map_err(|e| format!("read tests/foreign: {e}"))?.path();
        if path.join("run").is_file() {
            names.extend(path.file_name().and_then(|n| n.to_str()).map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}

/// Runs one suite; true when nothing about it was unexpected.
fn one(suite: &str, write: bool, totals: &mut Totals) -> Result<bool, String> {
    let folder = Path::new("tests/foreign").join(suite);
    let listed = folder.join("expectations");
    let text = std::fs::read_to_string(&listed).map_err(|e| format!("read {}: {e}", listed.display()))?;
    let expected = Expectations::parse(&text).map_err(|e| format!("{}:{e}", listed.display()))?;
    let output = Command::new(folder.join("run"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("run {}: {e}", folder.join("run").display()))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if let Some(need) = printed.lines().find_map(|line| line.strip_prefix("missing ")) {
        crate::say(format_args!(
            "conformance {suite}: SKIPPED, this machine lacks {need}"
        ));
        totals.skipped += 1;
        return Ok(true);
    }
    let outcomes: Vec<Outcome> = printed.lines().filter_map(Outcome::parse).collect();
    if !output.status.success() || outcomes.is_empty() {
        crate::say(format_args!(
            "conformance {suite}: the suite itself broke ({}), it printed:\n{printed}",
            output.status
        ));
        totals.failed += 1;
        return Ok(false);
    }
    let mut unexpected = 0_usize;
    for outcome in &outcomes {
        match outcome.verdict {
            Verdict::Pass => totals.passed += 1,
            Verdict::Fail if expected.covers(outcome) => totals.skipped += 1,
            Verdict::Fail => totals.failed += 1,
            Verdict::Skip => totals.skipped += 1,
        }
    }
    for line in expected.surprises(&outcomes) {
        crate::say(format_args!("conformance {suite}: {line}"));
        unexpected += 1;
    }
    let fresh = table(suite, &expected.page(suite, &outcomes), write)?;
    Ok(unexpected == 0 && fresh)
}

/// Compares the generated page with the one in the tree; true when they are the same.
fn table(suite: &str, page: &str, write: bool) -> Result<bool, String> {
    let path = format!("docs/conformance/{suite}.md");
    if std::fs::read_to_string(&path).is_ok_and(|old| old == page) {
        return Ok(true);
    }
    if write {
        std::fs::create_dir_all("docs/conformance")
            .and_then(|()| std::fs::write(&path, page))
            .map_err(|e| format!("write {path}: {e}"))?;
        crate::say(format_args!("conformance {suite}: wrote {path}"));
        return Ok(true);
    }
    crate::say(format_args!(
        "conformance {suite}: {path} is stale: cargo xtask conformance {suite} --write"
    ));
    Ok(false)
}
