//! `tare why`: why a container is not running, not starting, slow or gone.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::process::ExitCode;
use tare_engine::Engine;
use tare_engine::container::Why;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "why",
    about: "tell why a container is not running, not starting, slow or gone",
    operands: Operands::One("CONTAINER", "a name, an id, or the beginning of one"),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let container = low.operands()?.first().copied().unwrap_or_default();
    let why = session.engine()?.why(container)?;
    Ok(output::say(&shown(&why)))
}

/// The sentence, then what it follows from.
fn shown(why: &Why) -> String {
    let mut text = format!("{}\n", why.headline);
    for finding in &why.findings {
        let _ = writeln!(text, "  {finding}");
    }
    text.push_str(&history(why));
    if let Some(hint) = &why.hint {
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}

/// Tells people what happened to a container that could not be run, or ended in a way that was not its own: who sits at a terminal, or
/// asks for more. A script gets the sentence alone, and `tare why` afterwards.
pub(super) fn tell(engine: &Engine, container: &str, verbose: bool) {
    if !verbose && !std::io::stderr().is_terminal() {
        return;
    }
    // One that never was has no history.
    if let Ok(why) = engine.why(container) {
        output::tell(&history(&why));
    }
}

/// What happened, and the last that it wrote.
fn history(why: &Why) -> String {
    let mut text = String::new();
    if !why.history.is_empty() {
        text.push_str("what happened:\n");
    }
    for (when, what) in &why.history {
        let _ = writeln!(text, "  {when}  {what}");
    }
    if !why.output.is_empty() {
        text.push_str("the last it wrote:\n");
    }
    for line in &why.output {
        let _ = writeln!(text, "  {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_sentence_and_what_it_follows_from() {
        let why = Why {
            headline: "web has ended by itself, with code 3".into(),
            findings: vec!["it is odd".into()],
            history: vec![("12:00".into(), "die exitCode=3".into())],
            output: vec!["bye".into()],
            hint: Some("start it".into()),
        };
        assert_eq!(
            shown(&why),
            "web has ended by itself, with code 3\n  it is odd\nwhat happened:\n  12:00  die exitCode=3\nthe last it wrote:\n  bye\nhint: start it\n"
        );
    }
}
