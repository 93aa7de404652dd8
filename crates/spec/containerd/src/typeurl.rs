//! Names of the JSON documents that travel inside an [`Any`](crate::Any).
//!
//! Go's runtime-spec types are registered with containerd's typeurl under these names (`client/client.go` and
//! `cmd/containerd-shim-runc-v2`: `typeurl.Register(&specs.Spec{}, "types.containerd.io", "opencontainers/runtime-spec",
//! major, "Spec")`), where the major version of the specification is 1.

/// A whole configuration: what `StartSandbox` answers.
pub const SPEC: &str = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
/// The process of an exec.
pub const PROCESS: &str = "types.containerd.io/opencontainers/runtime-spec/1/Process";
/// The resources of an update.
pub const LINUX_RESOURCES: &str = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";
/// What `-info` says that the runtime can do.
pub const FEATURES: &str = "types.containerd.io/opencontainers/runtime-spec/1/features/Features";
