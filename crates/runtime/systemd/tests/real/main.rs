//! The driver against a real systemd, booted for each test by tests/systemd-bed.

#![expect(
    clippy::unwrap_used,
    reason = "a test from end to end, in functions beside `#[test]` ones as well"
)]

mod machine;
mod own;
mod properties;
mod user;
mod version_one;

use rustix::process::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tare_cgroup::{Group, Host, Layout};
use tare_spec_oci::Resources;
use tare_systemd::{Bus, Defaults, Process, Start, Started, Systemd, Unit};

/// A container's first process, as far as these tests go: it waits until its standard input is closed.
pub(crate) struct Waiting(pub(crate) Child);

impl Waiting {
    pub(crate) fn start() -> Waiting {
        Waiting::running("read line")
    }

    pub(crate) fn running(script: &str) -> Waiting {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        Waiting(command.spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// Its group on version 2.
    pub(crate) fn group(&self) -> String {
        group_of(self.0.id())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn group_of(pid: u32) -> String {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let unified = groups.lines().find_map(|line| line.strip_prefix("0::"));
    unified.unwrap_or_default().to_owned()
}

pub(crate) fn machine() -> Systemd {
    Systemd::connect(&Bus::System { address: None }).unwrap()
}

pub(crate) fn unit(path: &str) -> Unit {
    let defaults = Defaults {
        id: "web",
        prefix: "tare",
        is_user: false,
    };
    Unit::parse(path, defaults).unwrap()
}

/// Starts the unit with one waiting process.
pub(crate) fn start(
    systemd: &mut Systemd,
    unit: &Unit,
    process: &Waiting,
    resources: &Resources,
) -> tare_error::Result<Started> {
    start_with(systemd, unit, Some(process), resources, &[])
}

pub(crate) fn start_with(
    systemd: &mut Systemd,
    unit: &Unit,
    process: Option<&Waiting>,
    resources: &Resources,
    annotations: &[(&str, &str)],
) -> tare_error::Result<Started> {
    let annotations: BTreeMap<String, String> = annotations
        .iter()
        .map(|(name, text)| (format!("org.systemd.property.{name}"), (*text).to_owned()))
        .collect();
    let start = Start {
        process: process.map(|process| Process {
            pid: process.pid(),
            pidfd: None,
        }),
        resources,
        annotations: &annotations,
        description: "container web",
        layout: Layout::V2,
    };
    systemd.start(unit, &start)
}

/// The group of a unit, limits and all, as the lifecycle makes it.
pub(crate) fn group(started: &Started) -> Group {
    let host = Host::current().unwrap();
    assert_eq!(host.layout(), Layout::V2);
    let group = Group::adopt(&host, &started.group, &started.resources).unwrap();
    group.apply(&started.resources).unwrap();
    group
}

pub(crate) fn folder(started: &Started) -> PathBuf {
    Path::new("/sys/fs/cgroup").join(started.group.to_string().trim_start_matches('/'))
}

/// `systemctl show`: the value of one property.
pub(crate) fn shown(unit: &str, property: &str) -> String {
    ok("systemctl", &["show", "--value", "-p", property, unit])
        .trim()
        .to_owned()
}

pub(crate) fn ok(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{out}{err}",
        output.status
    );
    out.into_owned()
}
