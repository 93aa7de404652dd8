//! `tare pod top`: the processes of a pod's containers.

use crate::low::Low;
use crate::session::Session;
use crate::verbs::{Operands, Verb, top};
use std::process::ExitCode;
use tare_error::{Error, Kind, Result};

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "pod top",
    about: "list the processes of the containers of a pod",
    operands: Operands::Command("POD [PS OPTIONS]", "a pod, then options of ps(1)"),
    heading: "",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let operands = low.operands()?;
    let (name, options) = operands
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (*first, rest));
    let engine = session.engine()?;
    let pod = engine.pod(name)?;
    let mut processes = Vec::new();
    for one in pod.containers.iter().filter(|one| one.status.lives()) {
        match engine.top(&one.record.id) {
            // It has ended meanwhile.
            Err(e) if matches!(e.kind(), Kind::Conflict | Kind::NotFound) => {}
            found => processes.extend(found?),
        }
    }
    if processes.is_empty() {
        return Err(Error::new(Kind::Conflict, "list the processes of pod", name)
            .because("no container of it is running")
            .hint(format!("`tare pod start {name}` starts them")));
    }
    top::show(&processes, options, session)
}
