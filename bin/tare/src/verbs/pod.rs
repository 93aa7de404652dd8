//! `tare pod ...`: containers that share a network, a host name, queues and memory.

pub(super) mod create;
pub(super) mod exists;
pub(super) mod inspect;
pub(super) mod life;
pub(super) mod logs;
pub(super) mod prune;
pub(super) mod ps;
pub(super) mod rm;
pub(super) mod stats;
pub(super) mod top;

use super::{Group, Operands, each};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::process::ExitCode;
use tare_engine::Engine;
use tare_error::{Context, Error, Kind, Result};

pub(super) const GROUP: Group = Group {
    name: "pod",
    about: "make, run and remove pods: containers that share a network",
    heading: "Containers",
};

/// What the verbs about pods take.
const PODS: Operands = Operands::Any("POD", "a name, an id, or the beginning of one");

/// Which pods are meant: those named, those in files, all, or the last one made.
fn meant(low: &Low<'_>, engine: &Engine) -> Result<Vec<String>> {
    let (all, latest) = (low.switch("all"), low.switch("latest"));
    let mut names: Vec<String> = low.operands()?.into_iter().map(str::to_owned).collect();
    for file in low.texts("pod-id-file")? {
        names.push(id_of_file(file)?);
    }
    if all || latest {
        let mut pods = engine.pods(&[])?;
        pods.truncate(if latest { 1 } else { usize::MAX });
        names.extend(pods.into_iter().map(|pod| pod.record.id));
    } else if names.is_empty() {
        return Err(Error::new(Kind::Invalid, "read command line", "POD")
            .because("it is missing")
            .hint("name a pod, or -a for all of them"));
    }
    Ok(names)
}

/// The id that `pod create --pod-id-file` has written.
pub(crate) fn id_of_file(path: &str) -> Result<String> {
    let text = std::fs::read_to_string(path).op("read", path)?;
    Ok(text.trim().to_owned())
}

/// Does the same to each pod that was meant, and prints the id of each that it was done to.
fn each_pod(
    low: &Low<'_>,
    session: &Session,
    mut act: impl FnMut(&Engine, &str) -> Result<String>,
) -> Result<ExitCode> {
    let engine = session.engine()?;
    let names = meant(low, &engine)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    each(&engine, &names, |name| {
        let id = act(&engine, name)?;
        output::say(&format!("{id}\n"));
        Ok(())
    })
}
