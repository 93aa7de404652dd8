//! The one table of options: from it come the parser, the help, the man pages and the completion. The keys of the
//! configuration file have their own table, beside what they set (`tare_engine::config::KEYS`).

mod attach;
mod everywhere;
mod files;
mod health;
mod images;
mod life;
mod pods;
mod prune;
mod run;
mod seeds;
mod show;
mod volumes;

use clap::ValueHint;

/// One option.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opt {
    /// After two dashes.
    pub(crate) long: &'static str,
    /// After one dash.
    pub(crate) short: Option<char>,
    /// Other long names that mean the same.
    pub(crate) aliases: &'static [&'static str],
    /// What it takes.
    pub(crate) value: Value,
    /// What is meant when it is not given; empty where that needs no word.
    pub(crate) default: &'static str,
    /// Whether it may be given several times.
    pub(crate) many: bool,
    /// One line for help and manual; a second sentence goes to the manual alone.
    pub(crate) doc: &'static str,
    /// The environment variable that sets it, or empty.
    pub(crate) variable: &'static str,
    /// The verbs that have it; [`EVERYWHERE`] for all.
    pub(crate) verbs: &'static [&'static str],
    /// The heading it stands under.
    pub(crate) heading: &'static str,
}

/// What an option takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    /// Nothing: it is there or not.
    Switch,
    /// Nothing, and how often it is there counts.
    Count,
    /// A text of a form that its reader judges; shown by this name.
    Text(&'static str),
    /// A path of the host.
    Path(&'static str),
    /// A text after an equals sign, or nothing; shown by this name.
    Maybe(&'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// The mark of options that every verb has, and `tare` itself.
pub(crate) const EVERYWHERE: &[&str] = &["*"];

/// Every option of every verb.
pub(crate) fn table() -> impl Iterator<Item = &'static Opt> {
    everywhere::OPTIONS
        .iter()
        .chain(images::OPTIONS)
        .chain(run::OPTIONS)
        .chain(health::OPTIONS)
        .chain(life::OPTIONS)
        .chain(files::OPTIONS)
        .chain(show::OPTIONS)
        .chain(attach::OPTIONS)
        .chain(pods::OPTIONS)
        .chain(volumes::OPTIONS)
        .chain(prune::OPTIONS)
        .chain(seeds::OPTIONS)
}

/// The options of one verb, without those of all.
pub(crate) fn of_verb(verb: &str) -> impl Iterator<Item = &'static Opt> {
    table().filter(move |o| o.verbs.contains(&verb))
}

/// The options that every verb has.
pub(crate) fn of_all() -> impl Iterator<Item = &'static Opt> {
    everywhere::OPTIONS.iter()
}

/// The same without those whose names the verb has for something else.
pub(crate) fn of_all_beside(verb: &str) -> impl Iterator<Item = &'static Opt> {
    of_all().filter(move |all| !of_verb(verb).any(|own| own.long == all.long))
}

/// A row of the table: an option of `verbs` that takes `value`.
const fn opt(long: &'static str, value: Value, verbs: &'static [&'static str], doc: &'static str) -> Opt {
    Opt {
        long,
        short: None,
        aliases: &[],
        value,
        default: "",
        many: false,
        doc,
        variable: "",
        verbs,
        heading: "Options",
    }
}

impl Opt {
    const fn short(mut self, short: char) -> Opt {
        self.short = Some(short);
        self
    }

    const fn aliases(mut self, aliases: &'static [&'static str]) -> Opt {
        self.aliases = aliases;
        self
    }

    const fn default(mut self, default: &'static str) -> Opt {
        self.default = default;
        self
    }

    const fn many(mut self) -> Opt {
        self.many = true;
        self
    }

    const fn variable(mut self, variable: &'static str) -> Opt {
        self.variable = variable;
        self
    }

    const fn heading(mut self, heading: &'static str) -> Opt {
        self.heading = heading;
        self
    }
}

impl Value {
    /// The name shown for it; empty where it has to have none.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Value::Switch | Value::Count | Value::Maybe(_) => "",
            Value::Text(name) | Value::Path(name) => name,
            Value::OneOf(_) => "WORD",
        }
    }

    /// What a shell completes.
    pub(crate) fn hint(self) -> ValueHint {
        match self {
            Value::Path(_) => ValueHint::AnyPath,
            _ => ValueHint::Other,
        }
    }
}

#[cfg(test)]
mod tests;
