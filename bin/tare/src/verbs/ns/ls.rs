//! `tare ns ls`: the namespaces that processes are in, as `lsns` lists them, and whose container each is.

use crate::low::Low;
use crate::output::{self, Format};
use crate::session::Session;
use crate::verbs::{Operands, Verb};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use tare_engine::container::first_processes;
use tare_error::{Error, Kind, Result};
use tare_process::{NAMESPACE_KINDS, Namespace, namespaces, namespaces_of};

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "ns ls",
    about: "list namespaces, and whose container each is",
    operands: Operands::None,
    heading: "Parts",
    // An ordinary user sees the own processes from outside of the own user namespace alone.
    needs_engine: false,
    run,
};

const USUAL: &str = "{{.NS}}\t{{.Type}}\t{{.NProcs}}\t{{.PID}}\t{{.User}}\t{{.Container}}\t{{.Command}}";

/// Every field, with what stands over its column.
const HEADINGS: &[(&str, &str)] = &[
    ("NS", "NS"),
    ("Type", "TYPE"),
    ("NProcs", "NPROCS"),
    ("PID", "PID"),
    ("User", "USER"),
    ("Container", "CONTAINER"),
    ("Command", "COMMAND"),
];

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let kind = low.parsed("type", parse_kind)?;
    let task = low.parsed("task", parse_pid)?;
    let format = Format::parse(low.text("format")?, USUAL)?;
    let format = match low.switch("no-headings") {
        true => format.without_headings(),
        false => format,
    };
    let names = names(&first_processes(&session.roots()?)?);
    let of_task = task.map(of_task).transpose()?;
    let mut found = namespaces()?;
    found.retain(|one| kind.is_none_or(|kind| one.kind == kind));
    found.retain(|one| of_task.as_ref().is_none_or(|of| of.contains(&one.number)));
    let rows: Vec<Value> = found.iter().map(|one| row(one, &names)).collect();
    Ok(output::say(&format.show(&rows, HEADINGS)?))
}

fn row(one: &Namespace, names: &BTreeMap<u64, Vec<String>>) -> Value {
    let container = names.get(&one.number).map(|names| names.join(","));
    json!({
        "NS": one.number.to_string(),
        "Type": one.kind,
        "NProcs": one.processes.to_string(),
        "PID": one.pid.to_string(),
        "User": one.user,
        "Container": container.unwrap_or_default(),
        "Command": one.command,
    })
}

/// The containers of each namespace: those that their first processes are in, and the machine's own are not.
fn names(first: &[(String, u32)]) -> BTreeMap<u64, Vec<String>> {
    // Where this process may not look at the first one of the machine, the own namespaces are what is known of it.
    let of_host = [1, std::process::id()].map(namespaces_of);
    let of_host: BTreeSet<u64> = of_host.into_iter().flatten().map(|(_, number)| number).collect();
    let mut names: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (name, pid) in first {
        let own = namespaces_of(*pid).into_iter().map(|(_, number)| number);
        for number in own.filter(|number| !of_host.contains(number)) {
            names.entry(number).or_default().push(name.clone());
        }
    }
    names.values_mut().for_each(|names| names.sort());
    names
}

fn of_task(pid: u32) -> Result<BTreeSet<u64>> {
    let own: BTreeSet<u64> = namespaces_of(pid).into_iter().map(|(_, number)| number).collect();
    match own.is_empty() {
        false => Ok(own),
        true => Err(Error::new(Kind::NotFound, "look at process", pid)
            .because("there is none, or it is not yours to look at")),
    }
}

fn parse_kind(text: &str) -> Result<&'static str> {
    let kind = NAMESPACE_KINDS.iter().find(|kind| **kind == text);
    kind.copied().ok_or_else(|| {
        Error::new(Kind::Invalid, "read type of namespace", format!("{text:?}"))
            .because("there is none of that name")
            .hint(format!("it is one of {}", NAMESPACE_KINDS.join(", ")))
    })
}

fn parse_pid(text: &str) -> Result<u32> {
    text.parse().ok().filter(|pid| *pid != 0).ok_or_else(|| {
        Error::new(Kind::Invalid, "read process id", format!("{text:?}"))
            .because("it is a whole number above 0")
    })
}
