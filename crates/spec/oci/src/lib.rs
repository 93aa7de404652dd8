//! **What.** The documents of the OCI runtime specification 1.3 for Linux (`config.json`, the state) as Rust types.
//!
//! **Not.** No validation beyond shape, no defaults of any engine, nothing of Windows, Solaris, z/OS, FreeBSD or VMs
//! (such members are ignored on reading). Image documents are the `oci-spec` crate's.
//!
//! **Words.** All names are the specification's, in Rust's case; `type` is called `kind`.
//!
//! **Life.** Read with `serde_json` → used or changed → written with `serde_json`. Everything is plain data.
//!
//! **Rules.** A member that is absent stays absent when written again; `null` reads as absent, as Go's tools write it
//! for empty lists. A value outside a closed set (a namespace type, a seccomp action) is an error that names it.
//! Members unknown to 1.3 are ignored, as the specification asks ("Extensibility").
//!
//! ```
//! let text = r#"{"ociVersion":"1.3.0","process":{"user":{"uid":0,"gid":0},"cwd":"/","args":["sh"]}}"#;
//! let spec: tare_spec_oci::Spec = serde_json::from_str(text)?;
//! assert_eq!(spec.process.unwrap_or_default().args, ["sh"]);
//! # Ok::<(), serde_json::Error>(())
//! ```

#[macro_use]
mod document;
mod config;
mod features;
mod linux;
mod process;
mod resources;
mod seccomp;
mod state;

pub use config::{Hook, Hooks, Mount, Root, Spec};
pub use features::{CgroupFeatures, Enabled, Features, LinuxFeatures, MountExtensions, SeccompFeatures};
pub use linux::{
    Device, DeviceKind, IdMapping, IntelRdt, Linux, MemoryPolicy, MemoryPolicyFlag, MemoryPolicyMode,
    Namespace, NamespaceKind, NetDevice, Personality, PersonalityDomain, TimeOffset,
};
pub use process::{
    Capabilities, ConsoleSize, ExecCpuAffinity, IoPriority, IoPriorityClass, Process, Rlimit, Scheduler,
    SchedulerFlag, SchedulerPolicy, User,
};
pub use resources::{
    BlockIo, Cpu, DeviceRule, HugepageLimit, InterfacePriority, Memory, Network, Pids, Rdma, Resources,
    ThrottleDevice, WeightDevice,
};
pub use seccomp::{Action, Arch, Arg, FilterFlag, Operator, Seccomp, SyscallRule};
pub use state::{ContainerProcessState, SECCOMP_FD, State, Status};

/// The version of the specification these types follow, written as `ociVersion`.
pub const VERSION: &str = "1.3.0";

#[cfg(test)]
mod tests;
