//! `state`: a container's state as JSON, with the members that runc adds.

use crate::output;
use crate::reading::Arguments;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use tare_error::Result;
use tare_lifecycle::{Condition, Container};

/// A container as `state` and `list` print it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown<'a> {
    oci_version: &'a str,
    pub(super) id: &'a str,
    pub(super) pid: i32,
    pub(super) status: String,
    pub(super) bundle: &'a Path,
    rootfs: &'a Path,
    pub(super) created: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
    pub(super) owner: String,
}

impl<'a> Shown<'a> {
    pub(super) fn of(container: &'a Container) -> Result<Shown<'a>> {
        let record = container.record();
        let condition = container.condition()?;
        let lives = condition != Condition::Stopped;
        Ok(Shown {
            oci_version: &record.oci_version,
            id: &record.id,
            pid: container.pid()?.filter(|_| lives).unwrap_or(0),
            status: condition.to_string(),
            bundle: &record.bundle,
            rootfs: &record.rootfs,
            created: &record.created,
            annotations: &record.annotations,
            owner: if record.owner == 0 {
                "root".to_owned()
            } else {
                format!("#{}", record.owner)
            },
        })
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(1)?;
    let container = arguments.home().container(&arguments.id()?)?;
    output::print_json(&Shown::of(&container)?)?;
    Ok(ExitCode::SUCCESS)
}
