//! `tare cgroup create`: groups are made, and limited.

use crate::low::Low;
use crate::session::Session;
use crate::verbs::{Operands, Verb};
use std::process::ExitCode;
use tare_cgroup::Host;
use tare_error::{Error, Kind, Result};

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "cgroup create",
    about: "make a control group, and set its limits",
    operands: Operands::None,
    heading: "Parts",
    needs_engine: false,
    run,
};

fn run(low: &Low<'_>, _session: &Session) -> Result<ExitCode> {
    let settings = low.all_parsed("set", parse_setting)?;
    let groups = super::some_groups(low, super::groups(low)?)?;
    let host = Host::current()?;
    for group in groups {
        group.create(&host, &settings)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `memory.max=64M`.
fn parse_setting(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((file, value)) if !file.is_empty() && !value.is_empty() => {
            Ok((file.to_owned(), value.to_owned()))
        }
        _ => Err(Error::new(Kind::Invalid, "read limit", format!("{text:?}"))
            .because("it is not a control file, an equals sign and a value")
            .hint("for instance memory.limit_in_bytes=64M, or memory.max=64M on cgroup version 2")),
    }
}
