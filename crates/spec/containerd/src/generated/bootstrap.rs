//! Package `containerd.runtime.bootstrap.v1`, made by `cargo xtask codegen` from the files in ../../proto: change those.

#[derive(Clone, PartialEq, ::prost::Message)]
pub struct BootstrapParams {
    #[prost(string, tag = "1")]
    pub instance_id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub namespace: ::prost::alloc::string::String,
    #[prost(enumeration = "LogLevel", tag = "3")]
    pub log_level: i32,
    #[prost(string, tag = "4")]
    pub containerd_version: ::prost::alloc::string::String,
    #[prost(string, tag = "5")]
    pub containerd_ttrpc_address: ::prost::alloc::string::String,
    #[prost(string, tag = "6")]
    pub containerd_grpc_address: ::prost::alloc::string::String,
    #[prost(string, tag = "7")]
    pub containerd_binary: ::prost::alloc::string::String,
    #[prost(message, repeated, tag = "8")]
    pub extensions: ::prost::alloc::vec::Vec<Extension>,
    #[prost(string, optional, tag = "9")]
    pub socket_dir: ::core::option::Option<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Extension {
    #[prost(message, optional, tag = "1")]
    pub value: ::core::option::Option<crate::Any>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct BootstrapResult {
    #[prost(int32, tag = "1")]
    pub version: i32,
    #[prost(string, tag = "2")]
    pub address: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub protocol: ::prost::alloc::string::String,
    #[prost(enumeration = "Capability", repeated, tag = "4")]
    pub capabilities: ::prost::alloc::vec::Vec<i32>,
    #[prost(btree_map = "string, string", tag = "5")]
    pub metadata:
        ::prost::alloc::collections::BTreeMap<::prost::alloc::string::String, ::prost::alloc::string::String>,
    #[prost(message, repeated, tag = "6")]
    pub extensions: ::prost::alloc::vec::Vec<Extension>,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum LogLevel {
    Info = 0,
    Trace = -8,
    Debug = -4,
    Warn = 4,
    Error = 8,
    Fatal = 10,
    Panic = 12,
}
impl LogLevel {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Info => "LOG_LEVEL_INFO",
            Self::Trace => "LOG_LEVEL_TRACE",
            Self::Debug => "LOG_LEVEL_DEBUG",
            Self::Warn => "LOG_LEVEL_WARN",
            Self::Error => "LOG_LEVEL_ERROR",
            Self::Fatal => "LOG_LEVEL_FATAL",
            Self::Panic => "LOG_LEVEL_PANIC",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "LOG_LEVEL_INFO" => Some(Self::Info),
            "LOG_LEVEL_TRACE" => Some(Self::Trace),
            "LOG_LEVEL_DEBUG" => Some(Self::Debug),
            "LOG_LEVEL_WARN" => Some(Self::Warn),
            "LOG_LEVEL_ERROR" => Some(Self::Error),
            "LOG_LEVEL_FATAL" => Some(Self::Fatal),
            "LOG_LEVEL_PANIC" => Some(Self::Panic),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum Capability {
    Unspecified = 0,
}
impl Capability {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "CAPABILITY_UNSPECIFIED",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "CAPABILITY_UNSPECIFIED" => Some(Self::Unspecified),
            _ => None,
        }
    }
}
