//! `tare volume ls`: the volumes there are.

use crate::low::Low;
use crate::output::{self, Format};
use crate::session::Session;
use crate::verbs::{Operands, Verb};
use serde_json::json;
use std::process::ExitCode;
use tare_engine::container::request::DRIVER;
use tare_engine::volume::Volume;
use tare_error::Result;

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "volume ls",
    about: "list the volumes there are",
    operands: Operands::None,
    heading: "",
    needs_engine: true,
    run,
};

/// The usual columns.
const USUAL: &str = "{{.Driver}}\t{{.Name}}";

/// Every field, with what stands over its column.
const HEADINGS: &[(&str, &str)] = &[
    ("Driver", "DRIVER"),
    ("Name", "VOLUME NAME"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Scope", "SCOPE"),
];

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let (quiet, filter) = (low.switch("quiet"), super::filter(low)?);
    let format = match (quiet, low.text("format")?) {
        (true, None) => Format::parse(Some("{{.Name}}"), USUAL)?,
        (_, typed) => Format::parse(typed, USUAL)?,
    };
    let volumes = session.engine()?.volumes(&filter)?;
    let row = |volume: &Volume| {
        let labels = volume.record.labels.iter();
        let labels: Vec<String> = labels.map(|(key, value)| format!("{key}={value}")).collect();
        json!({
            "Driver": DRIVER,
            "Name": volume.record.name,
            "Labels": labels.join(","),
            "Links": volume.users.len().to_string(),
            "Mountpoint": volume.path,
            "Scope": "local",
        })
    };
    let rows: Vec<_> = volumes.iter().map(row).collect();
    Ok(output::say(&format.show(&rows, HEADINGS)?))
}
