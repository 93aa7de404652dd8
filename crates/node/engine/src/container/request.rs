//! What somebody asks a container to be: typed, checked on its own, not yet related to an image or a machine.

mod capability;
mod device;
mod environment;
mod health;
mod key;
mod mount;
mod name;
mod namespace;
mod pod;
mod resources;
mod restart;
mod security;
mod size;
mod sysctl;
mod ulimit;
mod user;
mod volume;

pub use capability::{Capability, CapabilityChange};
pub use device::DeviceRequest;
pub use environment::{Variable, parse_environment_file};
pub use health::{HealthRequest, Test};
pub use key::Key;
pub(crate) use mount::target_path;
pub use mount::{BindSource, MountKind, MountRequest, Propagation};
pub use name::{Hostname, Name};
pub use namespace::{CgroupMode, IpcMode, NetworkMode, PidMode, UserMode, UtsMode};
pub use pod::{ExitPolicy, JoinedPod, PodRequest, PodWish, parse_shares};
pub use resources::{CpuSet, Cpus, PidsLimit, ResourcesRequest, SwapLimit};
pub use restart::RestartPolicy;
pub use security::{SeccompChoice, SecurityOption, SecurityRequest};
pub use size::{parse_size, show_size};
pub use sysctl::{Scope, Sysctl};
pub use ulimit::Ulimit;
pub use user::{IdOrName, UserRequest};
pub use volume::{DRIVER, VolumeOptions, VolumeSource, VolumeWish, VolumesFrom, parse_volume_name};

use crate::records::pods::Shares;
use std::collections::BTreeMap;
use tare_error::{Error, Kind, Result};

/// Everything a `run` asks for. [`RunRequest::new`] asks for nothing but an image.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRequest {
    /// The image, as the person typed it.
    pub image: String,
    /// The command and its arguments; empty means the image's own.
    pub command: Vec<String>,
    /// A name; absent means the short form of the id.
    pub name: Option<Name>,
    /// What becomes of it when it ends, and how its streams are wired.
    pub life: LifeRequest,
    /// Which image of several, and whether to ask the registry.
    pub selection: SelectionRequest,
    /// The process.
    pub process: ProcessRequest,
    /// What it may do.
    pub security: SecurityRequest,
    /// What it sees of file systems.
    pub files: FilesRequest,
    /// Device nodes given to it.
    pub devices: Vec<DeviceRequest>,
    /// Its limits.
    pub resources: ResourcesRequest,
    /// How its health is looked after.
    pub health: HealthRequest,
    /// Its namespaces and what is set in them.
    pub namespaces: NamespacesRequest,
    /// Labels: data for people and other tools.
    pub labels: BTreeMap<String, String>,
    /// Annotations, handed on in the specification; never read back as a command of any kind.
    pub annotations: BTreeMap<String, String>,
}

/// What becomes of the container when it ends, and how its streams are wired.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LifeRequest {
    /// Remove everything of it when it ends.
    pub remove: bool,
    /// It lives on without whoever has started it, and what it writes is kept in its log.
    pub detached: bool,
    /// It is made and not started: that comes later.
    pub later: bool,
    /// Whether it is started again after its end.
    pub restart: RestartPolicy,
    /// The signal that asks it to end, by number; absent: the image's, else `TERM`.
    pub stop_signal: Option<i32>,
    /// How many seconds it may take to end when it is asked to; -1: as many as it wants; absent: ten.
    pub stop_timeout: Option<i64>,
    /// Who makes it, by the handler's name in the configuration or the path of an OCI runtime's program; absent: the
    /// configuration's default.
    pub handler: Option<String>,
    /// The pod that it is in.
    pub pod: Option<PodWish>,
    /// By which whoever asks may ask again.
    pub key: Option<Key>,
    /// Keep its standard input open.
    pub interactive: bool,
    /// Give it a terminal.
    pub terminal: bool,
    /// The terminal's size in lines and columns, where ours is one.
    pub size: Option<(u16, u16)>,
}

/// Which image of several, and whether to ask the registry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SelectionRequest {
    /// `os/architecture[/variant]`; absent means this machine's.
    pub platform: Option<String>,
    /// When to pull.
    pub pull: PullPolicy,
}

/// When an image is pulled before it is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Where it is not there.
    #[default]
    Missing,
    /// Each time.
    Always,
    /// Not at all.
    Never,
}

