//! `tare rmi`: names go, and with the last one the image.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "rmi",
    about: "remove images",
    operands: Operands::Many("IMAGE", "a name, an id, or the beginning of one"),
    heading: "Images",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let force = low.switch("force");
    let names = low.operands()?;
    let engine = session.engine()?;
    super::each(&engine, &names, |name| {
        let removed = engine.remove_image(name, force)?;
        let mut text: String = removed
            .untagged
            .iter()
            .map(|name| format!("Untagged: {name}\n"))
            .collect();
        text.extend(removed.deleted.iter().map(|id| format!("Deleted: {id}\n")));
        output::say(&text);
        Ok(())
    })
}
