//! The parser and the help, made from the tables.

use crate::options::{self, Opt, Value};
use crate::verbs::{GROUPS, HEADINGS, Operands, VERBS, Verb};
use clap::{Arg, ArgAction, Command, value_parser};
use std::ffi::OsString;
use std::fmt::Write as _;

/// The id of what follows a verb's options.
pub(crate) const OPERANDS: &str = "operands";

/// The whole command with every verb and option: for manuals and completion.
pub(crate) fn whole() -> Command {
    build(|_| true)
}

/// The command with the options of those verbs alone that occur in the arguments: what parsing needs.
pub(crate) fn for_arguments(arguments: &[OsString]) -> Command {
    build(|verb| {
        let words = [Some(verb.word()), verb.alias()];
        arguments
            .iter()
            .any(|a| words.iter().flatten().any(|word| a == word))
    })
}

fn build(full: impl Fn(&Verb) -> bool) -> Command {
    let mut command = Command::new("tare")
        .about("run containers: the whole stack in one program, no daemon needed")
        .version(env!("CARGO_PKG_VERSION"))
        .help_template(help_page())
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand_value_name("COMMAND")
        .disable_help_subcommand(true)
        .args_override_self(true)
        .args(options::of_all().map(argument));
    let made = |verb: &Verb| if full(verb) { of_verb(verb) } else { bare(verb) };
    for verb in VERBS.iter().filter(|v| v.group().is_none()) {
        command = command.subcommand(made(verb));
    }
    for group in GROUPS {
        let verbs = VERBS.iter().filter(|v| v.group() == Some(group.name));
        let of_group = Command::new(group.name)
            .about(group.about)
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommand_value_name("COMMAND")
            .disable_help_subcommand(true)
            .subcommands(verbs.map(made));
        command = command.subcommand(of_group);
    }
    command
}

/// A verb without its options.
fn bare(verb: &Verb) -> Command {
    Command::new(verb.word())
        .visible_aliases(verb.alias())
        .args_override_self(true)
        .about(verb.about)
        .hide(verb.heading.is_empty() && verb.group().is_none())
}

/// A verb with its options, those of all included; a name that the verb uses itself is the verb's.
fn of_verb(verb: &Verb) -> Command {
    let mut command = bare(verb);
    let taken: Vec<char> = options::of_verb(verb.name).filter_map(|o| o.short).collect();
    if taken.contains(&'h') {
        let help = Arg::new("help")
            .long("help")
            .action(ArgAction::Help)
            .help("print this help");
        command = command
            .disable_help_flag(true)
            .arg(help.help_heading("Everywhere"));
    }
    command = command.args(options::of_verb(verb.name).map(argument));
    for option in options::of_all_beside(verb.name) {
        let argument = argument(option);
        command = command.arg(match option.short {
            Some(short) if taken.contains(&short) => argument.short(None),
            _ => argument,
        });
    }
    match verb.operands {
        Operands::None => command,
        Operands::Maybe(name, doc) => command.arg(operands(name, doc).num_args(1).required(false)),
        Operands::One(name, doc) => command.arg(operands(name, doc).num_args(1)),
        Operands::OneAndMaybe(names, doc) => {
            command.arg(operands("", doc).value_names(names).num_args(1..=2))
        }
        Operands::Two(names, doc) => command.arg(operands("", doc).value_names(names).num_args(2)),
        Operands::Any(name, doc) => command.arg(operands(name, doc).required(false).num_args(0..)),
        Operands::Many(name, doc) => command.arg(operands(name, doc).num_args(1..)),
        Operands::Program(name, doc) => {
            let all = operands(name, doc).required(false).num_args(0..);
            command.arg(all.trailing_var_arg(true))
        }
        Operands::Command(name, doc) => command.arg(operands(name, doc).num_args(1..).trailing_var_arg(true)),
    }
}

fn operands(name: &'static str, doc: &'static str) -> Arg {
    let argument = Arg::new(OPERANDS).value_name(name).help(doc).required(true);
    argument
        .action(ArgAction::Append)
        .value_parser(value_parser!(OsString))
}

/// One option as the parser wants it.
fn argument(option: &Opt) -> Arg {
    let mut doc = option.doc.to_owned();
    if !option.default.is_empty() {
        let _ = write!(doc, " [default: {}]", option.default);
    }
    if !option.variable.is_empty() {
        let _ = write!(doc, " [env: {}]", option.variable);
    }
    let argument = Arg::new(option.long)
        .long(option.long)
        .aliases(option.aliases.iter().copied());
    let argument = argument
        .short(option.short)
        .help(doc)
        .help_heading(option.heading);
    match option.value {
        Value::Switch => argument.action(ArgAction::SetTrue),
        Value::Count => argument.action(ArgAction::Count),
        Value::Maybe(name) => argument
            .action(ArgAction::Set)
            .value_name(name)
            .value_hint(option.value.hint())
            .value_parser(value_parser!(OsString))
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value(""),
        Value::Text(_) | Value::Path(_) | Value::OneOf(_) => {
            let action = if option.many {
                ArgAction::Append
            } else {
                ArgAction::Set
            };
            let shown = match option.value {
                Value::OneOf(words) => words.join("|"),
                _ => option.value.name().to_owned(),
            };
            argument
                .action(action)
                .value_name(shown)
                .value_hint(option.value.hint())
                .value_parser(value_parser!(OsString))
                .allow_hyphen_values(true)
        }
    }
}

/// The page of `tare --help`: verbs under their headings.
fn help_page() -> String {
    let mut page = String::from("{about}\n\n{usage-heading} {usage}\n");
    let verbs = VERBS.iter().filter(|v| v.group().is_none());
    let lines = verbs.map(|v| (v.heading, v.name, v.about));
    let groups = GROUPS.iter().map(|g| (g.heading, g.name, g.about));
    let lines: Vec<_> = lines.chain(groups).collect();
    let width = lines.iter().map(|(_, name, _)| name.len()).max().unwrap_or(0);
    for heading in HEADINGS {
        let _ = writeln!(page, "\n{heading}:");
        for (_, name, about) in lines.iter().filter(|(of, ..)| of == heading) {
            let _ = writeln!(page, "  {name:width$}  {about}");
        }
    }
    page.push_str("\nOptions:\n{options}\n\n`tare COMMAND --help` tells more about a command.");
    page
}
