//! `tare pod stats`: what the containers of pods use.

use super::meant;
use crate::low::Low;
use crate::session::Session;
use crate::verbs::{Operands, Verb, stats};
use std::process::ExitCode;
use tare_engine::Engine;
use tare_engine::container::Listed;
use tare_error::Result;

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "pod stats",
    about: "show what the containers of pods use",
    operands: Operands::Any("POD", "names or ids; all where there is none"),
    heading: "",
    needs_engine: true,
    run,
};

/// What is shown where nobody says: with the pod's id first, as podman's.
const USUAL: &str = "{{.Pod}}\t{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let every = low.operands()?.is_empty() && !low.switch("latest") && low.texts("pod-id-file")?.is_empty();
    stats::follow(low, session, USUAL, |engine| of_pods(low, engine, every))
}

fn of_pods(low: &Low<'_>, engine: &Engine, every: bool) -> Result<Vec<Listed>> {
    let pods = match every {
        true => engine.pods(&[])?,
        false => meant(low, engine)?
            .iter()
            .map(|name| engine.pod(name))
            .collect::<Result<_>>()?,
    };
    let containers = pods.into_iter().flat_map(|pod| pod.containers);
    Ok(containers.filter(|one| one.status.lives()).collect())
}
