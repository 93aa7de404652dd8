//! The service of a supervisor itself, beside those that containerd knows: for Tare's own programs.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tare_spec_containerd::{Any, Message};
use tare_spec_oci::Resources;

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

/// The type of what stands for a runtime's options where that is a shim: a [`ShimRequest`].
pub(crate) const SHIM: &str = "tare.supervisor.v1.Shim";

/// The shim that is to make a container.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ShimRequest {
    /// Its program: a path, or a name for `PATH`.
    #[prost(string, tag = "1")]
    pub(crate) program: String,
    /// What it reads as the options of the runtime.
    #[prost(message, optional, tag = "2")]
    pub(crate) options: Option<Any>,
}

impl ShimRequest {
    /// In place of a runtime's options.
    pub(crate) fn packed(&self) -> Any {
        Any {
            type_url: SHIM.to_owned(),
            value: self.encode_to_vec(),
        }
    }

    /// Of that; none where it is something else.
    pub(crate) fn of(any: &Any) -> Option<ShimRequest> {
        let request = (any.type_url == SHIM).then(|| ShimRequest::decode(any.value.as_slice()));
        request?.ok()
    }
}

/// What the containers of this supervisor are to share: a [`PodPlan`] in JSON, as a string message. Asked again, it is as it was.
pub(crate) const POD: &str = "Pod";

/// What the containers of a pod share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodPlan {
    /// The pod's id.
    pub id: String,
    /// A network namespace of its own, in which loopback is up.
    pub network: bool,
    /// A host name of its own.
    pub uts: bool,
    /// System V IPC, message queues and `/dev/shm` of its own.
    pub ipc: bool,
    /// Process ids of its own.
    pub pid: bool,
    /// The host name, where it has one of its own.
    pub hostname: String,
    /// Parameters of the kernel in its namespaces, by name.
    pub parameters: BTreeMap<String, String>,
    /// The cgroup above those of its containers.
    pub group: String,
    /// The limits of that. Without any it is made where that is possible.
    pub limits: Option<Resources>,
}

/// What the keeper of a pod wants of its supervisor.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct KeepRequest {
    /// The command that cleans up where the keeper is gone and nothing of the pod lives: program and arguments.
    #[prost(string, repeated, tag = "1")]
    pub(crate) reap: Vec<String>,
    /// The containers belong to the keeper, and die with it.
    #[prost(bool, tag = "2")]
    pub(crate) kill: bool,
    /// The container that this is about, where several share the supervisor: each has a keeper of its own.
    #[prost(string, tag = "3")]
    pub(crate) container: String,
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
