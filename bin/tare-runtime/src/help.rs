//! Help, from the table of options.

use crate::options::{OPTIONS, VERBS, Verb};

/// The width of the column of names.
const COLUMN: usize = 28;

/// The program's version, and the specification's.
pub(crate) fn version() -> String {
    let (own, spec) = (env!("CARGO_PKG_VERSION"), tare_spec_oci::VERSION);
    format!("tare-runtime version {own}\nspec: {spec}\n")
}

/// What a verb, or the program, can do; in the layout that runc gave it.
pub(crate) fn text(verb: Option<&Verb>) -> String {
    let mut text = String::new();
    match verb {
        Some(Verb {
            name, operands, doc, ..
        }) => {
            text.push_str(&format!("NAME:\n   tare-runtime {name} - {doc}\n"));
            text.push_str(&format!(
                "\nUSAGE:\n   tare-runtime {name} [OPTION...] {operands}\n"
            ));
            options(&mut text, "\nOPTIONS:\n", |verbs| verbs.contains(name));
        }
        None => {
            text.push_str("NAME:\n   tare-runtime - the OCI runtime of Tare\n");
            text.push_str("\nUSAGE:\n   tare-runtime [OPTION...] COMMAND\n\nCOMMANDS:\n");
            VERBS
                .iter()
                .for_each(|verb| row(&mut text, &format!("{} {}", verb.name, verb.operands), verb.doc));
        }
    }
    options(&mut text, "\nGLOBAL OPTIONS:\n", <[_]>::is_empty);
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
    text.push_str(&format!("   {:COLUMN$} {doc}\n", name.trim_end()));
}
