//! **What.** The messages that containerd and a shim v2 exchange: the task, sandbox and event services, the options and
//! answers of a shim's start, and the statistics, as types.
//!
//! **Not.** No transport (`tare-ttrpc`), no I/O, no behaviour: what a shim owes containerd is written down in
//! `docs/design/shim-v2.md`. The OCI documents that travel as JSON inside an [`Any`] are `tare-spec-oci`'s.
//!
//! **Words.** All names are containerd's. *Any*: bytes with the name of their type ([`typeurl`] has the names of those
//! that are JSON). *Envelope*: an event with its time, namespace and topic. *Bootstrap*: what `start` reads and answers.
//!
//! **Life.** Bytes → `Message::decode` (re-exported from prost) → plain data → `encode_to_vec`. For a call:
//! [`Service::from_name`] → [`TaskMethod::from_name`] → the request's type, named as the method is.
//!
//! **Rules.** Task v2 and v3 have the same messages, field by field (`diff` of containerd's two files shows only the
//! package's name), so that there is one set, [`task`]; which service was called is in [`Service`]. The files in
//! `src/generated` are made by `cargo xtask codegen` from those in `proto/`, which are containerd's own (API 1.12.0,
//! containerd 2.4; cgroups 3.1.3) and a superset of what 2.1 speaks. What no containerd sends to a shim is left out, and
//! of `Sandbox` the optional `UpdateSandbox`. Maps are B-trees. An unknown field is skipped, as protobuf asks.
//!
//! ```
//! use tare_spec_containerd::{Any, Message, events::TaskOom};
//! let event = Any::pack(&TaskOom { container_id: "web".into() });
//! assert_eq!(event.type_url, "containerd.events.TaskOOM");
//! assert_eq!(event.unpack::<TaskOom>()?.container_id, "web");
//! # Ok::<(), tare_spec_containerd::WrongType>(())
//! ```

mod service;
mod start;
mod well_known;

pub mod typeurl;

/// What `start` reads and may answer since containerd 2.3: `containerd.runtime.bootstrap.v1`.
#[path = "generated/bootstrap.rs"]
#[expect(missing_docs, reason = "the files in proto/ say what the fields mean")]
pub mod bootstrap;
/// Statistics of cgroup v1: `io.containerd.cgroups.v1`.
#[path = "generated/cgroup1.rs"]
#[expect(missing_docs, reason = "the files in proto/ say what the fields mean")]
pub mod cgroup1;
/// Statistics of cgroup v2: `io.containerd.cgroups.v2`.
#[path = "generated/cgroup2.rs"]
#[expect(missing_docs, reason = "the files in proto/ say what the fields mean")]
pub mod cgroup2;
/// What a pod is to be, as the CRI says it: part of `runtime.v1`.
#[path = "generated/cri.rs"]
#[expect(missing_docs, reason = "the files in proto/ say what the fields mean")]
pub mod cri;
/// What a shim publishes: `containerd.events`.
#[path = "generated/events.rs"]
#[expect(missing_docs, reason = "the files in proto/ say what the fields mean")]
pub mod events;
/// The service it publishes to: `containerd.services.events.ttrpc.v1`.
#[path = "generated/forward.rs"]
#[expect(missing_docs, reason = "the files in proto/ say what the fields mean")]
pub mod forward;
/// State and pids of processes, in the task service's answers: `containerd.v1.types`.
#[path = "generated/process.rs"]
#[expect(missing_docs, reason = "the files in proto/ say what the fields mean")]
pub mod process;
/// The options of `io.containerd.runc.v2`, which other OCI shims take too: `containerd.runc.v1`.
#[path = "generated/runc.rs"]
#[expect(missing_docs, reason = "the files in proto/ say what the fields mean")]
pub mod runc;
/// The options of shims that containerd does not know: `runtimeoptions.v1`.
#[path = "generated/runtimeoptions.rs"]
#[expect(missing_docs, reason = "the files in proto/ say what the fields mean")]
pub mod runtimeoptions;
/// The sandbox service: `containerd.runtime.sandbox.v1`.
#[path = "generated/sandbox.rs"]
#[expect(missing_docs, reason = "the files in proto/ say what the fields mean")]
pub mod sandbox;
/// The task service, v2 and v3: `containerd.task.v3`.
#[path = "generated/task.rs"]
#[expect(missing_docs, reason = "the files in proto/ say what the fields mean")]
pub mod task;
/// What several services share: mounts, platforms, metrics, envelopes: `containerd.types`.
#[path = "generated/types.rs"]
#[expect(missing_docs, reason = "the files in proto/ say what the fields mean")]
pub mod types;

pub use prost::{DecodeError, Message, Name};
pub use sandbox::SandboxMethod;
pub use service::{EVENTS, Event, FORWARD, Service};
pub use start::{BootstrapAnswer, StartInput};
pub use task::TaskMethod;
pub use well_known::{Any, Timestamp, WrongType};

#[cfg(test)]
mod tests;
