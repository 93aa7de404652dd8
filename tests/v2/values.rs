//! What is written for each limit.

use crate::case::{By, Case, Driver, await_forgotten};
use serde_json::{Value, json};
use std::fs;
use tare_kit::{Tare, test_in_machine};

/// What files hold.
pub(crate) type Files = &'static [(&'static str, &'static str)];

/// Limits that can be set at once, and what the files hold then.
pub(crate) const TABLE: &[(&str, Files)] = &[
    (
        r#"{"memory": {"limit": 67108864, "reservation": 33554432, "swap": 100663296},
            "cpu": {"shares": 1024, "quota": 50000}, "pids": {"limit": 100}}"#,
        &[
            ("memory.max", "67108864"),
            ("memory.low", "33554432"),
            ("memory.swap.max", "33554432"),
            ("cpu.weight", "100"),
            ("cpu.max", "50000 100000"),
            ("pids.max", "100"),
        ],
    ),
    (
        r#"{"memory": {"limit": -1}, "cpu": {"shares": 2, "quota": -1, "period": 50000}, "pids": {"limit": -1}}"#,
        &[
            ("memory.max", "max"),
            ("memory.swap.max", "max"),
            ("cpu.weight", "1"),
            ("cpu.max", "max 50000"),
            ("pids.max", "max"),
        ],
    ),
    (
        r#"{"memory": {"limit": 67108864, "swap": 67108864},
            "cpu": {"shares": 262144, "quota": 20000, "period": 50000, "burst": 10000, "cpus": "0-1", "mems": "0"}}"#,
        &[
            ("memory.swap.max", "0"),
            ("cpu.weight", "10000"),
            ("cpu.max", "20000 50000"),
            ("cpu.max.burst", "10000"),
            ("cpuset.cpus", "0-1"),
            ("cpuset.mems", "0"),
        ],
    ),
    (
        r#"{"memory": {"limit": 67108864, "swap": -1}, "cpu": {"shares": 512, "cpus": "1"},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}"#,
        &[
            ("memory.swap.max", "max"),
            ("cpu.weight", "59"),
            ("cpuset.cpus", "1"),
            ("hugetlb.2MB.max", "4194304"),
            ("hugetlb.2MB.rsvd.max", "4194304"),
        ],
    ),
    (
        r#"{"cpu": {"idle": 1}, "memory": {"reservation": 16777216}}"#,
        &[
            ("cpu.idle", "1"),
            ("memory.low", "16777216"),
            ("memory.max", "max"),
        ],
    ),
    (
        r#"{"unified": {
            "memory.high": "50331648", "memory.low": "8388608", "memory.min": "4194304", "memory.max": "67108864",
            "memory.swap.max": "1048576", "memory.oom.group": "1", "pids.max": "77", "cpu.max": "30000 60000",
            "cpu.weight": "333", "cpuset.cpus": "0", "cpuset.mems": "0", "hugetlb.2MB.max": "2097152"}}"#,
        &[
            ("memory.high", "50331648"),
            ("memory.low", "8388608"),
            ("memory.min", "4194304"),
            ("memory.max", "67108864"),
            ("memory.swap.max", "1048576"),
            ("memory.oom.group", "1"),
            ("pids.max", "77"),
            ("cpu.max", "30000 60000"),
            ("cpu.weight", "333"),
            ("cpuset.cpus", "0"),
            ("cpuset.mems", "0"),
            ("hugetlb.2MB.max", "2097152"),
        ],
    ),
    (
        r#"{"blockIO": {
            "throttleReadBpsDevice": [{"major": 254, "minor": 32, "rate": 1048576}],
            "throttleWriteBpsDevice": [{"major": 254, "minor": 32, "rate": 2097152}],
            "throttleReadIOPSDevice": [{"major": 254, "minor": 32, "rate": 100}],
            "throttleWriteIOPSDevice": [{"major": 254, "minor": 32, "rate": 200}]}}"#,
        &[("io.max", "254:32 rbps=1048576 wbps=2097152 riops=100 wiops=200")],
    ),
    (
        r#"{"blockIO": {"weight": 500, "weightDevice": [{"major": 254, "minor": 32, "weight": 100}]}}"#,
        &[("io.bfq.weight", "default 500\n254:32 100")],
    ),
];

/// The limits of one row.
pub(crate) fn parsed(limits: &str) -> Value {
    serde_json::from_str(limits).unwrap()
}

