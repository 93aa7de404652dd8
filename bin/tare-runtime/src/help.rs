//! Help, from the table of options.

use crate::options::{OPTIONS, VERBS, Verb};

/// The width of the column of names.
const COLUMN: usize = 28;

/// The program's version, and the specification's.
pub(crate) fn version() -> String {
    let (own, spec) = (env!("CARGO_PKG_VERSION"), tare_spec_oci::VERSION);
    format!("tare-runtime version {own}\nspec: {spec}\n")
}

/// What a verb, or the program, can do.
pub(crate) fn text(verb: Option<&Verb>) -> String {
    let mut text = String::new();
    match verb {
        Some(verb) => {
            text.push_str(&format!(
                "tare-runtime {} [OPTION...] {}\n\n{}\n",
                verb.name, verb.operands, verb.doc
            ));
            options(&mut text, "\nOptions:\n", |verbs| verbs.contains(&verb.name));
        }
        None => {
            text.push_str("tare-runtime [OPTION...] COMMAND\n\nThe OCI runtime of Tare.\n\nCommands:\n");
            VERBS
                .iter()
                .for_each(|verb| row(&mut text, &format!("{} {}", verb.name, verb.operands), verb.doc));
        }
    }
    options(&mut text, "\nOptions of every command:\n", <[_]>::is_empty);
    text
}

fn options(text: &mut String, heading: &str, belongs: impl Fn(&[&'static str]) -> bool) {
    let mut chosen = OPTIONS.iter().filter(|option| belongs(option.verbs)).peekable();
    if chosen.peek().is_some() {
        text.push_str(heading);
    }
    for option in chosen {
        let dashes = |name: &&str| {
            if name.len() > 1 {
                format!("--{name}")
            } else {
                format!("-{name}")
            }
        };
        let names: Vec<String> = option.names.iter().map(dashes).collect();
        row(
            text,
            &format!("{} {}", names.join(", "), option.value),
            option.doc,
        );
    }
}

fn row(text: &mut String, name: &str, doc: &str) {
    text.push_str(&format!("  {:COLUMN$} {doc}\n", name.trim_end()));
}
