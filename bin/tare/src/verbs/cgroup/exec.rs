//! `tare cgroup exec`: a program in groups that are there.

use crate::low::Low;
use crate::session::Session;
use crate::verbs::unshare::execute;
use crate::verbs::{Operands, Verb};
use std::process::{Command, ExitCode};
use tare_cgroup::Host;
use tare_error::Result;

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "cgroup exec",
    about: "run a program in control groups that are there",
    operands: Operands::Command("PROGRAM [ARG...]", "a program, then what it gets"),
    heading: "Parts",
    needs_engine: false,
    run,
};

fn run(low: &Low<'_>, _session: &Session) -> Result<ExitCode> {
    let named = super::some_groups(low, super::groups(low)?)?;
    let host = Host::current()?;
    // All are looked for before the first is entered.
    let groups: Vec<_> = named
        .iter()
        .map(|group| group.open(&host))
        .collect::<Result<_>>()?;
    for group in &groups {
        group.attach(rustix::process::getpid())?;
    }
    let words = low.words();
    let Some((program, arguments)) = words.split_first() else {
        return Ok(ExitCode::SUCCESS);
    };
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(ExitCode::from(execute(command)))
}
