//! `tare container prune` and `tare image prune`: what nobody needs goes.

use super::logs::parse_moment;
use super::{Group, Operands, Verb};
use crate::confirm::{self, Pruned};
use crate::low::Low;
use crate::session::Session;
use std::process::ExitCode;
use tare_engine::{GoneImages, PruneFilter};
use tare_error::Result;

/// Containers by their group's word.
pub(super) const CONTAINER: Group = Group {
    name: "container",
    about: "remove containers that do not run",
    heading: "Containers",
};

/// Images by theirs.
pub(super) const IMAGE: Group = Group {
    name: "image",
    about: "remove images that nobody needs",
    heading: "Images",
};

pub(super) const CONTAINERS: Verb = Verb {
    name: "container prune",
    about: "remove the containers that do not run",
    operands: Operands::None,
    heading: "",
    needs_engine: true,
    run: containers,
};

pub(super) const IMAGES: Verb = Verb {
    name: "image prune",
    about: "remove the images that have no name, or with -a all that no container is made of",
    operands: Operands::None,
    heading: "",
    needs_engine: true,
    run: images,
};

/// What docker calls those that `prune` removes.
pub(super) const DANGLING: &str = "all dangling images";
pub(super) const UNUSED: &str = "all images without at least one container associated to them";

fn containers(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let filter = filter(low, session)?;
    if !low.switch("force") {
        confirm::ask("prune containers", &["all stopped containers."])?;
    }
    let gone = session.engine()?.prune_containers(&filter)?;
    Ok(Pruned::default()
        .with("Deleted Containers", &gone.names)
        .and(gone.bytes)
        .say())
}

fn images(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let (filter, all) = (filter(low, session)?, low.switch("all"));
    if !low.switch("force") {
        let which = if all { UNUSED } else { DANGLING };
        confirm::ask("prune images", &[&format!("{which}.")])?;
    }
    let gone = session.engine()?.prune_images(&filter, all)?;
    Ok(Pruned::default()
        .with("Deleted Images", &lines(&gone))
        .and(gone.bytes)
        .say())
}

/// What was removed of images, as `docker image prune` says it.
pub(super) fn lines(gone: &GoneImages) -> Vec<String> {
    let untagged = gone.untagged.iter().map(|name| format!("untagged: {name}"));
    let deleted = gone.deleted.iter().map(|id| format!("deleted: {id}"));
    untagged.chain(deleted).collect()
}

/// What was asked with `--filter`.
pub(super) fn filter(low: &Low<'_>, session: &Session) -> Result<PruneFilter> {
    let mut filter = PruneFilter::default();
    for text in low.texts("filter")? {
        filter.apply(text, |time| {
            parse_moment(time, session.started).map(|moment| moment.seconds)
        })?;
    }
    Ok(filter)
}
