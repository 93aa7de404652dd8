//! The verbs: one table, one file each.

mod completion;
mod doctor;
mod exec;
mod images;
mod info;
mod inspect;
mod kill;
mod load;
mod logs;
mod man;
mod pause;
mod ps;
mod pull;
mod reap;
mod rename;
mod restart;
mod rm;
mod rmi;
mod run;
mod start;
mod stop;
mod unpause;
mod version;
mod wait;

use crate::low::Low;
use crate::output;
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
    /// Exactly two.
    Two([&'static str; 2], &'static str),
    /// One or more.
    Many(&'static str, &'static str),
    /// One, and from it on everything belongs to the command it names, options included.
    Command(&'static str, &'static str),
}

/// Headings of `tare --help`, in order.
pub(crate) const HEADINGS: &[&str] = &["Containers", "Images", "About"];

/// Every verb, in the order of the help.
pub(crate) const VERBS: &[Verb] = &[
    run::VERB,
    exec::VERB,
    logs::VERB,
    ps::VERB,
    start::VERB,
    stop::VERB,
    restart::VERB,
    kill::VERB,
    pause::VERB,
    unpause::VERB,
    wait::VERB,
    rename::VERB,
    rm::VERB,
    inspect::VERB,
    pull::VERB,
    load::VERB,
    images::VERB,
    rmi::VERB,
    version::VERB,
    info::VERB,
    doctor::VERB,
    completion::VERB,
    man::VERB,
    reap::VERB,
];

/// The verb of that name.
pub(crate) fn named(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

/// Does the same to each of several; what fails is told and the rest goes on, as docker's.
fn each(names: &[&str], mut act: impl FnMut(&str) -> Result<()>) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for (at, name) in names.iter().enumerate() {
        match act(name) {
            Ok(()) => {}
            Err(e) if at + 1 == names.len() => return Err(e),
            Err(e) => code = output::fail(&e, false),
        }
    }
    Ok(code)
}
