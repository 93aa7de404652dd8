//! The parser's errors in our words.

use crate::verbs::{GROUPS, VERBS};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use tare_error::{Error, Kind};

/// What is wrong with the command line, and what was perhaps meant.
pub(crate) fn about(e: &clap::Error) -> Error {
    let word = |kind| match e.get(kind) {
        Some(ContextValue::String(word)) => word.clone(),
        Some(ContextValue::Strings(words)) => words.join(", "),
        _ => String::new(),
    };
    let error = |subject: String, why: &str| Error::new(Kind::Invalid, subject, "").because(why);
    let near = |kind| Some(word(kind)).filter(|w| !w.is_empty());
    let argument = word(ContextKind::InvalidArg);
    let (error, meant) = match e.kind() {
        ErrorKind::InvalidSubcommand => {
            let typed = word(ContextKind::InvalidSubcommand);
            let shown = VERBS.iter().filter(|v| !v.heading.is_empty());
            let meant = nearest(
                &typed,
                shown.map(|v| v.word()).chain(GROUPS.iter().map(|g| g.name)),
            );
            (error(typed, "there is no such command"), meant.map(str::to_owned))
        }
        ErrorKind::UnknownArgument => (
            error(argument, "there is no such option"),
            near(ContextKind::SuggestedArg),
        ),
        ErrorKind::MissingRequiredArgument => (error(argument, "it is missing"), None),
        ErrorKind::InvalidValue | ErrorKind::NoEquals => (error(argument, "a value is missing"), None),
        ErrorKind::TooManyValues => (error(argument, "it takes no value"), None),
        _ => (error("read command line".to_owned(), &first_line(e)), None),
    };
    match meant {
        Some(meant) => error.hint(format!("did you mean {meant}?")),
        None => error.hint("`tare --help` lists commands, `tare COMMAND --help` their options"),
    }
}

/// What the parser itself says, without its prefix.
fn first_line(e: &clap::Error) -> String {
    let text = e.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// The word most like `typed`, where one is like it: at most two letters wrong, missing, extra or swapped.
pub(crate) fn nearest<'a>(typed: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    words
        .map(|word| (distance(typed, word), word))
        .filter(|(distance, word)| *distance <= 2 && *distance < word.len().min(typed.len()))
        .min()
        .map(|(_, word)| word)
}

/// Edits between two words, a swap of neighbours being one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[i - 1][j - 1] + same)
                .min(rows[i - 1][j] + 1)
                .min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}
