//! Real groups on the real kernel, each test in a cgroup and mount namespace of its own.
#![expect(unsafe_code, reason = "a child enters its group between fork and exec")]
#![expect(clippy::unwrap_used, reason = "this program is tests from end to end")]

mod both;
mod controllers;
mod memory;
mod unified;
mod version_one;

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use tare_cgroup::{Entrance, Group, GroupPath, Host};
use tare_spec_oci::{DeviceKind, DeviceRule, Memory, Resources};

/// The groups of this test; `name` below `/tare`, which may stay.
fn path(name: &str) -> GroupPath {
    GroupPath::parse(&format!("/tare/{name}")).unwrap()
}

fn host() -> Host {
    Host::current().unwrap()
}

/// The host as it would be if only the mounts whose file system type is `kind` were there.
fn host_with_only(kind: &str) -> Host {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let other = if kind == "cgroup" {
        " - cgroup2 "
    } else {
        " - cgroup "
    };
    let kept: Vec<&str> = mounts.lines().filter(|line| !line.contains(other)).collect();
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    Host::detect(&kept.join("\n"), &own).unwrap()
}

/// A shell that enters by itself before it runs `script`.
fn start(entrance: Entrance, script: &str) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: entering is write(2) on open files, which a forked child may do.
    unsafe { command.pre_exec(move || entrance.enter().map_err(Into::into)) };
    command.spawn().unwrap()
}

/// What a script in the group says on both streams, and its exit code (none where it was killed).
fn run(group: &Group, script: &str) -> (Option<i32>, String) {
    let out = start(group.entrance().unwrap(), script)
        .wait_with_output()
        .unwrap();
    let text = [out.stdout, out.stderr].concat();
    (out.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn memory(limit: i64, swap: i64) -> Resources {
    let memory = Memory {
        limit: Some(limit),
        swap: Some(swap),
        ..Memory::default()
    };
    Resources {
        memory: Some(memory),
        ..Resources::default()
    }
}

fn devices(rules: Vec<DeviceRule>) -> Resources {
    Resources {
        devices: rules,
        ..Resources::default()
    }
}

/// Deny all; then `/dev/null` in full, and of each other character device of `others` only reading.
fn null_and(others: &[(i64, i64)]) -> Resources {
    let rule = |allow, kind, numbers: Option<(i64, i64)>, access: &str| DeviceRule {
        allow,
        kind,
        major: numbers.map(|n| n.0),
        minor: numbers.map(|n| n.1),
        access: Some(access.to_owned()),
    };
    let mut rules = vec![
        rule(false, DeviceKind::All, None, "rwm"),
        rule(true, DeviceKind::Char, Some((1, 3)), "rwm"),
    ];
    rules.extend(others.iter().map(|n| rule(true, DeviceKind::Char, Some(*n), "r")));
    devices(rules)
}
