//! `tare pod create`: a pod is made, and its id printed.

use crate::low::Low;
use crate::session::Session;
use crate::verbs::run::tell_holder;
use crate::verbs::{Operands, Verb};
use crate::{high, output};
use std::process::ExitCode;
use tare_engine::Claimed;
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
    if let Some(path) = file.filter(|path| request.key.is_none() && std::fs::symlink_metadata(path).is_ok()) {
        return Err(Error::new(Kind::Conflict, "write", path).because("pod ID file exists already"));
    }
    let engine = session.engine()?;
    let _claim = match engine.claim_pod(&request, &mut tell_holder)? {
        Claimed::Free(claim) => claim,
        Claimed::Made(id) => return told(&id, file),
    };
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
    let (id, warnings) = engine.create_pod(&request)?;
    warnings.iter().for_each(|text| output::warn(text));
    told(&id, file)
}

/// Says a pod's id, in a file too where one is named.
fn told(id: &str, file: Option<&str>) -> Result<ExitCode> {
    if let Some(path) = file {
        std::fs::write(path, id).op("write", path)?;
    }
    Ok(output::say(&format!("{id}\n")))
}
