//! Package `containerd.runtime.sandbox.v1`, made by `cargo xtask codegen` from the files in ../../proto: change those.

#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CreateSandboxRequest {
    #[prost(string, tag = "1")]
    pub sandbox_id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub bundle_path: ::prost::alloc::string::String,
    #[prost(message, repeated, tag = "3")]
    pub rootfs: ::prost::alloc::vec::Vec<crate::types::Mount>,
    #[prost(message, optional, tag = "4")]
    pub options: ::core::option::Option<crate::Any>,
    #[prost(string, tag = "5")]
    pub netns_path: ::prost::alloc::string::String,
    #[prost(btree_map = "string, string", tag = "6")]
    pub annotations:
        ::prost::alloc::collections::BTreeMap<::prost::alloc::string::String, ::prost::alloc::string::String>,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CreateSandboxResponse {}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct StartSandboxRequest {
    #[prost(string, tag = "1")]
    pub sandbox_id: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct StartSandboxResponse {
    #[prost(uint32, tag = "1")]
    pub pid: u32,
    #[prost(message, optional, tag = "2")]
    pub created_at: ::core::option::Option<crate::Timestamp>,
    #[prost(message, optional, tag = "3")]
    pub spec: ::core::option::Option<crate::Any>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct PlatformRequest {
    #[prost(string, tag = "1")]
    pub sandbox_id: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct PlatformResponse {
    #[prost(message, optional, tag = "1")]
    pub platform: ::core::option::Option<crate::types::Platform>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct StopSandboxRequest {
    #[prost(string, tag = "1")]
    pub sandbox_id: ::prost::alloc::string::String,
    #[prost(uint32, tag = "2")]
    pub timeout_secs: u32,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct StopSandboxResponse {}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct WaitSandboxRequest {
    #[prost(string, tag = "1")]
    pub sandbox_id: ::prost::alloc::string::String,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct WaitSandboxResponse {
    #[prost(uint32, tag = "1")]
    pub exit_status: u32,
    #[prost(message, optional, tag = "2")]
    pub exited_at: ::core::option::Option<crate::Timestamp>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SandboxStatusRequest {
    #[prost(string, tag = "1")]
    pub sandbox_id: ::prost::alloc::string::String,
    #[prost(bool, tag = "2")]
    pub verbose: bool,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SandboxStatusResponse {
    #[prost(string, tag = "1")]
    pub sandbox_id: ::prost::alloc::string::String,
    #[prost(uint32, tag = "2")]
    pub pid: u32,
    #[prost(string, tag = "3")]
    pub state: ::prost::alloc::string::String,
    #[prost(btree_map = "string, string", tag = "4")]
    pub info:
        ::prost::alloc::collections::BTreeMap<::prost::alloc::string::String, ::prost::alloc::string::String>,
    #[prost(message, optional, tag = "5")]
    pub created_at: ::core::option::Option<crate::Timestamp>,
    #[prost(message, optional, tag = "6")]
    pub exited_at: ::core::option::Option<crate::Timestamp>,
    #[prost(message, optional, tag = "7")]
    pub extra: ::core::option::Option<crate::Any>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct PingRequest {
    #[prost(string, tag = "1")]
    pub sandbox_id: ::prost::alloc::string::String,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct PingResponse {}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ShutdownSandboxRequest {
    #[prost(string, tag = "1")]
    pub sandbox_id: ::prost::alloc::string::String,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ShutdownSandboxResponse {}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SandboxMetricsRequest {
    #[prost(string, tag = "1")]
    pub sandbox_id: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SandboxMetricsResponse {
    #[prost(message, optional, tag = "1")]
    pub metrics: ::core::option::Option<crate::types::Metric>,
}
/// The methods of the service `Sandbox`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SandboxMethod {
    CreateSandbox,
    StartSandbox,
    Platform,
    StopSandbox,
    WaitSandbox,
    SandboxStatus,
    PingSandbox,
    ShutdownSandbox,
    SandboxMetrics,
}
impl SandboxMethod {
    /// The method of this name; none where the service has no such method.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "CreateSandbox" => Self::CreateSandbox,
            "StartSandbox" => Self::StartSandbox,
            "Platform" => Self::Platform,
            "StopSandbox" => Self::StopSandbox,
            "WaitSandbox" => Self::WaitSandbox,
            "SandboxStatus" => Self::SandboxStatus,
            "PingSandbox" => Self::PingSandbox,
            "ShutdownSandbox" => Self::ShutdownSandbox,
            "SandboxMetrics" => Self::SandboxMetrics,
            _ => return None,
        })
    }
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateSandbox => "CreateSandbox",
            Self::StartSandbox => "StartSandbox",
            Self::Platform => "Platform",
            Self::StopSandbox => "StopSandbox",
            Self::WaitSandbox => "WaitSandbox",
            Self::SandboxStatus => "SandboxStatus",
            Self::PingSandbox => "PingSandbox",
            Self::ShutdownSandbox => "ShutdownSandbox",
            Self::SandboxMetrics => "SandboxMetrics",
        }
    }
}
