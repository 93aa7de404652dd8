//! Under systemd 252 on a machine with version 1 hierarchies.

use crate::{Waiting, machine, ok, shown, unit};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use tare_cgroup::{Controller, Group, Host, Layout};
use tare_error::Result;
use tare_kit::test_under_systemd_v1;
use tare_spec_oci::{Cpu, DeviceKind, DeviceRule, Memory, Pids, Resources};
use tare_systemd::{Process, Start, Started, Systemd};

fn limits() -> Resources {
    let deny = DeviceRule {
        allow: false,
        kind: DeviceKind::All,
        ..DeviceRule::default()
    };
    Resources {
        devices: vec![deny, null("rw")],
        memory: Some(Memory {
            limit: Some(64 << 20),
            ..Memory::default()
        }),
        cpu: Some(Cpu {
            shares: Some(512),
            quota: Some(33_333),
            period: Some(50_000),
            ..Cpu::default()
        }),
        pids: Some(Pids { limit: Some(77) }),
        ..Resources::default()
    }
}

fn null(access: &str) -> DeviceRule {
    DeviceRule {
        allow: true,
        kind: DeviceKind::Char,
        major: Some(1),
        minor: Some(3),
        access: Some(access.to_owned()),
    }
}

fn start(systemd: &mut Systemd, process: &Waiting, resources: &Resources) -> Result<Started> {
    let start = Start {
        process: Some(Process {
            pid: process.pid(),
            pidfd: None,
        }),
        resources,
        annotations: &BTreeMap::new(),
        description: "web",
        layout: Layout::Hybrid,
    };
    systemd.start(&unit(""), &start)
}

fn folder(host: &Host, controller: Controller) -> PathBuf {
    let tree = host.v1(controller).unwrap();
    tree.mount_point.join("system.slice/tare-web.scope")
}

#[test]
fn limits_hold_in_every_hierarchy() {
    test_under_systemd_v1(&[], |_world| {
        let host = Host::current().unwrap();
        assert_eq!(host.layout(), Layout::Hybrid);
        let (mut systemd, unit, process) = (machine(), unit(""), Waiting::start());
        let started = start(&mut systemd, &process, &limits()).unwrap();
        for (property, value) in [
            ("MemoryLimit", "67108864"),
            ("CPUShares", "512"),
            ("CPUQuotaPerSecUSec", "670ms"),
            ("TasksMax", "77"),
            ("DevicePolicy", "strict"),
            ("DeviceAllow", "/dev/char/1:3 rw"),
            ("BlockIOAccounting", "yes"),
        ] {
            assert_eq!(shown("tare-web.scope", property), value, "{property}");
        }
        // What systemd does not manage is made and entered besides.
        assert!(!folder(&host, Controller::Freezer).exists());
        let group = Group::adopt(&host, &started.group, &started.resources).unwrap();
        group.attach(process.pid()).unwrap();
        let groups = fs::read_to_string(format!("/proc/{}/cgroup", process.0.id())).unwrap();
        for line in groups.lines() {
            assert!(line.ends_with(":/system.slice/tare-web.scope"), "{line}");
        }
        // What systemd has written, what the group writes, and what a reload makes of it are the same.
        let files = || {
            let pairs = [
                (Controller::Memory, "memory.limit_in_bytes", "67108864"),
                (Controller::Cpu, "cpu.shares", "512"),
                (Controller::Cpu, "cpu.cfs_quota_us", "33500"),
                (Controller::Cpu, "cpu.cfs_period_us", "50000"),
                (Controller::Pids, "pids.max", "77"),
                (Controller::Devices, "devices.list", "c 1:3 rw"),
            ];
            for (controller, file, value) in pairs {
                let text = fs::read_to_string(folder(&host, controller).join(file)).unwrap();
                assert_eq!(text.trim(), value, "{file}");
            }
        };
        files();
        group.apply(&started.resources).unwrap();
        files();
        ok("systemctl", &["daemon-reload"]);
        ok(
            "systemctl",
            &["set-property", "--runtime", "tare-web.scope", "TasksMax=77"],
        );
        files();
        group.kill().unwrap();
        systemd.stop(&unit).unwrap();
        group.remove().unwrap();
        for tree in host.hierarchies() {
            assert!(!tree.mount_point.join("system.slice/tare-web.scope").exists());
        }
    });
}

/// systemd takes all devices away before it gives some back: a process must not notice, so it stands meanwhile.
#[test]
fn an_update_takes_no_device_away_for_a_moment() {
    test_under_systemd_v1(&[], |_world| {
        let host = Host::current().unwrap();
        let (mut systemd, unit) = (machine(), unit(""));
        // Ends with 3 when it once could not.
        let script = "read line; while :; do : < /dev/null || exit 3; done";
        let mut process = Waiting::running(script);
        let started = start(&mut systemd, &process, &limits()).unwrap();
        let group = Group::adopt(&host, &started.group, &started.resources).unwrap();
        group.attach(process.pid()).unwrap();
        group.apply(&started.resources).unwrap();
        drop(process.0.stdin.take());
        for n in 0..20 {
            let mut next = limits();
            next.devices.push(null(if n % 2 == 0 { "m" } else { "r" }));
            next.pids = Some(Pids { limit: Some(100 + n) });
            let settled = systemd.update(&unit, &group, &next).unwrap();
            group.apply(&settled).unwrap();
            assert!(!group.is_frozen().unwrap());
        }
        assert_eq!(shown("tare-web.scope", "TasksMax"), "119");
        assert!(process.0.try_wait().unwrap().is_none());
        group.kill().unwrap();
        systemd.stop(&unit).unwrap();
        group.remove().unwrap();
    });
}
