//! `tare create`: makes a container of an image, for somebody to start.

use super::run::{CidFile, image, tell_holder};
use super::{Operands, Verb};
use crate::low::Low;
use crate::session::Session;
use crate::{high, output};
use std::process::ExitCode;
use tare_engine::Claimed;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "create",
    about: "make a container without starting it",
    operands: Operands::Command(
        "IMAGE [COMMAND] [ARG...]",
        "an image, then a command in place of its own",
    ),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let request = high::run_request(low, session)?;
    let cid_file = CidFile::of(low)?;
    let engine = session.engine()?;
    let _claim = match engine.claim_container(&request, &mut tell_holder)? {
        Claimed::Free(claim) => claim,
        Claimed::Made(id) => return cid_file.agree(&id),
    };
    let image = image(&engine, &request, low.switch("quiet"))?;
    let mut container = engine.create_container(&request, &image)?;
    cid_file.write(&mut container)?;
    let warnings = container.take_warnings();
    let id = container.keep()?;
    warnings.iter().for_each(|text| output::warn(text));
    Ok(output::say(&format!("{id}\n")))
}
