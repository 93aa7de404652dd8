//! What the control frames say, as JSON.

use super::Failure;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tare_cgroup::OomKill;
use tare_spec_oci::{Mount, Spec};

/// The first frame of each side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The protocol's version.
    pub version: u32,
    /// The version of the program that speaks.
    pub program: String,
    /// What went less than perfectly at birth, one sentence each, for the person who started this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A call with the number that its reply repeats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client, not 0.
    pub id: u32,
    /// What is asked.
    pub call: Call,
}

/// What a client can ask of a supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Call {
    /// Make the container and start its process.
    Create(Box<CreateRequest>),
    /// Relay the container's streams over this connection.
    Attach,
    /// Send a signal.
    Kill {
        /// The signal's number.
        signal: i32,
        /// To every process of the container instead of its first; only with `SIGKILL`.
        all: bool,
    },
    /// The client's terminal has this size now.
    Resize(WindowSize),
    /// How are things?
    State,
    /// The client has cleaned up after the container; nothing is left to do but to leave.
    Reaped,
}

/// The container to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateRequest {
    /// The container's id.
    pub id: String,
    /// The bundle's directory.
    pub bundle: PathBuf,
    /// The bundle's `config.json`, read by the client: the supervisor waits for no disk.
    pub spec: Spec,
    /// What makes the container's root, in order, e.g. one overlay; empty: `root.path` of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rootfs: Vec<Mount>,
    /// The compiled system call filter; needed where the configuration has one (`linux.seccomp`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// The container's stdin is the client's, until its end; otherwise it is empty.
    pub stdin_open: bool,
    /// What happens to the container when the connection that made it ends without a word.
    pub on_hangup: Hangup,
    /// The command that cleans up when no client does: program and arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reap: Vec<String>,
    /// The file on disk that gets a synced copy of the exit record; its directory must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_to: Option<PathBuf>,
}

/// A compiled system call filter: what `tare-seccomp` makes of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Classic BPF in the kernel's layout, 8 bytes an instruction; on the wire in hexadecimal digits.
    #[serde(with = "super::hexadecimal")]
    pub program: Vec<u8>,
    /// How it is loaded: the flags of `seccomp(2)`.
    #[serde(default)]
    pub flags: u32,
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

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Characters on a line.
    pub columns: u16,
}

/// The answer to the request with the same id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The request's id; 0 where the connection itself is refused.
    pub id: u32,
    /// What came of it.
    pub outcome: Result<Answer, Failure>,
}

/// What a supervisor answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// To `Create`: the container's process runs.
    Created {
        /// The process id of the container's first process, in the supervisor's pid namespace.
        pid: i32,
    },
    /// To `State`.
    State(State),
    /// To everything else.
    Done,
}

/// How a container is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where in its life it is.
    pub phase: Phase,
    /// Its first process, while that lives.
    pub pid: Option<i32>,
    /// How it ended.
    pub exit: Option<Exit>,
}

/// Where in its life a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// No container was asked for yet.
    Absent,
    /// Its process is being set up.
    Creating,
    /// Its process runs.
    Running,
    /// Its process has ended; its record is written.
    Stopped,
}

/// What a supervisor says unasked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Notice {
    /// The container ended, and every byte it wrote was sent.
    Exited(Exit),
    /// Something is not as it should be, and the container runs on.
    Warning(String),
}

/// How a container ended: what `exit.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The exit code as a shell has it: the process's own, or 128 and the signal's number.
    pub code: u8,
    /// The signal that killed the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// When, in nanoseconds since 1970.
    pub at: u64,
    /// The memory limit that killed a process of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom: Option<Oom>,
    /// Why nobody knows how the process ended; `code` is then 255 and means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// A kill for memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Oom {
    /// The limit in bytes that was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The cgroup that carries this limit; absent where it was no limit we can see, but the whole machine's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How many processes of the container were killed.
    pub kills: u64,
    /// The container ended by it; otherwise only other processes of the container were killed.
    pub first_process: bool,
}

impl Oom {
    /// What the kernel counted, and whether the container ended by it.
    pub(crate) fn of(kill: OomKill, first_process: bool) -> Oom {
        Oom {
            limit: kill.limit,
            group: kill.group,
            kills: kill.kills,
            first_process,
        }
    }
}
