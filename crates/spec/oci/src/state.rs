//! The state of a container, as hooks read it and `state` prints it (spec: `runtime.md`, "State").

use std::collections::BTreeMap;
use std::path::PathBuf;

document! {
    /// A container's state.
    pub struct State {
        must {
            /// The version of the specification the document follows.
            pub oci_version: String,
            /// The container.
            pub id: String,
            /// Where in its life it is.
            pub status: Status,
            /// Its bundle.
            pub bundle: PathBuf,
        }
        maybe {
            /// Its first process, as seen by the host; needed in `created` and `running`.
            pub pid: Option<i32>,
            /// The configuration's annotations.
            pub annotations: BTreeMap<String, String>,
        }
    }
}

document! {
    /// What a seccomp agent gets with the listener (spec: `runtime-linux.md`, "The Container Process State").
    pub struct ContainerProcessState {
        must {
            /// The version of the specification the document follows.
            pub oci_version: String,
            /// What the file descriptors are that come with it, in their order.
            pub fds: Vec<String>,
            /// The process whose calls the agent decides on, as seen by the host.
            pub pid: i32,
            /// The container's state.
            pub state: State,
        }
        maybe {
            /// `linux.seccomp.listenerMetadata`.
            pub metadata: Option<String>,
        }
    }
}

/// What the listener of a seccomp filter is called in [`ContainerProcessState::fds`].
pub const SECCOMP_FD: &str = "seccompFd";

words! {
    /// Where in its life a container is.
    pub enum Status {
        /// Being made.
        #[default]
        Creating = "creating",
        /// Made, its process not yet executed.
        Created = "created",
        /// Its process runs.
        Running = "running",
        /// Its process is gone.
        Stopped = "stopped",
    }
}
