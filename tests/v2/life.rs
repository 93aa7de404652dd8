//! Freezing, killing, numbers, and birth in the group.

use crate::case::{By, Case, Driver, text};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tare_kit::test_in_machine;

#[test]
fn pause_stands_still_and_resume_goes_on() {
    test_in_machine(&[], |world| {
        for driver in [Driver::Cgroupfs, Driver::Systemd] {
            let case = Case::sleeping(world, By::Root, driver);
            case.start();
            let _ = case.runtime(&["pause", "v"]).ok();
            assert_eq!(
                (case.file("cgroup.freeze").as_str(), case.status().as_str()),
                ("1", "paused")
            );
            assert!(case.file("cgroup.events").contains("frozen 1"));
            let _ = case.runtime(&["resume", "v"]).ok();
            assert_eq!(
                (case.file("cgroup.freeze").as_str(), case.status().as_str()),
                ("0", "running")
            );
            // A frozen one is deleted too.
            let _ = case.runtime(&["pause", "v"]).ok();
            case.delete();
        }
    });
}

/// All of a crowd that goes on forking ends, by `kill --all` and by `delete --force`.
#[test]
fn a_crowd_is_killed_at_once() {
    test_in_machine(&[], |world| {
        for driver in [Driver::Cgroupfs, Driver::Systemd] {
            let crowd = "for i in 1 2 3 4 5 6 7 8; do (while :; do sleep 0.01; done) & done; sleep 1000";
            let mut case = Case::new(world, By::Root, driver, crowd);
            case.limit(&json!({"pids": {"limit": 60}}));
            case.start();
            let group = case.group();
            while text(&group.join("cgroup.procs")).lines().count() < 8 {}
            let _ = case.runtime(&["kill", "--all", "v", "KILL"]).ok();
            case.wait_until_stopped();
            case.delete();
            assert!(!group.exists());
            case.start();
            while text(&group.join("cgroup.procs")).lines().count() < 8 {}
            case.delete();
            assert!(!group.exists());
        }
    });
}

/// In the host's pid namespace the first process's end takes nobody along: what is left is killed by the group.
#[test]
fn those_who_outlive_the_first_process_are_found() {
    test_in_machine(&[], |world| {
        for driver in [Driver::Cgroupfs, Driver::Systemd] {
            let mut case = Case::new(world, By::Root, driver, "setsid sleep 1000 & exit 0");
            let mut namespaces = case.config["linux"]["namespaces"].clone();
            namespaces.as_array_mut().unwrap().retain(|n| n["type"] != "pid");
            case.set("/linux/namespaces", namespaces);
            case.create();
            let group = case.group();
            let _ = case.runtime(&["start", "v"]).ok();
            case.wait_until_stopped();
            while text(&group.join("cgroup.procs")).lines().count() != 1 {}
            case.delete();
            assert!(!group.exists());
        }
    });
}

#[test]
fn numbers_are_those_of_the_files() {
    test_in_machine(&[], |world| {
        let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; dd if=/dev/zero of=/dev/shm/x bs=1M count=4 2>/dev/null; sleep 1000";
        let mut case = Case::new(world, By::Root, Driver::Cgroupfs, script);
        case.limit(&json!({"memory": {"limit": 64 << 20, "swap": 96 << 20}, "pids": {"limit": 40}, "cpu": {"quota": 90000}}));
        case.start();
        while case.file("memory.current").parse::<u64>().unwrap() < 4 << 20 {}
        // Nothing moves any more.
        let _ = case.runtime(&["pause", "v"]).ok();
        let event: Value = serde_json::from_str(&case.runtime(&["events", "--stats", "v"]).ok()).unwrap();
        let data = &event["data"];
        let number = |file: &str| case.file(file).parse::<u64>().unwrap();
        let of_stat = |file: &str, key: &str| {
            let text = case.file(file);
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{key} of {text}"))
                .parse::<u64>()
                .unwrap()
        };
        let micros = |key: &str| json!(of_stat("cpu.stat", key) * 1000);
        assert_eq!(data["cpu"]["usage"]["total"], micros("usage_usec"));
        assert_eq!(data["cpu"]["usage"]["user"], micros("user_usec"));
        assert_eq!(data["cpu"]["usage"]["kernel"], micros("system_usec"));
        // Periods go on while nobody runs.
        let periods = data["cpu"]["throttling"]["periods"].as_u64().unwrap();
        assert!(
            (1..=of_stat("cpu.stat", "nr_periods")).contains(&periods),
            "{data}"
        );
        assert_eq!(
            data["cpu"]["throttling"]["throttledTime"],
            micros("throttled_usec")
        );
        let memory = &data["memory"];
        // The kernel gives some back a little later.
        let used = memory["usage"]["usage"].as_u64().unwrap();
        assert!(used.abs_diff(number("memory.current")) < 1 << 20, "{data}");
        assert_eq!(memory["usage"]["max"], json!(number("memory.peak")));
        assert_eq!(memory["usage"]["limit"], json!(64 << 20));
        assert_eq!(memory["raw"]["shmem"], json!(of_stat("memory.stat", "shmem")));
        let pids = (&data["pids"]["current"], &data["pids"]["limit"]);
        assert_eq!(pids, (&json!(number("pids.current")), &json!(40)));
        case.delete();
    });
}

/// The kernel tells of every move from one group to another; being born in a group is none.
#[test]
fn processes_are_born_in_their_group() {
    test_in_machine(&[], |world| {
        let trace = Path::new("/sys/kernel/tracing");
        let switch = trace.join("events/cgroup/cgroup_attach_task/enable");
        if !switch.exists() {
            let mounted = tare_kit::Tare::program("mount")
                .args(["-t", "tracefs", "tracefs"])
                .args([trace])
                .run();
            assert_eq!(mounted.code(), Some(0), "{mounted}");
        }
        let case = Case::sleeping(world, By::Root, Driver::Cgroupfs);
        fs::write(&switch, "1").unwrap();
        case.start();
        let _ = case.exec("true").ok();
        fs::write(&switch, "0").unwrap();
        let moves = fs::read_to_string(trace.join("trace")).unwrap();
        let moves: Vec<&str> = moves.lines().filter(|line| line.contains("tare/v")).collect();
        assert_eq!(moves, [""; 0]);
        case.delete();
    });
}
