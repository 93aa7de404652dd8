//! Package `containerd.events`, made by `cargo xtask codegen` from the files in ../../proto: change those.

#[derive(Clone, PartialEq, ::prost::Message)]
pub struct TaskCreate {
    #[prost(string, tag = "1")]
    pub container_id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub bundle: ::prost::alloc::string::String,
    #[prost(message, repeated, tag = "3")]
    pub rootfs: ::prost::alloc::vec::Vec<crate::types::Mount>,
    #[prost(message, optional, tag = "4")]
    pub io: ::core::option::Option<TaskIo>,
    #[prost(string, tag = "5")]
    pub checkpoint: ::prost::alloc::string::String,
    #[prost(uint32, tag = "6")]
    pub pid: u32,
}
impl ::prost::Name for TaskCreate {
    const NAME: &'static str = "TaskCreate";
    const PACKAGE: &'static str = "containerd.events";
    fn full_name() -> ::prost::alloc::string::String {
        "containerd.events.TaskCreate".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/containerd.events.TaskCreate".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TaskStart {
    #[prost(string, tag = "1")]
    pub container_id: ::prost::alloc::string::String,
    #[prost(uint32, tag = "2")]
    pub pid: u32,
}
impl ::prost::Name for TaskStart {
    const NAME: &'static str = "TaskStart";
    const PACKAGE: &'static str = "containerd.events";
    fn full_name() -> ::prost::alloc::string::String {
        "containerd.events.TaskStart".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/containerd.events.TaskStart".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TaskDelete {
    #[prost(string, tag = "1")]
    pub container_id: ::prost::alloc::string::String,
    #[prost(uint32, tag = "2")]
    pub pid: u32,
    #[prost(uint32, tag = "3")]
    pub exit_status: u32,
    #[prost(message, optional, tag = "4")]
    pub exited_at: ::core::option::Option<crate::Timestamp>,
    #[prost(string, tag = "5")]
    pub id: ::prost::alloc::string::String,
}
impl ::prost::Name for TaskDelete {
    const NAME: &'static str = "TaskDelete";
    const PACKAGE: &'static str = "containerd.events";
    fn full_name() -> ::prost::alloc::string::String {
        "containerd.events.TaskDelete".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/containerd.events.TaskDelete".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TaskIo {
    #[prost(string, tag = "1")]
    pub stdin: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub stdout: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub stderr: ::prost::alloc::string::String,
    #[prost(bool, tag = "4")]
    pub terminal: bool,
}
impl ::prost::Name for TaskIo {
    const NAME: &'static str = "TaskIO";
    const PACKAGE: &'static str = "containerd.events";
    fn full_name() -> ::prost::alloc::string::String {
        "containerd.events.TaskIO".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/containerd.events.TaskIO".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TaskExit {
    #[prost(string, tag = "1")]
    pub container_id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub id: ::prost::alloc::string::String,
    #[prost(uint32, tag = "3")]
    pub pid: u32,
    #[prost(uint32, tag = "4")]
    pub exit_status: u32,
    #[prost(message, optional, tag = "5")]
    pub exited_at: ::core::option::Option<crate::Timestamp>,
}
impl ::prost::Name for TaskExit {
    const NAME: &'static str = "TaskExit";
    const PACKAGE: &'static str = "containerd.events";
    fn full_name() -> ::prost::alloc::string::String {
        "containerd.events.TaskExit".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/containerd.events.TaskExit".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TaskOom {
    #[prost(string, tag = "1")]
    pub container_id: ::prost::alloc::string::String,
}
impl ::prost::Name for TaskOom {
    const NAME: &'static str = "TaskOOM";
    const PACKAGE: &'static str = "containerd.events";
    fn full_name() -> ::prost::alloc::string::String {
        "containerd.events.TaskOOM".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/containerd.events.TaskOOM".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TaskExecAdded {
    #[prost(string, tag = "1")]
    pub container_id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub exec_id: ::prost::alloc::string::String,
}
impl ::prost::Name for TaskExecAdded {
    const NAME: &'static str = "TaskExecAdded";
    const PACKAGE: &'static str = "containerd.events";
    fn full_name() -> ::prost::alloc::string::String {
        "containerd.events.TaskExecAdded".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/containerd.events.TaskExecAdded".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TaskExecStarted {
    #[prost(string, tag = "1")]
    pub container_id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub exec_id: ::prost::alloc::string::String,
    #[prost(uint32, tag = "3")]
    pub pid: u32,
}
impl ::prost::Name for TaskExecStarted {
    const NAME: &'static str = "TaskExecStarted";
    const PACKAGE: &'static str = "containerd.events";
    fn full_name() -> ::prost::alloc::string::String {
        "containerd.events.TaskExecStarted".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/containerd.events.TaskExecStarted".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TaskPaused {
    #[prost(string, tag = "1")]
    pub container_id: ::prost::alloc::string::String,
}
impl ::prost::Name for TaskPaused {
    const NAME: &'static str = "TaskPaused";
    const PACKAGE: &'static str = "containerd.events";
    fn full_name() -> ::prost::alloc::string::String {
        "containerd.events.TaskPaused".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/containerd.events.TaskPaused".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TaskResumed {
    #[prost(string, tag = "1")]
    pub container_id: ::prost::alloc::string::String,
}
impl ::prost::Name for TaskResumed {
    const NAME: &'static str = "TaskResumed";
    const PACKAGE: &'static str = "containerd.events";
    fn full_name() -> ::prost::alloc::string::String {
        "containerd.events.TaskResumed".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/containerd.events.TaskResumed".into()
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TaskCheckpointed {
    #[prost(string, tag = "1")]
    pub container_id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub checkpoint: ::prost::alloc::string::String,
}
impl ::prost::Name for TaskCheckpointed {
    const NAME: &'static str = "TaskCheckpointed";
    const PACKAGE: &'static str = "containerd.events";
    fn full_name() -> ::prost::alloc::string::String {
        "containerd.events.TaskCheckpointed".into()
    }
    fn type_url() -> ::prost::alloc::string::String {
        "/containerd.events.TaskCheckpointed".into()
    }
}
