//! `tare ps`: the containers that are here.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output::{self, Table};
use crate::session::Session;
use std::process::ExitCode;
use std::time::UNIX_EPOCH;
use tare_engine::container::Status;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "ps",
    about: "list containers",
    operands: Operands::None,
    heading: "Containers",
    needs_engine: true,
    run,
};

/// Characters of a command that are shown.
const COMMAND: usize = 20;

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let (all, quiet, whole) = (low.switch("all"), low.switch("quiet"), low.switch("no-trunc"));
    let mut containers = session.engine()?.containers()?;
    containers.retain(|c| all || matches!(c.status, Status::Running));
    let short = |text: &str, most: usize| -> String {
        if whole {
            text.to_owned()
        } else {
            text.chars().take(most).collect()
        }
    };
    if quiet {
        let ids = containers
            .iter()
            .map(|c| format!("{}\n", short(&c.record.id, 12)));
        return Ok(output::say(&ids.collect::<String>()));
    }
    let now = session
        .started
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let mut table = Table::new(&["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAMES"]);
    for container in &containers {
        let record = &container.record;
        table.row(vec![
            short(&record.id, 12),
            record.reference.clone(),
            format!("{:?}", short(&record.command, COMMAND)),
            output::ago(now, record.created),
            container.status.to_string(),
            record.name.clone(),
        ]);
    }
    Ok(output::say(&table.render()))
}
