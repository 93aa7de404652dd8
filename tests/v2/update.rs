//! Limits that change while the container runs.

use crate::case::{By, Case, Driver};
use crate::values::{Files, with_bfq};
use serde_json::json;
use tare_kit::{World, test_in_machine};

/// An update's words or document, and what the files hold then. In order: each finds what the one before has set.
const STEPS: &[(&[&str], &str, Files)] = &[
    (
        &[
            "--memory",
            "96m",
            "--memory-swap",
            "128m",
            "--memory-reservation",
            "48m",
        ],
        "",
        &[
            ("memory.max", "100663296"),
            ("memory.swap.max", "33554432"),
            ("memory.low", "50331648"),
        ],
    ),
    (
        &["--memory", "32m", "--memory-swap", "32m"],
        "",
        &[
            ("memory.max", "33554432"),
            ("memory.swap.max", "0"),
            ("memory.low", "50331648"),
        ],
    ),
    (
        &["--memory", "-1", "--memory-reservation", "0"],
        "",
        &[("memory.max", "max"), ("memory.swap.max", "max")],
    ),
    (
        &["--cpu-quota", "20000", "--cpu-period", "50000"],
        "",
        &[("cpu.max", "20000 50000"), ("memory.max", "max")],
    ),
    // What is not named stays: the period, and then the quota.
    (&["--cpu-quota", "30000"], "", &[("cpu.max", "30000 50000")]),
    (&["--cpu-period", "100000"], "", &[("cpu.max", "30000 100000")]),
    (
        &["--cpu-burst", "5000"],
        "",
        &[("cpu.max.burst", "5000"), ("cpu.max", "30000 100000")],
    ),
    (&["--cpu-burst", "0"], "", &[("cpu.max.burst", "0")]),
    (&["--cpu-quota", "-1"], "", &[("cpu.max", "max 100000")]),
    (&["--cpu-share", "2048"], "", &[("cpu.weight", "174")]),
    (&["--cpu-idle", "1"], "", &[("cpu.idle", "1")]),
    (
        &["--cpu-idle", "0", "--cpu-share", "1024"],
        "",
        &[("cpu.idle", "0"), ("cpu.weight", "100")],
    ),
    (&["--pids-limit", "5"], "", &[("pids.max", "5")]),
    (&["--pids-limit", "500"], "", &[("pids.max", "500")]),
    (&["--pids-limit", "-1"], "", &[("pids.max", "max")]),
    (
        &["--cpuset-cpus", "1", "--cpuset-mems", "0"],
        "",
        &[("cpuset.cpus", "1"), ("cpuset.mems", "0")],
    ),
    (&["--cpuset-cpus", "0-1"], "", &[("cpuset.cpus", "0-1")]),
    (
        &["--blkio-weight", "100"],
        "",
        &[("io.bfq.weight", "default 100")],
    ),
    (
        &["--blkio-weight", "1000"],
        "",
        &[("io.bfq.weight", "default 1000")],
    ),
    (
        &["-r", "-"],
        r#"{"blockIO": {"throttleReadBpsDevice": [{"major": 254, "minor": 32, "rate": 1048576}]}}"#,
        &[("io.max", "254:32 rbps=1048576 wbps=max riops=max wiops=max")],
    ),
    (
        &["-r", "-"],
        r#"{"blockIO": {"throttleReadBpsDevice": [{"major": 254, "minor": 32, "rate": 0}]}}"#,
        &[("io.max", "")],
    ),
    (
        &["-r", "-"],
        r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 2097152}]}"#,
        &[
            ("hugetlb.2MB.max", "2097152"),
            ("hugetlb.2MB.rsvd.max", "2097152"),
        ],
    ),
    (
        &["-r", "-"],
        r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 8388608}]}"#,
        &[
            ("hugetlb.2MB.max", "8388608"),
            ("hugetlb.2MB.rsvd.max", "8388608"),
        ],
    ),
    (
        &["-r", "-"],
        r#"{"unified": {"memory.high": "50331648", "memory.oom.group": "1", "cpu.max": "40000 80000"}}"#,
        &[
            ("memory.high", "50331648"),
            ("memory.oom.group", "1"),
            ("cpu.max", "40000 80000"),
        ],
    ),
    (
        &["-r", "-"],
        r#"{"unified": {"memory.high": "max", "memory.oom.group": "0"}}"#,
        &[
            ("memory.high", "max"),
            ("memory.oom.group", "0"),
            ("cpu.max", "40000 80000"),
        ],
    ),
];

fn up_and_down(world: &World, driver: Driver) {
    with_bfq();
    let mut case = Case::sleeping(world, By::Root, driver);
    case.limit(&json!({"memory": {"limit": 64 << 20}, "pids": {"limit": 50}}));
    case.start();
    for (words, document, expected) in STEPS {
        let all: Vec<&str> = ["update"].iter().chain(*words).copied().chain(["v"]).collect();
        let _ = case.runtime(&all).stdin(*document).ok();
        for (file, value) in *expected {
            assert_eq!(
                case.file(file),
                *value,
                "{driver:?} {file} after {words:?} {document}"
            );
        }
    }
    case.delete();
}

#[test]
#[ignore = "in the soak"]
fn every_limit_goes_up_and_down() {
    test_in_machine(&[], |world| up_and_down(world, Driver::Cgroupfs));
}

#[test]
fn every_limit_goes_up_and_down_under_systemd() {
    test_in_machine(&[], |world| up_and_down(world, Driver::Systemd));
}

/// A limit below what is in use: refused where that is to be checked, and otherwise the kernel makes room or kills.
#[test]
#[ignore = "in the soak"]
fn a_limit_below_what_is_in_use_is_refused_if_asked() {
    test_in_machine(&[], |world| {
        for driver in [Driver::Cgroupfs, Driver::Systemd] {
            // A file in memory: nothing to be swapped out to.
            let script = "dd if=/dev/zero of=/dev/shm/x bs=1M count=24 2>/dev/null; sleep 1000";
            let mut case = Case::new(world, By::Root, driver, script);
            case.limit(&json!({"memory": {"limit": 64 << 20}}));
            case.start();
            while case.file("memory.current").parse::<u64>().unwrap() < 24 << 20 {}
            let document = r#"{"memory": {"limit": 8388608, "checkBeforeUpdate": true}}"#;
            let said = case.runtime(&["update", "-r", "-", "v"]).stdin(document).fails(1);
            assert!(said.contains("bytes are in use"), "{driver:?} {said}");
            assert_eq!(
                (case.file("memory.max").as_str(), case.status().as_str()),
                ("67108864", "running")
            );
            let document = r#"{"memory": {"limit": 8388608}}"#;
            let _ = case.runtime(&["update", "-r", "-", "v"]).stdin(document).run();
            case.wait_until_stopped();
            case.delete();
        }
    });
}