/// The process of a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessRequest {
    /// In place of the image's entry point; an empty list means none. The image's own command is then not used.
    pub entrypoint: Option<Vec<String>>,
    /// Changes to the environment, in order.
    pub environment: Vec<Variable>,
    /// The working directory, absolute.
    pub directory: Option<String>,
    /// As whom.
    pub user: Option<UserRequest>,
    /// Further groups.
    pub groups: Vec<IdOrName>,
    /// Resource limits of the process.
    pub ulimits: Vec<Ulimit>,
    /// A first process that reaps and passes signals on.
    pub init: bool,
}

/// What the container sees of file systems.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FilesRequest {
    /// Mounts, in the order given.
    pub mounts: Vec<MountRequest>,
    /// Containers whose volumes are mounted too.
    pub volumes_from: Vec<VolumesFrom>,
    /// Whether its root cannot be written.
    pub read_only: bool,
    /// Bytes of `/dev/shm`; absent means 64 MiB.
    pub shm_size: Option<u64>,
}

/// Namespaces and what is set in them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamespacesRequest {
    /// Process ids.
    pub pid: PidMode,
    /// System V IPC and message queues.
    pub ipc: IpcMode,
    /// Host name.
    pub uts: UtsMode,
    /// User ids.
    pub user: UserMode,
    /// View of the cgroup tree.
    pub cgroup: CgroupMode,
    /// Interfaces.
    pub network: NetworkMode,
    /// The host name inside.
    pub hostname: Option<Hostname>,
    /// Kernel parameters.
    pub sysctls: Vec<Sysctl>,
    /// The pod whose namespaces it is in, once that is known.
    pub pod: Option<JoinedPod>,
}

impl NamespacesRequest {
    /// The pod, where that is what the container shares with it.
    pub(super) fn of_pod(&self, shares: impl FnOnce(&Shares) -> bool) -> Option<&JoinedPod> {
        self.pod.as_ref().filter(|pod| shares(&pod.shares))
    }
}

impl RunRequest {
    /// Asks for `image`, with defaults for all else.
    pub fn new(image: impl Into<String>) -> RunRequest {
        RunRequest {
            image: image.into(),
            command: Vec::new(),
            name: None,
            life: LifeRequest::default(),
            selection: SelectionRequest::default(),
            process: ProcessRequest::default(),
            security: SecurityRequest::default(),
            files: FilesRequest::default(),
            devices: Vec::new(),
            resources: ResourcesRequest::default(),
            health: HealthRequest::default(),
            namespaces: NamespacesRequest::default(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }
}

impl PullPolicy {
    /// Every word a person may use for it.
    pub const WORDS: &[&str] = &["missing", "always", "never"];

    /// Reads `missing`, `always` or `never`.
    ///
    /// # Errors
    /// `Invalid` for another word.
    pub fn parse(text: &str) -> Result<PullPolicy> {
        match text {
            "missing" => Ok(PullPolicy::Missing),
            "always" => Ok(PullPolicy::Always),
            "never" => Ok(PullPolicy::Never),
            _ => Err(one_of("pull policy", text, PullPolicy::WORDS)),
        }
    }
}

/// Reads `key=value` of a label or annotation; without `=` the value is empty, as docker's.
///
/// # Errors
/// `Invalid` for an empty key.
pub fn parse_label(text: &str) -> Result<(String, String)> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.trim().is_empty() {
        return Err(invalid("label", text, "the part before = is empty"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// Reads a signal by name or number.
///
/// # Errors
/// `Invalid` for what is none.
pub fn parse_signal(text: &str) -> Result<i32> {
    let found = tare_signal::number(text).filter(|number| *number > 0);
    found.ok_or_else(|| invalid("signal", text, "there is no such signal").hint("kill -l lists them"))
}

/// Reads a number of seconds; -1 is no limit.
///
/// # Errors
/// `Invalid` for what is none.
pub fn parse_seconds(text: &str) -> Result<i64> {
    let seconds = text.parse::<i64>().ok().filter(|seconds| *seconds >= -1);
    seconds.ok_or_else(|| {
        invalid(
            "seconds",
            text,
            "it is a whole number of seconds, or -1 for no limit",
        )
    })
}

/// "read WHAT TEXT: WHY", the shape of every complaint about a word a person typed.
fn invalid(what: &'static str, text: &str, why: impl std::fmt::Display) -> Error {
    Error::new(Kind::Invalid, format!("read {what}"), quoted(text)).because(why)
}

/// A complaint about a word that is not in a closed set.
fn one_of(what: &'static str, text: &str, words: &[&str]) -> Error {
    invalid(what, text, "there is no such one").hint(format!("it is one of {}", words.join(", ")))
}

/// Quotes a word so that spaces and control characters show.
fn quoted(text: &str) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests;
