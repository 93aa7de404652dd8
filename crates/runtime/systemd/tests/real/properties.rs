//! Limits, device rules and annotations, as systemd shows them and as they hold.

use crate::{Waiting, folder, group, machine, ok, shown, start, start_with, unit};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use tare_error::Kind;
use tare_kit::{Need, test_under_systemd};
use tare_spec_oci::{BlockIo, Cpu, DeviceKind, DeviceRule, Memory, Pids, Resources};

fn everything() -> Resources {
    Resources {
        memory: Some(Memory {
            limit: Some(64 << 20),
            reservation: Some(32 << 20),
            swap: Some(96 << 20),
            ..Memory::default()
        }),
        cpu: Some(Cpu {
            shares: Some(2048),
            quota: Some(33_333),
            period: Some(50_000),
            cpus: Some("0".to_owned()),
            mems: Some("0".to_owned()),
            ..Cpu::default()
        }),
        pids: Some(Pids { limit: Some(77) }),
        block_io: Some(BlockIo {
            weight: Some(500),
            ..BlockIo::default()
        }),
        unified: [
            ("memory.high", "50000000"),
            ("memory.min", "4096"),
            ("memory.oom.group", "1"),
        ]
        .map(|(file, value)| (file.to_owned(), value.to_owned()))
        .into(),
        ..Resources::default()
    }
}

const TABLE: &[(&str, &str)] = &[
    ("MemoryMax", "67108864"),
    ("MemoryLow", "33554432"),
    ("MemorySwapMax", "33554432"),
    ("MemoryHigh", "50000000"),
    ("MemoryMin", "4096"),
    ("CPUWeight", "174"),
    ("CPUQuotaPerSecUSec", "670ms"),
    ("CPUQuotaPeriodUSec", "50ms"),
    ("AllowedCPUs", "0"),
    ("AllowedMemoryNodes", "0"),
    ("TasksMax", "77"),
    ("IOWeight", "4500"),
];

#[test]
fn every_property_is_shown_by_systemctl() {
    test_under_systemd(&[], |_world| {
        let (mut systemd, unit, process) = (machine(), unit(""), Waiting::start());
        let annotations = [
            ("CollectMode", "'inactive-or-failed'"),
            ("TimeoutStopSec", "uint64 7"),
            ("After", "['a.service', 'b.service']"),
        ];
        let started = start_with(&mut systemd, &unit, Some(&process), &everything(), &annotations).unwrap();
        assert_eq!(started.resources.cpu.unwrap().quota, Some(33_500));
        for (property, value) in TABLE {
            assert_eq!(shown("tare-web.scope", property), *value, "{property}");
        }
        for (property, value) in [
            ("CollectMode", "inactive-or-failed"),
            ("TimeoutStopUSec", "7s"),
            ("OOMPolicy", "kill"),
        ] {
            assert_eq!(shown("tare-web.scope", property), value, "{property}");
        }
        let after = shown("tare-web.scope", "After");
        assert!(
            ["a.service", "b.service"].iter().all(|unit| after.contains(unit)),
            "{after}"
        );
        systemd.stop(&unit).unwrap();
    });
}

/// What systemd writes, what the group writes after it, and what systemd writes once more is the same.
#[test]
fn limits_hold_in_the_group() {
    test_under_systemd(&[Need::Cgroup2Controllers], |_world| {
        let (mut systemd, unit, process) = (machine(), unit(""), Waiting::start());
        let mut asked = everything();
        asked.block_io = None;
        let started = start(&mut systemd, &unit, &process, &asked).unwrap();
        let files = || {
            for (file, value) in [
                ("memory.max", "67108864"),
                ("memory.low", "33554432"),
                ("memory.swap.max", "33554432"),
                ("memory.high", "49999872"),
                ("memory.min", "4096"),
                ("memory.oom.group", "1"),
                ("cpu.weight", "174"),
                ("cpu.max", "33500 50000"),
                ("cpuset.cpus", "0"),
                ("cpuset.mems", "0"),
                ("pids.max", "77"),
            ] {
                let text = fs::read_to_string(folder(&started).join(file)).unwrap();
                assert_eq!(text.trim(), value, "{file}");
            }
        };
        files();
        let _group = group(&started);
        files();
        ok("systemctl", &["daemon-reload"]);
        let again = ["set-property", "--runtime", "tare-web.scope", "TasksMax=77"];
        ok("systemctl", &again);
        files();
        systemd.stop(&unit).unwrap();
    });
}

#[test]
fn limits_are_changed_while_it_runs() {
    test_under_systemd(&[], |_world| {
        let (mut systemd, unit, process) = (machine(), unit(""), Waiting::start());
        let started = start(&mut systemd, &unit, &process, &Resources::default()).unwrap();
        let group = group(&started);
        assert_eq!(shown("tare-web.scope", "MemoryMax"), "infinity");
        let settled = systemd.update(&unit, &group, &everything()).unwrap();
        assert_eq!(settled.cpu.unwrap().quota, Some(33_500));
        for (property, value) in TABLE {
            assert_eq!(shown("tare-web.scope", property), *value, "{property}");
        }
        // What is absent stays.
        let less = Resources {
            pids: Some(Pids { limit: Some(-1) }),
            ..Resources::default()
        };
        systemd.update(&unit, &group, &less).unwrap();
        assert_eq!(shown("tare-web.scope", "TasksMax"), "infinity");
        assert_eq!(shown("tare-web.scope", "MemoryMax"), "67108864");
        systemd.stop(&unit).unwrap();
        let e = systemd.update(&unit, &group, &less).unwrap_err();
        assert_eq!(e.kind(), Kind::NotFound);
        assert!(
            e.to_string().contains("org.freedesktop.systemd1.NoSuchUnit"),
            "{e}"
        );
    });
}

