//! The verbs: one table, one file each.

mod completion;
mod man;
mod run;
mod version;

use crate::low::Low;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::Result;

/// One verb.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verb {
    /// The word.
    pub(crate) name: &'static str,
    /// One line.
    pub(crate) about: &'static str,
    /// What follows its options.
    pub(crate) operands: Operands,
    /// The heading it stands under in `tare --help`; empty hides it.
    pub(crate) heading: &'static str,
    /// Whether it works on images or containers, and so needs an ordinary user's namespace entered first.
    pub(crate) needs_engine: bool,
    /// What it does.
    pub(crate) run: fn(&Low<'_>, &Session) -> Result<ExitCode>,
}

/// What follows the options of a verb.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operands {
    /// Nothing.
    None,
    /// Exactly one.
    One(&'static str, &'static str),
    /// One or more.
    Many(&'static str, &'static str),
    /// One, and from it on everything belongs to the command it names, options included.
    Command(&'static str, &'static str),
}

/// Headings of `tare --help`, in order.
pub(crate) const HEADINGS: &[&str] = &["Containers", "Images", "About"];

/// Every verb, in the order of the help.
pub(crate) const VERBS: &[Verb] = &[run::VERB, version::VERB, completion::VERB, man::VERB];

/// The verb of that name.
pub(crate) fn named(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}
