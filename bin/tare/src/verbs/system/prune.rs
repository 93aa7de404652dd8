//! `tare system prune`: containers that do not run, images that nobody needs, and with --volumes volumes that nobody named.

use crate::confirm::{self, Pruned};
use crate::low::Low;
use crate::session::Session;
use crate::verbs::prune::{DANGLING, UNUSED, filter, lines};
use crate::verbs::{Operands, Verb};
use std::process::ExitCode;
use tare_error::Result;

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "system prune",
    about: "remove containers that do not run and images that nobody needs",
    operands: Operands::None,
    heading: "",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let (filter, all, volumes) = (filter(low, session)?, low.switch("all"), low.switch("volumes"));
    if !low.switch("force") {
        let mut what = vec!["all stopped containers"];
        what.extend(volumes.then_some("all anonymous volumes not used by at least one container"));
        what.push(if all { UNUSED } else { DANGLING });
        confirm::ask("prune", &what)?;
    }
    let engine = session.engine()?;
    let containers = engine.prune_containers(&filter)?;
    let mut pruned = Pruned::default()
        .with("Deleted Containers", &containers.names)
        .and(containers.bytes);
    if volumes {
        let gone = engine.prune_volumes(filter.of_volumes(false))?;
        pruned = pruned.with("Deleted Volumes", &gone.names).and(gone.bytes);
    }
    let images = engine.prune_images(&filter, all)?;
    Ok(pruned
        .with("Deleted Images", &lines(&images))
        .and(images.bytes)
        .say())
}
