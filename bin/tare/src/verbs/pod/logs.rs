//! `tare pod logs`: what the containers of a pod have written, each line with its container's name where that is wanted.

use crate::low::Low;
use crate::session::Session;
use crate::verbs::{Operands, Verb, logs};
use std::process::ExitCode;
use tare_error::{Error, Kind, Result};

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "pod logs",
    about: "show what the containers of a pod have written",
    operands: Operands::One("POD", "a name, an id, or the beginning of one"),
    heading: "",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let name = low.operands()?.first().copied().unwrap_or_default();
    let (by_name, only) = (low.switch("names"), low.text("container")?);
    let engine = session.engine()?;
    let pod = engine.pod(name)?;
    let mut containers = pod.containers;
    if let Some(only) = only {
        let record = engine.container(only)?.record;
        containers.retain(|one| one.record.id == record.id);
        if containers.is_empty() {
            return Err(Error::new(Kind::NotFound, "read the log of", only)
                .because(format!("it is no container of pod {name}")));
        }
    }
    let mut sources = Vec::new();
    for one in &containers {
        // podman's: the beginning of the id, or the name.
        let label = match by_name {
            true => one.record.name.clone(),
            false => one.record.id.chars().take(12).collect(),
        };
        let label = if only.is_some() {
            String::new()
        } else {
            format!("{label} ")
        };
        match logs::open(&engine, &one.record.id, low, session) {
            // One in the foreground, whose starter has what it writes.
            Err(e) if e.kind() == Kind::Unsupported && only.is_none() => {}
            opened => sources.push((label, opened?)),
        }
    }
    logs::follow(&engine, sources, low)
}
