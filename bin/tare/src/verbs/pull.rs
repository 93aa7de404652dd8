//! `tare pull NAME`: an image from its registry; its id alone on stdout.

use super::{Operands, Verb};
use crate::low::Low;
use crate::session::Session;
use crate::{high, output, progress};
use std::process::ExitCode;
use tare_engine::container::request::PullPolicy;
use tare_engine::image::PullOptions;
use tare_error::Result;
use tare_registry::{Platform, Reference};

pub(super) const VERB: Verb = Verb {
    name: "pull",
    about: "fetch an image from its registry",
    operands: Operands::One(
        "NAME",
        "an image, as in busybox or registry.example:5000/team/app:1.2",
    ),
    heading: "Images",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let reference = Reference::parse(low.operands()?.pop().unwrap_or_default())?;
    let platform = high::platform(low, session)?;
    let options = PullOptions {
        platform: platform.as_deref().map(Platform::parse).transpose()?,
        policy: PullPolicy::Always,
    };
    let quiet = low.switch("quiet");
    let engine = session.engine()?;
    let shown = progress::shown(&reference.to_string(), quiet);
    let pulled = engine.pull(&reference, &options, &*shown)?;
    drop(shown);
    if !quiet {
        let what = if pulled.fresh { "pulled" } else { "is up to date" };
        output::tell(&format!("{reference}: {what}\n"));
    }
    Ok(output::say(&format!("{}\n", pulled.image.id)))
}
