//! `tare pod create`: a pod is made, and its id printed.

use crate::low::Low;
use crate::session::Session;
use crate::verbs::{Operands, Verb};
use crate::{high, output};
use std::process::ExitCode;
use tare_error::{Context, Error, Kind, Result};

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "pod create",
    about: "make a pod, in which containers can be",
    operands: Operands::Maybe("NAME", "its name, as --name"),
    heading: "",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let request = high::pod_request(low)?;
    let (replace, file) = (low.switch("replace"), low.text("pod-id-file")?);
    if let Some(path) = file.filter(|path| std::fs::symlink_metadata(path).is_ok()) {
        return Err(Error::new(Kind::Conflict, "write", path).because("pod ID file exists already"));
    }
    let engine = session.engine()?;
    match &request.name {
        Some(name) if replace => match engine.remove_pod(name.as_str(), true, None) {
            Err(e) if e.kind() == Kind::NotFound => {}
            removed => drop(removed?),
        },
        None if replace => {
            return Err(Error::new(Kind::Invalid, "read option", "--replace")
                .because("cannot replace pod without --name being set"));
        }
        _ => {}
    }
    let (id, told) = engine.create_pod(&request)?;
    told.iter().for_each(|text| output::warn(text));
    if let Some(path) = file {
        std::fs::write(path, &id).op("write", path)?;
    }
    Ok(output::say(&format!("{id}\n")))
}
