//! The machine's systemd: a unit's life.

use crate::{Waiting, folder, group, group_of, machine, ok, shown, start, start_with, unit};
use rustix::fd::AsFd as _;
use rustix::process::{PidfdFlags, pidfd_open};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use tare_cgroup::Layout;
use tare_error::Kind;
use tare_kit::test_under_systemd;
use tare_spec_oci::Resources;
use tare_systemd::{Process, Start};

#[test]
fn a_scope_is_started_and_stopped() {
    test_under_systemd(&[], |_world| {
        let mut systemd = machine();
        assert!(systemd.version() >= 240, "{}", systemd.version());
        let unit = unit("machine-web.slice:tare:1");
        let mut process = Waiting::start();
        let started = start(&mut systemd, &unit, &process, &Resources::default()).unwrap();
        let path = "/machine.slice/machine-web.slice/tare-1.scope";
        assert_eq!(started.group.to_string(), path);
        assert_eq!(process.group(), path);
        for (property, value) in [
            ("ActiveState", "active"),
            ("ControlGroup", path),
            ("Slice", "machine-web.slice"),
            ("Delegate", "yes"),
            ("DefaultDependencies", "no"),
            ("Transient", "yes"),
            ("Description", "container web"),
            ("TasksAccounting", "yes"),
            ("DevicePolicy", "auto"),
        ] {
            assert_eq!(shown("tare-1.scope", property), value, "{property}");
        }
        // Delegated: a group of our own below is left alone.
        let below = folder(&started).join("exec");
        fs::create_dir(&below).unwrap();
        ok("systemctl", &["daemon-reload"]);
        assert!(below.is_dir());
        systemd.stop(&unit).unwrap();
        assert!(!folder(&started).exists());
        // systemd asks nicely first.
        assert_eq!(process.0.wait().unwrap().signal(), Some(15));
        // Again, and of what was never there.
        systemd.stop(&unit).unwrap();
        systemd.stop(&crate::unit("system.slice:tare:never")).unwrap();
    });
}

#[test]
fn a_process_is_handed_over_by_its_pidfd() {
    test_under_systemd(&[], |_world| {
        let mut systemd = machine();
        assert!(systemd.version() >= 255, "{}", systemd.version());
        let (process, unit) = (Waiting::start(), unit(""));
        let pidfd = pidfd_open(process.pid(), PidfdFlags::empty()).unwrap();
        // An id that is not there, so that it can only have been the pidfd.
        let start = Start {
            process: Some(Process {
                pid: rustix::process::Pid::from_raw(i32::MAX).unwrap(),
                pidfd: Some(pidfd.as_fd()),
            }),
            resources: &Resources::default(),
            annotations: &BTreeMap::new(),
            description: "web",
            layout: Layout::V2,
        };
        let started = systemd.start(&unit, &start).unwrap();
        assert_eq!(process.group(), "/system.slice/tare-web.scope");
        assert_eq!(started.group.to_string(), process.group());
        systemd.stop(&unit).unwrap();
    });
}

#[test]
fn a_name_in_use_is_an_error_that_says_so() {
    test_under_systemd(&[], |_world| {
        let (mut systemd, unit) = (machine(), unit(""));
        let (first, second) = (Waiting::start(), Waiting::start());
        let before = second.group();
        start(&mut systemd, &unit, &first, &Resources::default()).unwrap();
        let e = start(&mut systemd, &unit, &second, &Resources::default()).unwrap_err();
        assert_eq!(e.kind(), Kind::AlreadyExists);
        let told = e.to_string();
        assert!(
            told.starts_with("StartTransientUnit tare-web.scope: org.freedesktop.systemd1.UnitExists: "),
            "{told}"
        );
        // The first goes on, the second is where it was.
        assert_eq!(first.group(), "/system.slice/tare-web.scope");
        assert_eq!(second.group(), before);
        systemd.stop(&unit).unwrap();
    });
}

