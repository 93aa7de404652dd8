//! `tare commit`: an image of a container.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::process::ExitCode;
use tare_engine::image::CommitOptions;
use tare_error::Result;
use tare_registry::{Platform, Reference};

pub(super) const VERB: Verb = Verb {
    name: "commit",
    about: "make an image of a container and what it has written",
    operands: Operands::OneAndMaybe(
        ["CONTAINER", "NAME[:TAG]"],
        "a container, and a name for its image",
    ),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let mut options = options(low)?;
    options.pause = low.text("pause")? != Some("false") && !low.switch("no-pause");
    let operands = low.operands()?;
    let container = operands.first().copied().unwrap_or_default();
    options.name = operands.get(1).map(|name| Reference::parse(name)).transpose()?;
    let image = session.engine()?.commit_container(container, &options)?;
    Ok(output::say(&format!("{}\n", image.id)))
}

/// What `commit` and `import` are told of the image.
pub(super) fn options(low: &Low<'_>) -> Result<CommitOptions> {
    Ok(CommitOptions {
        author: low.text("author")?.map(str::to_owned),
        message: low.text("message")?.map(str::to_owned),
        changes: low.texts("change")?.into_iter().map(str::to_owned).collect(),
        platform: low.parsed("platform", Platform::parse)?,
        ..CommitOptions::default()
    })
}
