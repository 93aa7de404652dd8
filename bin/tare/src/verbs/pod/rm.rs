//! `tare pod rm`: pods go.

use super::{PODS, each_pod};
use crate::low::Low;
use crate::session::Session;
use crate::verbs::Verb;
use std::process::ExitCode;
use tare_engine::container::request::parse_seconds;
use tare_error::{Kind, Result};

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "pod rm",
    about: "remove pods",
    operands: PODS,
    heading: "",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let (force, ignore) = (low.switch("force"), low.switch("ignore"));
    let seconds = low.parsed("time", parse_seconds)?;
    each_pod(low, session, |engine, name| {
        match engine.remove_pod(name, force, seconds) {
            // podman's: what is forced is as it should be where it is not there.
            Err(e) if (force || ignore) && e.kind() == Kind::NotFound => Ok(name.to_owned()),
            removed => removed,
        }
    })
}
