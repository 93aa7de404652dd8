//! `tare volume prune`: the volumes that no container uses go.

use crate::confirm::{self, Pruned};
use crate::low::Low;
use crate::session::Session;
use crate::verbs::{Operands, Verb};
use std::process::ExitCode;
use tare_error::Result;

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "volume prune",
    about: "remove the volumes that no container uses",
    operands: Operands::None,
    heading: "",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let (force, all) = (low.switch("force"), low.switch("all"));
    let mut filter = super::filter(low)?;
    if !all {
        filter.anonymous = filter.anonymous.or(Some(true));
    }
    let which = if all {
        "all local volumes"
    } else {
        "anonymous local volumes"
    };
    if !force {
        confirm::ask(
            "prune volumes",
            &[&format!("{which} not used by at least one container.")],
        )?;
    }
    let removed = session.engine()?.prune_volumes(filter)?;
    Ok(Pruned::default()
        .with("Deleted Volumes", &removed.names)
        .and(removed.bytes)
        .say())
}
