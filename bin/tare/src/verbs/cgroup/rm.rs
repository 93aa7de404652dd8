//! `tare cgroup rm`: groups without processes go.

use crate::low::Low;
use crate::session::Session;
use crate::verbs::{Operands, Verb};
use std::process::ExitCode;
use tare_cgroup::Host;
use tare_error::Result;

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "cgroup rm",
    about: "remove control groups that no process is in",
    operands: Operands::Any("CONTROLLERS:PATH", "a group"),
    heading: "Parts",
    needs_engine: false,
    run,
};

fn run(low: &Low<'_>, _session: &Session) -> Result<ExitCode> {
    let recursive = low.switch("recursive");
    let named = super::groups_and_operands(low)?;
    let groups = super::some_groups(low, named)?;
    let host = Host::current()?;
    for group in groups {
        group.remove(&host, recursive)?;
    }
    Ok(ExitCode::SUCCESS)
}
