//! Version 1: what is limited is limited.

use crate::{devices, host, host_with_only, null_and, path, run, start};
use std::fs;
use tare_cgroup::{Controller, Group, Layout};
use tare_error::Kind;
use tare_kit::{Need, test};
use tare_spec_oci::{Cpu, DeviceKind, DeviceRule, Pids, Resources};

fn pids(limit: i64) -> Resources {
    Resources {
        pids: Some(Pids { limit: Some(limit) }),
        ..Resources::default()
    }
}

#[test]
fn every_hierarchy_is_entered() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let host = host_with_only("cgroup");
        assert_eq!(host.layout(), Layout::V1);
        let group = Group::create(&host, &path("web"), &Resources::default()).unwrap();
        let (code, text) = run(&group, "cat /proc/self/cgroup");
        assert_eq!(code, Some(0), "{text}");
        for line in text.lines().filter(|line| !line.starts_with("0::")) {
            assert!(line.ends_with(":/tare/web"), "{line}");
        }
        assert!(text.lines().count() >= 8, "{text}");
        group.remove().unwrap();
    });
}

#[test]
fn a_process_is_moved_with_its_threads() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let group = Group::create(&host(), &path("web"), &Resources::default()).unwrap();
        let mut child = std::process::Command::new("cat");
        let mut child = child.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        assert!(group.is_empty().unwrap());
        group.attach(pid).unwrap();
        assert_eq!(group.processes().unwrap(), [pid]);
        assert!(!group.is_empty().unwrap());
        let text = fs::read_to_string(format!("/proc/{}/cgroup", child.id())).unwrap();
        assert!(text.lines().all(|line| line.ends_with(":/tare/web")), "{text}");

        drop(child.stdin.take());
        child.wait().unwrap();
        let e = group.attach(pid).unwrap_err();
        assert_eq!(e.kind(), Kind::NotFound);
        group.remove().unwrap();
    });
}

/// As systemd leaves a unit's group: in some hierarchies, with limits and a process, and missing in others.
#[test]
fn what_another_program_has_made_is_adopted() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let host = host();
        let at = |controller: Controller| {
            let tree = host.v1(controller).unwrap();
            tree.mount_point.join("tare/web")
        };
        let pids_folder = at(Controller::Pids);
        fs::create_dir_all(&pids_folder).unwrap();
        fs::write(pids_folder.join("pids.max"), "7").unwrap();
        let mut child = std::process::Command::new("cat");
        let mut child = child.stdin(std::process::Stdio::piped()).spawn().unwrap();
        fs::write(pids_folder.join("cgroup.procs"), child.id().to_string()).unwrap();

        let e = Group::create(&host, &path("web"), &Resources::default()).unwrap_err();
        assert_eq!(e.kind(), Kind::Conflict);
        assert!(!at(Controller::Freezer).exists());
        let group = Group::adopt(&host, &path("web"), &Resources::default()).unwrap();
        assert_eq!(fs::read_to_string(pids_folder.join("pids.max")).unwrap(), "7\n");
        group.attach(rustix::process::Pid::from_child(&child)).unwrap();
        let text = fs::read_to_string(format!("/proc/{}/cgroup", child.id())).unwrap();
        assert!(text.lines().all(|line| line.ends_with(":/tare/web")), "{text}");

        drop(child.stdin.take());
        child.wait().unwrap();
        group.remove().unwrap();
    });
}

#[test]
fn tasks_are_counted() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let group = Group::create(&host(), &path("web"), &pids(3)).unwrap();
        let (_, text) = run(&group, "sleep 2 & sleep 2 & sleep 2 & sleep 2 & wait");
        assert!(text.contains("fork"), "{text}");
        group.apply(&pids(-1)).unwrap();
        let (code, text) = run(&group, "sleep 0.1 & sleep 0.1 & sleep 0.1 & sleep 0.1 & wait");
        assert_eq!((code, text.as_str()), (Some(0), ""));
        group.remove().unwrap();
    });
}

#[test]
fn processors_are_inherited_and_chosen() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let all = fs::read_to_string("/sys/fs/cgroup/cpuset/cpuset.cpus").unwrap();
        let cpus = |cpus: &str| Resources {
            cpu: Some(Cpu {
                cpus: Some(cpus.to_owned()),
                ..Cpu::default()
            }),
            ..Resources::default()
        };
        let group = Group::create(&host(), &path("deep/er/web"), &Resources::default()).unwrap();
        let list = "grep Cpus_allowed_list /proc/self/status";
        assert!(run(&group, list).1.trim().ends_with(all.trim()));
        group.apply(&cpus("0")).unwrap();
        assert!(run(&group, list).1.ends_with(":\t0\n"));

        let e = group.apply(&cpus("0,4000")).unwrap_err();
        assert_eq!(e.kind(), Kind::Invalid, "{e:?}");
        let hint = e.first_hint().unwrap().to_owned();
        assert_eq!(hint, format!("the group above has {}", all.trim()));
        group.remove().unwrap();
        Group::open(&host(), &path("deep")).unwrap().remove().unwrap();
    });
}

