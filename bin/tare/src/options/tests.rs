//! The table walked: what every row has to have, and what the parser makes of it.

use super::*;
use crate::commands;
use crate::verbs::{VERBS, named};
use std::collections::BTreeSet;

#[test]
fn every_row_is_whole() {
    for option in table() {
        let name = option.long;
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
        assert!(
            !option.doc.is_empty() && !option.doc.ends_with('.'),
            "{name}: one line without a full stop"
        );
        let proper = ["SELinux", "AppArmor"].iter().any(|w| option.doc.starts_with(w));
        assert!(
            proper || !option.doc.starts_with(char::is_uppercase),
            "{name}: lower case"
        );
        assert!(!option.verbs.is_empty(), "{name}: no verb has it");
        for verb in option.verbs {
            assert!(
                *verb == "*" || named(verb).is_some(),
                "{name}: there is no verb {verb}"
            );
        }
        let takes = !matches!(option.value, Value::Switch | Value::Count);
        assert!(
            takes || (option.default.is_empty() && !option.many),
            "{name}: a switch has no default"
        );
        assert!(
            !option.many || option.default.is_empty(),
            "{name}: a list has no default"
        );
        if let Value::OneOf(words) = option.value {
            assert!(
                words.contains(&option.default),
                "{name}: the default is one of its words"
            );
        }
        assert!(
            option.variable.is_empty() || option.variable.starts_with("TARE_"),
            "{name}"
        );
    }
}

#[test]
fn names_are_unique_in_each_verb() {
    for verb in VERBS {
        let (mut long, mut short) = (BTreeSet::new(), BTreeSet::new());
        for option in of_verb(verb.name).chain(of_all_beside(verb.name)) {
            assert!(long.insert(option.long), "{}: --{} twice", verb.name, option.long);
            for alias in option.aliases {
                assert!(long.insert(alias), "{}: --{alias} twice", verb.name);
            }
        }
        for option in of_verb(verb.name) {
            assert!(
                option.short.is_none_or(|s| short.insert(s)),
                "{}: -{:?} twice",
                verb.name,
                option.short
            );
        }
    }
}

#[test]
fn the_parser_takes_every_option_by_each_of_its_names() {
    commands::whole().debug_assert();
    for verb in VERBS {
        let operand: &[&str] = match verb.operands {
            crate::verbs::Operands::None => &[],
            crate::verbs::Operands::Two(..) => &["x", "y"],
            _ => &["x"],
        };
        for option in of_verb(verb.name).chain(of_all()) {
            let mut names = vec![format!("--{}", option.long)];
            names.extend(option.aliases.iter().map(|a| format!("--{a}")));
            names.extend(
                option
                    .short
                    .filter(|_| option.verbs != EVERYWHERE)
                    .map(|s| format!("-{s}")),
            );
            for name in names {
                let mut words = vec!["tare"];
                words.extend(verb.name.split(' '));
                words.push(&name);
                if !option.value.name().is_empty() {
                    words.push("-1");
                }
                words.extend(operand);
                let parsed = commands::whole().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{words:?}: {}", parsed.unwrap_err());
            }
        }
    }
}

#[test]
fn help_manual_and_completion_name_every_option() {
    let mut whole = commands::whole();
    whole.build();
    for verb in VERBS {
        let words = verb.name.split(' ');
        let command = words
            .fold(&whole, |of, word| of.find_subcommand(word).unwrap())
            .clone();
        let help = command.clone().render_long_help().to_string();
        let mut manual = Vec::new();
        clap_mangen::Man::new(command).render(&mut manual).unwrap();
        let manual = String::from_utf8(manual).unwrap().replace('\\', "");
        let mut script = Vec::new();
        clap_complete::generate(
            clap_complete::Shell::Bash,
            &mut commands::whole(),
            "tare",
            &mut script,
        );
        let script = String::from_utf8(script).unwrap();
        for option in of_verb(verb.name).chain(of_all()) {
            let name = format!("--{}", option.long);
            for (what, text) in [("help", &help), ("manual", &manual), ("completion", &script)] {
                assert!(text.contains(&name), "{}: {name} is not in the {what}", verb.name);
            }
        }
    }
}
