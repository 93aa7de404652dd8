//! Package `containerd.runc.v1`, made by `cargo xtask codegen` from the files in ../../proto: change those.

#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Options {
    #[prost(bool, tag = "1")]
    pub no_pivot_root: bool,
    #[prost(bool, tag = "2")]
    pub no_new_keyring: bool,
    #[prost(string, tag = "3")]
    pub shim_cgroup: ::prost::alloc::string::String,
    #[prost(uint32, tag = "4")]
    pub io_uid: u32,
    #[prost(uint32, tag = "5")]
    pub io_gid: u32,
    #[prost(string, tag = "6")]
    pub binary_name: ::prost::alloc::string::String,
    #[prost(string, tag = "7")]
    pub root: ::prost::alloc::string::String,
    #[prost(bool, tag = "9")]
    pub systemd_cgroup: bool,
    #[prost(string, tag = "10")]
    pub criu_image_path: ::prost::alloc::string::String,
    #[prost(string, tag = "11")]
    pub criu_work_path: ::prost::alloc::string::String,
    #[deprecated]
    #[prost(string, tag = "12")]
    pub task_api_address: ::prost::alloc::string::String,
    #[deprecated]
    #[prost(uint32, tag = "13")]
    pub task_api_version: u32,
}
impl ::prost::Name for Options {
    const NAME: &'static str = "Options";
    const PACKAGE: &'static str = "containerd.runc.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "containerd.runc.v1.Options".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/containerd.runc.v1.Options".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CheckpointOptions {
    #[prost(bool, tag = "1")]
    pub exit: bool,
    #[prost(bool, tag = "2")]
    pub open_tcp: bool,
    #[prost(bool, tag = "3")]
    pub external_unix_sockets: bool,
    #[prost(bool, tag = "4")]
    pub terminal: bool,
    #[prost(bool, tag = "5")]
    pub file_locks: bool,
    #[prost(string, repeated, tag = "6")]
    pub empty_namespaces: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(string, tag = "7")]
    pub cgroups_mode: ::prost::alloc::string::String,
    #[prost(string, tag = "8")]
    pub image_path: ::prost::alloc::string::String,
    #[prost(string, tag = "9")]
    pub work_path: ::prost::alloc::string::String,
    #[prost(string, tag = "10")]
    pub parent_path: ::prost::alloc::string::String,
}
impl ::prost::Name for CheckpointOptions {
    const NAME: &'static str = "CheckpointOptions";
    const PACKAGE: &'static str = "containerd.runc.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "containerd.runc.v1.CheckpointOptions".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/containerd.runc.v1.CheckpointOptions".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ProcessDetails {
    #[prost(string, tag = "1")]
    pub exec_id: ::prost::alloc::string::String,
}
impl ::prost::Name for ProcessDetails {
    const NAME: &'static str = "ProcessDetails";
    const PACKAGE: &'static str = "containerd.runc.v1";
    fn full_name() -> ::prost::alloc::string::String {
        "containerd.runc.v1.ProcessDetails".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/containerd.runc.v1.ProcessDetails".into()
    }
}