#[test]
fn a_property_that_systemd_refuses_is_named() {
    test_under_systemd(&[], |_world| {
        let (mut systemd, unit, process) = (machine(), unit(""), Waiting::start());
        let mut start = |annotation| {
            start_with(
                &mut systemd,
                &unit,
                Some(&process),
                &Resources::default(),
                &[annotation],
            )
            .unwrap_err()
        };
        let e = start(("NoSuchProperty", "true"));
        assert!(e.to_string().contains("NoSuchProperty"), "{e}");
        let e = start(("TasksMax", "'many'"));
        assert_eq!(e.kind(), Kind::Invalid, "{e}");
        assert!(e.to_string().contains("System.Error.ENXIO"), "{e}");
        assert_eq!(shown("tare-web.scope", "LoadState"), "not-found");
    });
}

fn rule(allow: bool, minor: i64) -> DeviceRule {
    DeviceRule {
        allow,
        kind: DeviceKind::Char,
        major: Some(1),
        minor: Some(minor),
        access: Some("rw".to_owned()),
    }
}

fn only_null() -> Resources {
    let deny = DeviceRule {
        allow: false,
        kind: DeviceKind::All,
        ..DeviceRule::default()
    };
    Resources {
        devices: vec![deny, rule(true, 3)],
        ..Resources::default()
    }
}

/// A process that says on each line it reads which devices it can open: null, zero, full.
const PROBE: &str = "while read line; do for d in null zero full; do (: < /dev/$d) 2>/dev/null && printf '%s ' $d; done; echo; done";

struct Probe {
    process: Waiting,
    answers: BufReader<std::process::ChildStdout>,
}

impl Probe {
    fn start() -> Probe {
        let mut process = Waiting::running(PROBE);
        let answers = BufReader::new(process.0.stdout.take().unwrap());
        Probe { process, answers }
    }

    fn opens(&mut self) -> String {
        self.process.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

#[test]
fn device_rules_survive_a_reload() {
    test_under_systemd(&[], |_world| {
        let (mut systemd, unit, mut probe) = (machine(), unit(""), Probe::start());
        assert_eq!(probe.opens(), "null zero full");
        let started = start(&mut systemd, &unit, &probe.process, &only_null()).unwrap();
        assert_eq!(shown("tare-web.scope", "DevicePolicy"), "strict");
        assert_eq!(shown("tare-web.scope", "DeviceAllow"), "/dev/char/1:3 rw");
        // By systemd's own program, by the group's in its place, and by both after a reload.
        assert_eq!(probe.opens(), "null");
        let group = group(&started);
        assert_eq!(probe.opens(), "null");
        for command in ["daemon-reload", "daemon-reexec"] {
            ok("systemctl", &[command]);
            assert_eq!(probe.opens(), "null", "{command}");
        }
        // An update adds a device, in both places; a reload keeps it. (Over the connection of before: systemd is another
        // program now, with another name on the bus.)
        let mut more = only_null();
        more.devices.push(rule(true, 5));
        let settled = systemd.update(&unit, &group, &more).unwrap();
        group.apply(&settled).unwrap();
        assert_eq!(probe.opens(), "null zero");
        ok("systemctl", &["daemon-reload"]);
        ok(
            "systemctl",
            &["set-property", "--runtime", "tare-web.scope", "CPUWeight=50"],
        );
        assert_eq!(probe.opens(), "null zero");
        systemd.stop(&unit).unwrap();
        assert!(!folder(&started).exists());
    });
}

/// The reason why the rules are told to systemd at all: what only the group allows, a reload takes away
/// (252: at once; 257: with the next change of any property).
#[test]
fn rules_that_only_the_group_has_are_undone() {
    test_under_systemd(&[], |_world| {
        let (mut systemd, unit, mut probe) = (machine(), unit(""), Probe::start());
        let started = start(&mut systemd, &unit, &probe.process, &only_null()).unwrap();
        let mut more = only_null();
        more.devices.push(rule(true, 5));
        let group = group(&started);
        group.apply(&more).unwrap();
        assert_eq!(probe.opens(), "null zero");
        ok("systemctl", &["daemon-reload"]);
        ok(
            "systemctl",
            &["set-property", "--runtime", "tare-web.scope", "CPUWeight=50"],
        );
        assert_eq!(probe.opens(), "null");
        systemd.stop(&unit).unwrap();
    });
}

#[test]
fn what_is_denied_by_way_of_exception_stays_denied() {
    test_under_systemd(&[], |_world| {
        let (mut systemd, unit, mut probe) = (machine(), unit(""), Probe::start());
        let denied = Resources {
            devices: vec![rule(false, 5)],
            ..Resources::default()
        };
        let started = start(&mut systemd, &unit, &probe.process, &denied).unwrap();
        assert_eq!(shown("tare-web.scope", "DevicePolicy"), "auto");
        let _group = group(&started);
        assert_eq!(probe.opens(), "null full");
        ok("systemctl", &["daemon-reload"]);
        ok(
            "systemctl",
            &["set-property", "--runtime", "tare-web.scope", "CPUWeight=50"],
        );
        assert_eq!(probe.opens(), "null full");
        systemd.stop(&unit).unwrap();
    });
}
