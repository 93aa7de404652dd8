//! Package `runtime.v1`, made by `cargo xtask codegen` from the files in ../../proto: change those.

#[derive(Clone, PartialEq, ::prost::Message)]
pub struct PodSandboxConfig {
    #[prost(message, optional, tag = "1")]
    pub metadata: ::core::option::Option<PodSandboxMetadata>,
    #[prost(string, tag = "2")]
    pub hostname: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub log_directory: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "4")]
    pub dns_config: ::core::option::Option<DnsConfig>,
    #[prost(btree_map = "string, string", tag = "6")]
    pub labels:
        ::prost::alloc::collections::BTreeMap<::prost::alloc::string::String, ::prost::alloc::string::String>,
    #[prost(btree_map = "string, string", tag = "7")]
    pub annotations:
        ::prost::alloc::collections::BTreeMap<::prost::alloc::string::String, ::prost::alloc::string::String>,
    #[prost(message, optional, tag = "8")]
    pub linux: ::core::option::Option<LinuxPodSandboxConfig>,
}
impl ::prost::Name for PodSandboxConfig {
    const NAME: &'static str = "PodSandboxConfig";
    const PACKAGE: &'static str = "runtime.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "runtime.v1.PodSandboxConfig".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/runtime.v1.PodSandboxConfig".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct PodSandboxMetadata {
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub uid: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub namespace: ::prost::alloc::string::String,
    #[prost(uint32, tag = "4")]
    pub attempt: u32,
}
impl ::prost::Name for PodSandboxMetadata {
    const NAME: &'static str = "PodSandboxMetadata";
    const PACKAGE: &'static str = "runtime.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "runtime.v1.PodSandboxMetadata".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/runtime.v1.PodSandboxMetadata".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct DnsConfig {
    #[prost(string, repeated, tag = "1")]
    pub servers: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(string, repeated, tag = "2")]
    pub searches: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(string, repeated, tag = "3")]
    pub options: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
impl ::prost::Name for DnsConfig {
    const NAME: &'static str = "DNSConfig";
    const PACKAGE: &'static str = "runtime.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "runtime.v1.DNSConfig".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/runtime.v1.DNSConfig".into()
    }
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct LinuxPodSandboxConfig {
    #[prost(string, tag = "1")]
    pub cgroup_parent: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "2")]
    pub security_context: ::core::option::Option<LinuxSandboxSecurityContext>,
    #[prost(btree_map = "string, string", tag = "3")]
    pub sysctls:
        ::prost::alloc::collections::BTreeMap<::prost::alloc::string::String, ::prost::alloc::string::String>,
}
impl ::prost::Name for LinuxPodSandboxConfig {
    const NAME: &'static str = "LinuxPodSandboxConfig";
    const PACKAGE: &'static str = "runtime.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "runtime.v1.LinuxPodSandboxConfig".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/runtime.v1.LinuxPodSandboxConfig".into()
    }
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct LinuxSandboxSecurityContext {
    #[prost(message, optional, tag = "1")]
    pub namespace_options: ::core::option::Option<NamespaceOption>,
    #[prost(bool, tag = "4")]
    pub readonly_rootfs: bool,
    #[prost(int64, repeated, tag = "5")]
    pub supplemental_groups: ::prost::alloc::vec::Vec<i64>,
    #[prost(bool, tag = "6")]
    pub privileged: bool,
}
impl ::prost::Name for LinuxSandboxSecurityContext {
    const NAME: &'static str = "LinuxSandboxSecurityContext";
    const PACKAGE: &'static str = "runtime.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "runtime.v1.LinuxSandboxSecurityContext".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/runtime.v1.LinuxSandboxSecurityContext".into()
    }
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct NamespaceOption {
    #[prost(enumeration = "NamespaceMode", tag = "1")]
    pub network: i32,
    #[prost(enumeration = "NamespaceMode", tag = "2")]
    pub pid: i32,
    #[prost(enumeration = "NamespaceMode", tag = "3")]
    pub ipc: i32,
    #[prost(string, tag = "4")]
    pub target_id: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "5")]
    pub userns_options: ::core::option::Option<UserNamespace>,
}
impl ::prost::Name for NamespaceOption {
    const NAME: &'static str = "NamespaceOption";
    const PACKAGE: &'static str = "runtime.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "runtime.v1.NamespaceOption".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/runtime.v1.NamespaceOption".into()
    }
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct UserNamespace {
    #[prost(enumeration = "NamespaceMode", tag = "1")]
    pub mode: i32,
    #[prost(message, repeated, tag = "2")]
    pub uids: ::prost::alloc::vec::Vec<IdMapping>,
    #[prost(message, repeated, tag = "3")]
    pub gids: ::prost::alloc::vec::Vec<IdMapping>,
}
impl ::prost::Name for UserNamespace {
    const NAME: &'static str = "UserNamespace";
    const PACKAGE: &'static str = "runtime.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "runtime.v1.UserNamespace".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/runtime.v1.UserNamespace".into()
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct IdMapping {
    #[prost(uint32, tag = "1")]
    pub host_id: u32,
    #[prost(uint32, tag = "2")]
    pub container_id: u32,
    #[prost(uint32, tag = "3")]
    pub length: u32,
}
impl ::prost::Name for IdMapping {
    const NAME: &'static str = "IDMapping";
    const PACKAGE: &'static str = "runtime.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "runtime.v1.IDMapping".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/runtime.v1.IDMapping".into()
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum NamespaceMode {
    Pod = 0,
    Container = 1,
    Node = 2,
    Target = 3,
}
impl NamespaceMode {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Pod => "POD",
            Self::Container => "CONTAINER",
            Self::Node => "NODE",
            Self::Target => "TARGET",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "POD" => Some(Self::Pod),
            "CONTAINER" => Some(Self::Container),
            "NODE" => Some(Self::Node),
            "TARGET" => Some(Self::Target),
            _ => None,
        }
    }
}
