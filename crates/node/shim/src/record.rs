//! What a pod's folder says of its processes.

use crate::supervisor::Home;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tare_error::Result;
use tare_process::Stamp;

/// What `supervisor.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorRecord {
    /// The supervisor's process.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// The version of its program.
    pub version: String,
    /// Whether it is one container's alone; one of before does not say so.
    #[serde(default)]
    pub alone: bool,
    /// Where it takes calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// The group of its scope, where it lives in one of systemd's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl SupervisorRecord {
    /// That of this process.
    pub(crate) fn own() -> Result<SupervisorRecord> {
        Ok(SupervisorRecord {
            stamp: Stamp::of(i32::try_from(std::process::id()).unwrap_or(0))?,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            alone: false,
            socket: None,
            scope: None,
        })
    }

    /// With where it lives.
    pub(crate) fn at(self, home: &Home) -> SupervisorRecord {
        let scope = home.scope().map(ToString::to_string);
        SupervisorRecord { scope, ..self }
    }
}
