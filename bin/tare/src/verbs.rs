//! The verbs: one table, one file each.

mod attach;
mod cgroup;
mod commit;
mod completion;
mod cp;
mod create;
mod diff;
mod doctor;
mod events;
mod exec;
mod export;
mod health;
mod images;
mod import;
mod info;
mod inspect;
mod kill;
mod load;
mod logs;
mod man;
mod ns;
mod pause;
mod pod;
mod prune;
mod ps;
mod pull;
mod reap;
mod rename;
mod restart;
mod rm;
mod rmi;
mod run;
mod start;
mod stats;
mod stop;
mod system;
mod top;
mod unpause;
mod unshare;
mod update;
mod version;
mod volume;
mod wait;
mod why;

use crate::environment::Environment;
use crate::low::Low;
use crate::output;
use crate::session::Session;
use clap::ArgMatches;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::SystemTime;
use tare_engine::Engine;
use tare_error::Result;
use tare_shim::Attach;

#[cfg(test)]
pub(crate) use attach::manner;
pub(crate) use pod::id_of_file as pod_id_of_file;

/// One verb.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verb {
    /// The word; for a verb of a group the group's before it, as in `volume ls`.
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

/// Verbs that share their first word, as in `volume create` and `volume ls`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    /// The word.
    pub(crate) name: &'static str,
    /// One line.
    pub(crate) about: &'static str,
    /// The heading it stands under in `tare --help`.
    pub(crate) heading: &'static str,
}

impl Verb {
    /// The word that it is chosen by, in its group where it has one.
    pub(crate) fn word(&self) -> &'static str {
        self.name.split_once(' ').map_or(self.name, |(_, word)| word)
    }

    /// The other word that it is chosen by, where there is one.
    pub(crate) fn alias(&self) -> Option<&'static str> {
        let of_verb = ALIASES.iter().find(|(name, _)| *name == self.name);
        of_verb.map(|(_, alias)| *alias)
    }

    /// The group it belongs to.
    pub(crate) fn group(&self) -> Option<&'static str> {
        self.name.split_once(' ').map(|(group, _)| group)
    }
}