#[test]
fn quota_and_period_change_in_any_order() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let time = |quota, period, burst| Resources {
            cpu: Some(Cpu {
                shares: Some(512),
                quota: Some(quota),
                period: Some(period),
                burst,
                ..Cpu::default()
            }),
            ..Resources::default()
        };
        let group = Group::create(&host(), &path("web"), &time(50_000, 100_000, None)).unwrap();
        let read = |file: &str| {
            let text = fs::read_to_string(format!("/sys/fs/cgroup/cpu/tare/web/{file}")).unwrap();
            text.trim().parse::<i64>().unwrap()
        };
        for (quota, period, burst) in [
            (900_000, 1_000_000, 500_000),
            (1000, 1000, 0),
            (200_000, 100_000, 200_000),
        ] {
            group
                .apply(&time(quota, period, u64::try_from(burst).ok()))
                .unwrap();
            assert_eq!(read("cpu.cfs_quota_us"), quota);
            assert_eq!(read("cpu.cfs_period_us"), i64::try_from(period).unwrap());
            assert_eq!(read("cpu.cfs_burst_us"), burst);
        }
        assert_eq!(read("cpu.shares"), 512);
        // What the kernel takes in no order is refused with its file.
        let e = group.apply(&time(10, 100_000, None)).unwrap_err();
        assert_eq!(e.kind(), Kind::Invalid);
        assert!(e.to_string().contains("cpu.cfs_quota_us = 10"), "{e}");
        group.remove().unwrap();
    });
}

#[test]
fn device_rules_deny_opening_and_making() {
    test(&[Need::Root, Need::Cgroup1], |world| {
        let host = host();
        assert!(host.v1(Controller::Devices).is_some());
        let group = Group::create(&host, &path("web"), &null_and(&[])).unwrap();
        let node = world.folder("nodes");
        let node = node.display();
        let script = format!(
            "echo x > /dev/null && echo null; head -c1 /dev/zero | wc -c; mknod {node}/n c 1 3 && echo made; \
             mknod {node}/z c 1 5 || echo refused"
        );
        let (_, text) = run(&group, &script);
        assert!(text.contains("null\n0\nmade\nrefused\n"), "{text}");

        // An update opens /dev/zero for reading without closing /dev/null for a moment.
        group.apply(&null_and(&[(1, 5)])).unwrap();
        let (_, text) = run(
            &group,
            "echo x > /dev/null && head -c1 /dev/zero | wc -c; echo x > /dev/zero",
        );
        assert!(
            text.starts_with("1\n") && text.contains("not permitted"),
            "{text}"
        );
        let list = fs::read_to_string("/sys/fs/cgroup/devices/tare/web/devices.list").unwrap();
        assert_eq!(list, "c 1:3 rwm\nc 1:5 r\n");

        // Privileged: everything again.
        let all = DeviceRule {
            allow: true,
            kind: DeviceKind::All,
            ..DeviceRule::default()
        };
        group.apply(&devices(vec![all])).unwrap();
        assert_eq!(run(&group, "echo x > /dev/zero").0, Some(0));
        group.remove().unwrap();
    });
}

#[test]
fn the_v1_freezer_stops_and_lets_go() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let group = Group::create(&host_with_only("cgroup"), &path("web"), &Resources::default()).unwrap();
        let mut child = start(group.entrance().unwrap(), "while :; do /bin/true; done");
        group.freeze().unwrap();
        assert!(group.is_frozen().unwrap());
        let state = fs::read_to_string("/sys/fs/cgroup/freezer/tare/web/freezer.state").unwrap();
        assert_eq!(state, "FROZEN\n");
        group.thaw().unwrap();
        assert!(!group.is_frozen().unwrap());

        // Killed while frozen, and while it forks all the time; without cgroup.kill.
        group.freeze().unwrap();
        group.kill().unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()),
            Some(9)
        );
        assert!(!group.is_frozen().unwrap());
        group.remove().unwrap();
    });
}

#[test]
fn a_forking_crowd_is_killed_without_cgroup_kill() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let group = Group::create(&host_with_only("cgroup"), &path("web"), &pids(60)).unwrap();
        let below = Group::create(
            group.host(),
            &group.path().join("exec/1").unwrap(),
            &Resources::default(),
        )
        .unwrap();
        let crowd = "for i in 1 2 3 4 5; do (while :; do /bin/true; done) & done; wait";
        let mut children = [
            start(group.entrance().unwrap(), crowd),
            start(below.entrance().unwrap(), crowd),
        ];
        while group.processes().unwrap().len() < 8 {}
        group.kill().unwrap();
        for child in &mut children {
            child.wait().unwrap();
        }
        group.remove().unwrap();
        assert!(!fs::exists("/sys/fs/cgroup/pids/tare/web").unwrap());
    });
}