#[test]
fn a_failed_unit_of_the_name_gives_way() {
    test_under_systemd(&[], |_world| {
        let (mut systemd, unit) = (machine(), unit(""));
        // Fails: it is not gone within its time.
        let stubborn = Waiting::running("trap '' TERM; while :; do read line; done");
        let limits = [("RuntimeMaxUSec", "uint64 300000"), ("TimeoutStopSec", "0.2")];
        start_with(
            &mut systemd,
            &unit,
            Some(&stubborn),
            &Resources::default(),
            &limits,
        )
        .unwrap();
        let failed = (0..200).any(|_| {
            let state = shown("tare-web.scope", "ActiveState");
            state == "failed" || {
                ok("sleep", &["0.05"]);
                false
            }
        });
        assert!(failed, "{}", ok("systemctl", &["show", "tare-web.scope"]));
        drop(stubborn);
        let next = Waiting::start();
        start(&mut systemd, &unit, &next, &Resources::default()).unwrap();
        assert_eq!(shown("tare-web.scope", "ActiveState"), "active");
        systemd.stop(&unit).unwrap();
        assert_eq!(shown("tare-web.scope", "LoadState"), "not-found");
    });
}

#[test]
fn a_process_that_is_gone_is_an_error() {
    test_under_systemd(&[], |_world| {
        let (mut systemd, unit) = (machine(), unit(""));
        let mut process = Waiting::start();
        process.0.kill().unwrap();
        process.0.wait().unwrap();
        let e = start(&mut systemd, &unit, &process, &Resources::default()).unwrap_err();
        assert!(
            e.to_string().starts_with("StartTransientUnit tare-web.scope: "),
            "{e}"
        );
        assert_eq!(shown("tare-web.scope", "LoadState"), "not-found");
    });
}

#[test]
fn slices_are_made_once_and_hold_scopes() {
    test_under_systemd(&[], |_world| {
        let mut systemd = machine();
        let slice = unit("tare.slice::tare-pod.slice");
        for _ in 0..2 {
            let started = start_with(&mut systemd, &slice, None, &Resources::default(), &[]).unwrap();
            assert_eq!(started.group.to_string(), "/tare.slice/tare-pod.slice");
        }
        let (process, scope) = (Waiting::start(), unit("tare-pod.slice:tare:1"));
        start(&mut systemd, &scope, &process, &Resources::default()).unwrap();
        assert_eq!(process.group(), "/tare.slice/tare-pod.slice/tare-1.scope");
        // With the slice goes what is in it.
        systemd.stop(&slice).unwrap();
        assert_eq!(shown("tare-1.scope", "LoadState"), "not-found");
    });
}

#[test]
fn a_second_process_is_moved_in() {
    test_under_systemd(&[], |_world| {
        let (mut systemd, unit) = (machine(), unit(""));
        let (process, second, third) = (Waiting::start(), Waiting::start(), Waiting::start());
        let started = start(&mut systemd, &unit, &process, &Resources::default()).unwrap();
        systemd.attach(&unit, None, second.pid()).unwrap();
        assert_eq!(second.group(), "/system.slice/tare-web.scope");
        fs::create_dir(folder(&started).join("exec")).unwrap();
        systemd.attach(&unit, Some("exec"), third.pid()).unwrap();
        assert_eq!(third.group(), "/system.slice/tare-web.scope/exec");
        let e = systemd.attach(&crate::unit("system.slice:tare:no"), None, third.pid());
        assert_eq!(e.unwrap_err().kind(), Kind::NotFound);
        systemd.stop(&unit).unwrap();
    });
}

/// systemd 257 and a bus in between, or neither: without the bus's socket systemd itself is asked.
#[test]
fn without_a_bus_systemd_itself_is_asked() {
    test_under_systemd(&[], |_world| {
        ok("systemctl", &["stop", "dbus.socket", "dbus.service"]);
        fs::remove_file("/run/dbus/system_bus_socket").ok();
        let (mut systemd, unit, process) = (machine(), unit(""), Waiting::start());
        let started = start(&mut systemd, &unit, &process, &Resources::default()).unwrap();
        assert_eq!(group_of(process.0.id()), started.group.to_string());
        group(&started).freeze().unwrap();
        group(&started).thaw().unwrap();
        systemd.stop(&unit).unwrap();
        assert!(!folder(&started).exists());
    });
}
