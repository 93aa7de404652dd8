//! `tare pod prune`: the pods of which nothing runs go, with their containers.

use crate::confirm;
use crate::low::Low;
use crate::output;
use crate::session::Session;
use crate::verbs::{Operands, Verb};
use std::process::ExitCode;
use tare_engine::pod::PodFilter;
use tare_error::Result;

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "pod prune",
    about: "remove the pods of which nothing runs, with their containers",
    operands: Operands::None,
    heading: "",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let filters = low.all_parsed("filter", PodFilter::parse)?;
    if !low.switch("force") {
        confirm::ask("prune pods", &["all stopped pods and their containers."])?;
    }
    let gone = session.engine()?.prune_pods(&filters)?;
    Ok(output::say(
        &gone.iter().map(|id| format!("{id}\n")).collect::<String>(),
    ))
}