/// What follows the options of a verb.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operands {
    /// Nothing.
    None,
    /// One or none.
    Maybe(&'static str, &'static str),
    /// Exactly one.
    One(&'static str, &'static str),
    /// One, and perhaps a second.
    OneAndMaybe([&'static str; 2], &'static str),
    /// Exactly two.
    Two([&'static str; 2], &'static str),
    /// As many as one likes.
    Any(&'static str, &'static str),
    /// One or more.
    Many(&'static str, &'static str),
    /// One, and from it on everything belongs to the command it names, options included.
    Command(&'static str, &'static str),
    /// The same, or nothing.
    Program(&'static str, &'static str),
}

/// Headings of `tare --help`, in order.
pub(crate) const HEADINGS: &[&str] = &["Containers", "Images", "Volumes", "Parts", "About"];

/// Every verb, in the order of the help.
pub(crate) const VERBS: &[Verb] = &[
    run::VERB,
    create::VERB,
    exec::VERB,
    attach::VERB,
    cp::VERB,
    diff::VERB,
    export::VERB,
    commit::VERB,
    logs::VERB,
    events::VERB,
    top::VERB,
    stats::VERB,
    ps::VERB,
    start::VERB,
    stop::VERB,
    restart::VERB,
    kill::VERB,
    pause::VERB,
    unpause::VERB,
    wait::VERB,
    update::VERB,
    rename::VERB,
    rm::VERB,
    inspect::VERB,
    why::VERB,
    pull::VERB,
    load::VERB,
    import::VERB,
    images::VERB,
    rmi::VERB,
    pod::create::VERB,
    pod::exists::VERB,
    pod::inspect::VERB,
    pod::life::KILL,
    pod::logs::VERB,
    pod::life::PAUSE,
    pod::prune::VERB,
    pod::ps::VERB,
    pod::life::RESTART,
    pod::rm::VERB,
    pod::life::START,
    pod::stats::VERB,
    pod::life::STOP,
    pod::top::VERB,
    pod::life::UNPAUSE,
    prune::CONTAINERS,
    prune::IMAGES,
    volume::create::VERB,
    volume::inspect::VERB,
    volume::ls::VERB,
    volume::prune::VERB,
    volume::rm::VERB,
    ns::ls::VERB,
    unshare::VERB,
    cgroup::create::VERB,
    cgroup::exec::VERB,
    cgroup::ls::VERB,
    cgroup::rm::VERB,
    version::VERB,
    info::VERB,
    system::df::VERB,
    system::INFO,
    system::prune::VERB,
    doctor::VERB,
    completion::VERB,
    man::VERB,
    reap::VERB,
    health::VERB,
];

/// Other words that verbs of groups are chosen by.
const ALIASES: &[(&str, &str)] = &[
    ("cgroup ls", "list"),
    ("ns ls", "list"),
    ("pod ps", "ls"),
    ("volume ls", "list"),
];

/// Every group, in the order of the help.
pub(crate) const GROUPS: &[Group] = &[
    pod::GROUP,
    prune::CONTAINER,
    prune::IMAGE,
    volume::GROUP,
    ns::GROUP,
    cgroup::GROUP,
    system::GROUP,
];

/// The verb of that name.
pub(crate) fn named(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

/// The verb that was typed, and what was typed after it.
pub(crate) fn chosen(typed: &ArgMatches) -> Option<(&'static Verb, &ArgMatches)> {
    let (first, of_first) = typed.subcommand()?;
    match of_first.subcommand() {
        Some((second, of_second)) => Some((named(&format!("{first} {second}"))?, of_second)),
        None => Some((named(first)?, of_first)),
    }
}

/// The process beside which an ordinary user's command has to stand, in its user namespace, to see what it is asked for.
pub(crate) fn neighbour(verb: &Verb, low: &Low<'_>, environment: &Environment) -> Option<u32> {
    match verb.name {
        "cp" => cp::neighbour(low, environment),
        // What pods share belongs to one user namespace.
        _ => {
            let session = Session::open(low, environment.clone(), SystemTime::now()).ok()?;
            tare_engine::pod::neighbour(&session.roots().ok()?)
        }
    }
}

/// What the verbs about containers take.
const CONTAINERS: Operands = Operands::Many("CONTAINER", "a name, an id, or the beginning of one");

/// Does the same to each container that was named, and prints the name of each that it was done to.
fn each_container(
    low: &Low<'_>,
    session: &Session,
    mut act: impl FnMut(&Engine, &str) -> Result<()>,
) -> Result<ExitCode> {
    let names = low.operands()?;
    let engine = session.engine()?;
    each(&engine, &names, |name| {
        act(&engine, name)?;
        output::say(&format!("{name}\n"));
        Ok(())
    })
}

/// Does the same to each of several; what fails is told and the rest goes on, as docker's.
fn each(engine: &Engine, names: &[&str], mut act: impl FnMut(&str) -> Result<()>) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for (at, name) in names.iter().enumerate() {
        match act(name) {
            Ok(()) => {}
            Err(e) if at + 1 == names.len() => return Err(e),
            Err(e) => code = output::fail(&engine.about_storage(e), false),
        }
    }
    Ok(code)
}

/// The size of our terminal in lines and columns, where there is one.
fn terminal_size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    size.map(|size| (size.ws_row, size.ws_col))
}

/// Does something with our streams, to be joined with a process's. A terminal is asked for and not there: podman's way, the
/// process gets one and we stay as we are.
fn with_streams<T>(interactive: bool, terminal: bool, act: impl FnOnce(&Attach<'_>) -> T) -> T {
    let stdin = std::io::stdin();
    act(&Attach {
        stdin: interactive.then(|| stdin.as_fd()),
        stdout: std::io::stdout().as_fd(),
        stderr: std::io::stderr().as_fd(),
        terminal: terminal && stdin.is_terminal(),
    })
}
