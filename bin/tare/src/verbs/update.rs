//! `tare update`: change what limits containers, and whether they are started again.

use super::{CONTAINERS, Verb, each_container};
use crate::low::Low;
use crate::session::Session;
use crate::{high, output};
use std::process::ExitCode;
use tare_engine::container::request::RestartPolicy;
use tare_error::{Error, Kind, Result};

pub(super) const VERB: Verb = Verb {
    name: "update",
    about: "change limits and restart policy of containers",
    operands: CONTAINERS,
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let asked = high::resources(low)?;
    let policy = low.parsed("restart", RestartPolicy::parse)?;
    if asked.is_empty() && policy.is_none() {
        return Err(Error::new(Kind::Invalid, "update containers", "")
            .because("you must provide one or more flags when using this command")
            .hint("`tare update --help` lists them"));
    }
    each_container(low, session, |engine, name| {
        let told = engine.update_container(name, &asked, policy)?;
        told.iter().for_each(|text| output::warn(text));
        Ok(())
    })
}
