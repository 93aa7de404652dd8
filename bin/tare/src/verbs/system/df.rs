//! `tare system df`: what lies on disk, and how much of it could go.

use crate::low::Low;
use crate::output::{self, Format, Table};
use crate::session::Session;
use crate::verbs::images::split;
use crate::verbs::{Operands, Verb};
use serde_json::{Value, json};
use std::process::ExitCode;
use tare_engine::DiskUsage;
use tare_error::Result;

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "system df",
    about: "say what lies on disk, and how much of it could go",
    operands: Operands::None,
    heading: "",
    needs_engine: true,
    run,
};

const USUAL: &str = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";

const HEADINGS: &[(&str, &str)] = &[
    ("Type", "TYPE"),
    ("TotalCount", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let verbose = low.count("verbose") > 0;
    let format = low.text("format")?;
    let usage = session.engine()?.disk_usage()?;
    if verbose && format.is_none() {
        return Ok(output::say(&in_full(&usage, session.now())));
    }
    let rows = rows(&usage);
    Ok(output::say(&Format::parse(format, USUAL)?.show(&rows, HEADINGS)?))
}

fn rows(usage: &DiskUsage) -> Vec<Value> {
    let row = |kind: &str, total: usize, active: usize, size: u64, reclaimable: u64| {
        let part = reclaimable.saturating_mul(100).checked_div(size);
        let part = part.map_or_else(String::new, |part| format!(" ({part}%)"));
        json!({
            "Type": kind,
            "TotalCount": total.to_string(),
            "Active": active.to_string(),
            "Size": output::decimal_size(size),
            "Reclaimable": format!("{}{part}", output::decimal_size(reclaimable)),
        })
    };
    let used = usage.images.iter().filter(|image| image.containers > 0).count();
    let up = usage
        .containers
        .iter()
        .filter(|(listed, _)| listed.status.is_up());
    let containers: u64 = usage.containers.iter().map(|(_, bytes)| bytes).sum();
    let running: u64 = up.clone().map(|(_, bytes)| bytes).sum();
    let volumes: u64 = usage.volumes.iter().map(|(_, bytes)| bytes).sum();
    let mounted = usage
        .volumes
        .iter()
        .filter(|(volume, _)| !volume.users.is_empty());
    let needed: u64 = mounted.clone().map(|(_, bytes)| bytes).sum();
    vec![
        row(
            "Images",
            usage.images.len(),
            used,
            usage.images_size,
            usage.images_reclaimable,
        ),
        row(
            "Containers",
            usage.containers.len(),
            up.count(),
            containers,
            containers - running,
        ),
        row(
            "Local Volumes",
            usage.volumes.len(),
            mounted.count(),
            volumes,
            volumes - needed,
        ),
        row("Build Cache", 0, 0, 0, 0),
    ]
}

/// Every image, container and volume, in docker's tables.
fn in_full(usage: &DiskUsage, now: i64) -> String {
    let mut images = Table::new(&[
        "REPOSITORY",
        "TAG",
        "IMAGE ID",
        "CREATED",
        "SIZE",
        "SHARED SIZE",
        "UNIQUE SIZE",
        "CONTAINERS",
    ]);
    for image in &usage.images {
        let name = image
            .summary
            .names
            .first()
            .map_or("<none>:<none>", String::as_str);
        let (repository, tag) = split(name);
        let created = image.summary.created.as_deref().and_then(output::parse_time);
        images.row(vec![
            repository.to_owned(),
            tag.to_owned(),
            output::short_digest(&image.summary.id),
            created.map_or_else(|| "N/A".to_owned(), |then| output::ago(now, then)),
            output::decimal_size(image.size),
            output::decimal_size(image.shared),
            output::decimal_size(image.size - image.shared),
            image.containers.to_string(),
        ]);
    }
    let mut containers = Table::new(&[
        "CONTAINER ID",
        "IMAGE",
        "COMMAND",
        "LOCAL VOLUMES",
        "SIZE",
        "CREATED",
        "STATUS",
        "NAMES",
    ]);
    for (listed, bytes) in &usage.containers {
        let record = &listed.record;
        let volumes = usage
            .volumes
            .iter()
            .filter(|(volume, _)| volume.users.contains(&record.id));
        containers.row(vec![
            record.id.get(..12).unwrap_or(&record.id).to_owned(),
            record.reference.clone(),
            format!("{:?}", record.command),
            volumes.count().to_string(),
            output::decimal_size(*bytes),
            output::ago(now, record.created),
            listed.status.to_string(),
            record.name.clone(),
        ]);
    }
    let mut volumes = Table::new(&["VOLUME NAME", "LINKS", "SIZE"]);
    for (volume, bytes) in &usage.volumes {
        volumes.row(vec![
            volume.record.name.clone(),
            volume.users.len().to_string(),
            output::decimal_size(*bytes),
        ]);
    }
    format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}",
        images.render(),
        containers.render(),
        volumes.render()
    )
}