/// The spare disk with the scheduler that knows weights.
pub(crate) fn with_bfq() {
    fs::write("/sys/block/vdc/queue/scheduler", "bfq").expect("choose bfq");
}

fn every_limit(driver: Driver) -> impl Fn(&tare_kit::World) {
    move |world| {
        with_bfq();
        for (limits, expected) in TABLE {
            let mut case = Case::sleeping(world, By::Root, driver);
            case.limit(&parsed(limits));
            case.create();
            for (file, value) in *expected {
                assert_eq!(case.file(file), *value, "{driver:?} {file} of {limits}");
            }
            case.delete();
        }
    }
}

#[test]
#[ignore = "in the soak"]
fn every_limit_is_in_its_file() {
    test_in_machine(&[], |world| every_limit(Driver::Cgroupfs)(world));
}

#[test]
fn every_limit_is_in_its_file_under_systemd() {
    test_in_machine(&[], |world| every_limit(Driver::Systemd)(world));
}

/// What systemd does not know of it would undo: after a reload, and after it has written the group again for another property.
#[test]
#[ignore = "in the soak"]
fn systemd_leaves_what_it_was_told() {
    test_in_machine(&[], |world| {
        with_bfq();
        for (limits, expected) in TABLE {
            let mut case = Case::sleeping(world, By::Root, Driver::Systemd);
            case.limit(&parsed(limits));
            case.create();
            let _ = Tare::program("systemctl").args(["daemon-reload"]).ok();
            let words = ["set-property", "--runtime", "tare-v.scope", "CPUWeight=77"];
            let _ = Tare::program("systemctl")
                .args(words)
                .args(["IOWriteIOPSMax=/dev/vdb 50"])
                .ok();
            for (file, value) in *expected {
                // What was changed just now, and the period of no quota.
                if !matches!(*file, "cpu.weight" | "cpu.idle") && *value != "max 50000" {
                    let found = case.file(file);
                    // Weights of single disks go with the weight of all, which systemd writes again: it has no word for a disk
                    // without a path.
                    let mut kept = value
                        .lines()
                        .filter(|line| *file != "io.bfq.weight" || line.starts_with("default"));
                    let all = kept.all(|line| found.lines().any(|own| own == line));
                    assert!(all, "{file} is {found:?}, not {value:?}: {limits}");
                }
            }
            case.delete();
            await_forgotten("tare-v.scope");
        }
    });
}

#[test]
#[ignore = "in the soak"]
fn what_is_no_limit_is_refused_and_leaves_nothing() {
    test_in_machine(&[], |world| {
        for driver in [Driver::Cgroupfs, Driver::Systemd] {
            for (limits, part) in [
                (json!({"unified": {"memory.nosuch": "1"}}), "memory.nosuch"),
                (json!({"unified": {"nosuch.max": "1"}}), "nosuch"),
                (json!({"unified": {"a/memory.max": "1"}}), "a/memory.max"),
                (json!({"unified": {"../memory.max": "1"}}), "../memory.max"),
                (json!({"unified": {"cgroup.procs": "1"}}), "cgroup.procs"),
                (json!({"unified": {"memory.max": "much"}}), "memory.max"),
                (json!({"memory": {"limit": 64 << 20, "swap": 1}}), "swap"),
                (json!({"memory": {"swappiness": 10}}), "swappiness"),
                (json!({"cpu": {"realtimeRuntime": 5}}), "real-time"),
                (json!({"cpu": {"cpus": "77"}}), "cpuset.cpus"),
                (json!({"cpu": {"quota": 50000, "burst": 100_000_000}}), "burst"),
                (
                    json!({"hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}),
                    "3MB",
                ),
                (
                    json!({"blockIO": {"throttleReadBpsDevice": [{"major": 77, "minor": 7, "rate": 5}]}}),
                    "77:7",
                ),
            ] {
                let mut case = Case::sleeping(world, By::Root, driver);
                case.limit(&limits);
                let said = case.refused();
                assert!(said.contains(part), "{driver:?} {limits}: {said}");
                assert!(!fs::exists("/sys/fs/cgroup/tare/v").unwrap(), "{limits}");
                assert!(
                    !fs::exists("/sys/fs/cgroup/system.slice/tare-v.scope").unwrap(),
                    "{limits}"
                );
            }
        }
        await_forgotten("tare-v.scope");
    });
}
