//! The service of a supervisor itself, beside those that containerd knows: for Tare's own programs.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tare_spec_containerd::Message;

/// Its name.
pub(crate) const SUPERVISOR: &str = "tare.supervisor.v1.Supervisor";
/// Becomes another program: its absolute path as a string message; the answer is the version that runs then.
pub(crate) const UPGRADE: &str = "Upgrade";
/// Whose pod this is: a [`KeepRequest`]. Until the connection ends on which it came, that is the pod's keeper.
pub(crate) const KEEP: &str = "Keep";

/// Where containers of foreign runtimes are recorded: beside those of the library's.
pub(crate) fn foreign_home(containers: &Path) -> PathBuf {
    containers.with_file_name("foreign")
}

/// How the health of the keeper's container is looked after, once that runs: a [`HealthPlan`](crate::HealthPlan) in JSON, as a
/// string message.
pub(crate) const HEALTH: &str = "Health";

/// What the keeper of a pod wants of its supervisor.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct KeepRequest {
    /// The command that cleans up where the keeper is gone and nothing of the pod lives: program and arguments.
    #[prost(string, repeated, tag = "1")]
    pub(crate) reap: Vec<String>,
    /// The containers belong to the keeper, and die with it.
    #[prost(bool, tag = "2")]
    pub(crate) kill: bool,
}

/// What happens to a container whose client vanishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Hangup {
    /// The container belongs to its client and dies with it.
    Kill,
    /// The container lives on.
    Keep,
}
