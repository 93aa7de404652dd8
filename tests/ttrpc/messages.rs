//! Every message with every field set: its bytes as containerd's code writes them are read, and written again the same.

use crate::NEEDS;
use std::collections::BTreeSet;
use std::time::Duration;
use tare_kit::{Tare, test};
use tare_spec_containerd::{
    Message, Name, cgroup1, cgroup2, events, forward, process, runc, runtimeoptions, sandbox, task, types,
};

/// Reads and writes a message; none where the bytes are not read.
type Again = fn(&[u8]) -> Option<Vec<u8>>;

fn again<M: Message + Default>(bytes: &[u8]) -> Option<Vec<u8>> {
    M::decode(bytes).ok().map(|message| message.encode_to_vec())
}

/// The same for a message that knows its own name.
fn named<M: Message + Name + Default>() -> (String, Again) {
    (M::full_name(), again::<M>)
}

macro_rules! table {
    ($($package:literal $module:ident { $($name:literal $message:ident)+ })+) => {
        vec![$($((format!("{}.{}", $package, $name), again::<$module::$message> as Again)),+),+]
    };
}

fn known() -> Vec<(String, Again)> {
    let mut known = table! {
        "containerd.task.v3" task {
            "CheckpointTaskRequest" CheckpointTaskRequest "CloseIORequest" CloseIoRequest
            "ConnectRequest" ConnectRequest "ConnectResponse" ConnectResponse
            "CreateTaskRequest" CreateTaskRequest "CreateTaskResponse" CreateTaskResponse
            "DeleteRequest" DeleteRequest "DeleteResponse" DeleteResponse
            "ExecProcessRequest" ExecProcessRequest "KillRequest" KillRequest "PauseRequest" PauseRequest
            "PidsRequest" PidsRequest "PidsResponse" PidsResponse "ResizePtyRequest" ResizePtyRequest
            "ResumeRequest" ResumeRequest "ShutdownRequest" ShutdownRequest
            "StartRequest" StartRequest "StartResponse" StartResponse
            "StateRequest" StateRequest "StateResponse" StateResponse
            "StatsRequest" StatsRequest "StatsResponse" StatsResponse "UpdateTaskRequest" UpdateTaskRequest
            "WaitRequest" WaitRequest "WaitResponse" WaitResponse
        }
        "containerd.v1.types" process { "ProcessInfo" ProcessInfo }
        "containerd.runtime.sandbox.v1" sandbox {
            "CreateSandboxRequest" CreateSandboxRequest "CreateSandboxResponse" CreateSandboxResponse
            "PingRequest" PingRequest "PingResponse" PingResponse
            "PlatformRequest" PlatformRequest "PlatformResponse" PlatformResponse
            "SandboxMetricsRequest" SandboxMetricsRequest "SandboxMetricsResponse" SandboxMetricsResponse
            "SandboxStatusRequest" SandboxStatusRequest "SandboxStatusResponse" SandboxStatusResponse
            "ShutdownSandboxRequest" ShutdownSandboxRequest "ShutdownSandboxResponse" ShutdownSandboxResponse
            "StartSandboxRequest" StartSandboxRequest "StartSandboxResponse" StartSandboxResponse
            "StopSandboxRequest" StopSandboxRequest "StopSandboxResponse" StopSandboxResponse
            "WaitSandboxRequest" WaitSandboxRequest "WaitSandboxResponse" WaitSandboxResponse
        }
        "containerd.types" types {
            "Envelope" Envelope "Metric" Metric "Mount" Mount "Platform" Platform
            "RuntimeInfo" RuntimeInfo "RuntimeVersion" RuntimeVersion
        }
        "containerd.services.events.ttrpc.v1" forward { "ForwardRequest" ForwardRequest }
    };
    let version_2: Vec<_> = known
        .iter()
        .filter_map(|(name, again)| {
            Some((
                format!("containerd.task.v2{}", name.strip_prefix("containerd.task.v3")?),
                *again,
            ))
        })
        .collect();
    known.extend(version_2);
    known.extend([
        named::<events::TaskCheckpointed>(),
        named::<events::TaskCreate>(),
        named::<events::TaskDelete>(),
        named::<events::TaskExecAdded>(),
        named::<events::TaskExecStarted>(),
        named::<events::TaskExit>(),
        named::<events::TaskIo>(),
        named::<events::TaskOom>(),
        named::<events::TaskPaused>(),
        named::<events::TaskResumed>(),
        named::<events::TaskStart>(),
        named::<runc::CheckpointOptions>(),
        named::<runc::Options>(),
        named::<runc::ProcessDetails>(),
        named::<runtimeoptions::Options>(),
        named::<cgroup1::Metrics>(),
        named::<cgroup2::Metrics>(),
    ]);
    known
}

/// What containerd has beside these, and no shim hears or says; parts of the statistics are inside the whole.
fn is_left_out(name: &str) -> bool {
    let others = [
        "Container",
        "Content",
        "Image",
        "Namespace",
        "Sandbox",
        "Snapshot",
    ];
    let event = name.strip_prefix("containerd.events.");
    event.is_some_and(|event| others.iter().any(|other| event.starts_with(other)))
        || name.starts_with("io.containerd.cgroups.")
        || name.ends_with(".ExecProcessResponse")
        || [
            "containerd.v1.types.Process",
            "containerd.types.Descriptor",
            "containerd.types.RuntimeRequest",
        ]
        .contains(&name)
        || ["UpdateSandboxRequest", "UpdateSandboxResponse"]
            .iter()
            .any(|n| name.ends_with(n))
        || ["ActiveMount", "ActivationInfo", "Sandbox", "Sandbox.Runtime"]
            .iter()
            .any(|n| name.strip_prefix("containerd.types.") == Some(n))
}

#[test]
fn every_message_is_the_same_in_both_languages() {
    test(NEEDS, |world| {
        let peer = world.fixture("ttrpc").join("peer");
        let text = Tare::program(peer)
            .args(["messages"])
            .limit(Duration::from_secs(60))
            .ok();
        let known = known();
        let mut seen = BTreeSet::new();
        for line in text.lines() {
            let (name, hex) = line.split_once(' ').expect("a name and bytes");
            let bytes: Vec<u8> = (0..hex.len() / 2)
                .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hexadecimal"))
                .collect();
            match known.iter().find(|(known, _)| known == name) {
                Some((_, again)) => assert_eq!(again(&bytes).as_deref(), Some(bytes.as_slice()), "{name}"),
                None => assert!(is_left_out(name), "{name} is new: is it said to shims?"),
            }
            seen.insert(name.to_owned());
        }
        let missing: Vec<_> = known.iter().filter(|(name, _)| !seen.contains(name)).collect();
        assert!(missing.is_empty(), "containerd does not know {missing:?}");
    });
}
