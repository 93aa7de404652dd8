//! `tare cgroup ls`: the groups there are, hierarchy by hierarchy.

use crate::low::Low;
use crate::output::{self, Format};
use crate::session::Session;
use crate::verbs::{Operands, Verb};
use serde_json::{Value, json};
use std::process::ExitCode;
use tare_cgroup::{GroupLine, Host};
use tare_error::Result;

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "cgroup ls",
    about: "list control groups, and how many processes are in each",
    operands: Operands::Any("CONTROLLERS:PATH", "this group and those below it alone"),
    heading: "Parts",
    needs_engine: false,
    run,
};

const USUAL: &str = "{{.Controllers}}\t{{.Group}}\t{{.NProcs}}";

/// Every field, with what stands over its column.
const HEADINGS: &[(&str, &str)] = &[
    ("Controllers", "CONTROLLERS"),
    ("Group", "GROUP"),
    ("NProcs", "NPROCS"),
];

fn run(low: &Low<'_>, _session: &Session) -> Result<ExitCode> {
    let format = Format::parse(low.text("format")?, USUAL)?;
    let format = match low.switch("no-headings") {
        true => format.without_headings(),
        false => format,
    };
    let named = super::groups_and_operands(low)?;
    let host = Host::current()?;
    let lines = match named.is_empty() {
        true => host.groups()?,
        false => {
            let lists: Vec<_> = named
                .iter()
                .map(|group| group.list(&host))
                .collect::<Result<_>>()?;
            lists.concat()
        }
    };
    let rows: Vec<Value> = lines.iter().map(row).collect();
    Ok(output::say(&format.show(&rows, HEADINGS)?))
}

fn row(line: &GroupLine) -> Value {
    json!({
        "Controllers": line.controllers,
        "Group": line.path,
        "NProcs": line.processes.to_string(),
    })
}
