//! `tare volume ls`: the volumes there are.

use crate::low::Low;
use crate::output::{self, Table};
use crate::session::Session;
use crate::verbs::{Operands, Verb};
use std::process::ExitCode;
use tare_engine::container::request::DRIVER;
use tare_error::Result;

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "volume ls",
    about: "list the volumes there are",
    operands: Operands::None,
    heading: "",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let (quiet, filter) = (low.switch("quiet"), super::filter(low)?);
    let volumes = session.engine()?.volumes(&filter)?;
    let names = volumes.into_iter().map(|volume| volume.record.name);
    if quiet {
        let lines: String = names.map(|name| format!("{name}\n")).collect();
        return Ok(output::say(&lines));
    }
    let mut table = Table::new(&["DRIVER", "VOLUME NAME"]);
    names.for_each(|name| table.row(vec![DRIVER.to_owned(), name]));
    Ok(output::say(&table.render()))
}
