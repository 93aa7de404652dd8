//! Ordinary users: their own systemd, groups that were delegated to them, and none at all.

use crate::case::{By, Case, Driver, HEARING, as_tester, await_forgotten, text};
use serde_json::{Value, json};
use std::fs;
use tare_kit::{Tare, World, test_in_machine};

const MANAGER: &str = "/sys/fs/cgroup/user.slice/user-1500.slice/user@1500.service";

fn limits() -> Value {
    json!({
        "memory": {"limit": 64 << 20, "reservation": 32 << 20},
        "cpu": {"shares": 512, "quota": 20000, "period": 50000, "cpus": "0-1"},
        "pids": {"limit": 100},
        "blockIO": {"throttleReadBpsDevice": [{"major": 254, "minor": 32, "rate": 1_048_576}]},
        "unified": {"memory.high": "50331648"},
    })
}

const EXPECTED: &[(&str, &str)] = &[
    ("memory.max", "67108864"),
    ("memory.low", "33554432"),
    ("memory.high", "50331648"),
    ("cpu.weight", "59"),
    ("cpu.max", "20000 50000"),
    ("cpuset.cpus", "0-1"),
    ("pids.max", "100"),
    ("io.max", "254:32 rbps=1048576 wbps=max riops=max wiops=max"),
];

/// A user's property of a unit.
fn property(world: &World, unit: &str, name: &str) -> String {
    let shown = as_tester(world, "systemctl")
        .args(["--user", "show", "--value", "-p", name, unit])
        .ok();
    shown.trim().to_owned()
}

fn users_scope(world: &World, by: By) {
    let mut case = Case::sleeping(world, by, Driver::Systemd);
    case.limit(&limits());
    case.start();
    assert_eq!(
        case.group().to_str(),
        Some(&*format!("{MANAGER}/user.slice/tare-v.scope"))
    );
    for (file, value) in EXPECTED {
        assert_eq!(case.file(file), *value, "{by:?} {file}");
    }
    assert_eq!(property(world, "tare-v.scope", "MemoryMax"), "67108864");
    assert_eq!(property(world, "tare-v.scope", "Delegate"), "yes");
    let reloaded = as_tester(world, "systemctl")
        .args(["--user", "daemon-reload"])
        .run();
    assert_eq!(reloaded.code(), Some(0), "{reloaded}");
    for (file, value) in EXPECTED {
        assert_eq!(case.file(file), *value, "{by:?} {file} after a reload");
    }
    let inside = case.exec("cat /proc/self/cgroup; id -u");
    assert_eq!(inside.stdout, "0::/\n0\n", "{by:?} {inside}");
    let _ = case
        .runtime(&[
            "update",
            "--memory",
            "48m",
            "--pids-limit",
            "77",
            "--cpu-quota",
            "25000",
            "v",
        ])
        .ok();
    for (file, value) in [
        ("memory.max", "50331648"),
        ("pids.max", "77"),
        ("cpu.max", "25000 50000"),
    ] {
        assert_eq!(case.file(file), value, "{by:?}");
    }
    let _ = case.runtime(&["pause", "v"]).ok();
    assert_eq!(case.file("cgroup.freeze"), "1");
    let _ = case.runtime(&["resume", "v"]).ok();
    let greedy = case.exec("tail /dev/zero");
    assert_eq!(greedy.code(), Some(137), "{by:?} {greedy}");
    assert!(case.file("memory.events").contains("oom_kill 1"));
    let group = case.group();
    case.delete();
    assert!(!group.exists());
    assert_eq!(property(world, "tare-v.scope", "ActiveState"), "inactive");
}

#[test]
fn a_scope_of_the_users_own_systemd() {
    test_in_machine(&[], |world| users_scope(world, By::Person));
}

/// As root of a user namespace with subordinate ids, which is how podman calls a runtime.
#[test]
#[ignore = "in the soak"]
fn a_scope_as_podman_has_it_made() {
    test_in_machine(&[], |world| users_scope(world, By::Podman));
}

#[test]
fn with_subordinate_ids() {
    test_in_machine(&[], |world| {
        let script = "cat /proc/self/uid_map /proc/self/gid_map; touch /dev/shm/x; chown 33:44 /dev/shm/x; ls -ln /dev/shm/x";
        let mut case = Case::new(world, By::Person, Driver::Systemd, script);
        let map = json!([{"containerID": 0, "hostID": 1500, "size": 1}, {"containerID": 1, "hostID": 1_000_000, "size": 65536}]);
        case.set("/linux/uidMappings", map.clone());
        case.set("/linux/gidMappings", map);
        case.set(
            "/process/capabilities",
            json!({
                "bounding": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"]
            }),
        );
        let ran = case.run();
        assert_eq!(ran.code(), Some(0), "{ran}");
        let lines: Vec<Vec<&str>> = ran
            .stdout
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let rows = [vec!["0", "1500", "1"], vec!["1", "1000000", "65536"]];
        assert_eq!(lines[..2], rows, "{ran}");
        assert_eq!(lines[2..4], rows, "{ran}");
        assert_eq!(lines[4][2..4], ["33", "44"], "{ran}");
    });
}

/// huge pages are not delegated to users here.
#[test]
#[ignore = "in the soak"]
fn a_limit_that_is_not_delegated_is_refused_by_name() {
    test_in_machine(&[], |world| {
        let mut case = Case::sleeping(world, By::Person, Driver::Systemd);
        case.limit(&json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 2_097_152}]}));
        let said = case.refused();
        assert!(said.contains("hugetlb controller is not available"), "{said}");
        assert!(said.contains("Delegate=hugetlb"), "{said}");
        assert_eq!(property(world, "tare-v.scope", "ActiveState"), "inactive");
    });
}

/// Without systemd, in the group of a login, which is not the user's: what is asked for is refused, and what asks for nothing runs.
#[test]
fn without_a_group_of_their_own() {
    test_in_machine(&[], |world| {
        let mut case = Case::new(world, By::Person, Driver::Cgroupfs, "echo ran");
        let ran = case.run();
        assert_eq!((ran.code(), ran.stdout.as_str()), (Some(0), "ran\n"), "{ran}");
        case.limit(&json!({"memory": {"limit": 64 << 20}}));
        let said = case.refused();
        assert!(
            said.contains("ermission denied") && said.contains("delegated to you"),
            "{said}"
        );
    });
}

/// Without systemd, in a group that was delegated: the container's is beside the runtime's own.
#[test]
fn in_a_delegated_group() {
    test_in_machine(&[], |world| {
        let mut case = Case::sleeping(world, By::Person, Driver::Cgroupfs);
        let mut limits = limits();
        limits["pids"] = json!({"limit": 50});
        case.limit(&limits);
        let home = case.home();
        let runtime = format!("/mnt/bin/tare-runtime --root {}", home.display());
        let script = format!(
            "set -e; own=$(cut -d: -f3 /proc/self/cgroup); top=/sys/fs/cgroup$own; mkdir $top/inner; echo $$ > $top/inner/cgroup.procs; \
             {runtime} create --bundle {} v >/dev/null 2>&1; {runtime} start v; \
             for f in {}; do echo \"$f=$(cat $top/v/$f)\"; done; \
             {runtime} exec v cat /proc/self/cgroup; \
             {runtime} update --memory 48m --cpu-quota 25000 v; cat $top/v/memory.max $top/v/cpu.max; \
             {runtime} pause v; cat $top/v/cgroup.freeze; {runtime} resume v; \
             {runtime} events --stats v | grep -c '\"limit\":50331648'; \
             {runtime} delete -f v; ls -d $top/v 2>/dev/null || echo gone",
            case.bundle.display(),
            EXPECTED
                .iter()
                .map(|(file, _)| *file)
                .collect::<Vec<_>>()
                .join(" ")
        );
        let words = [
            "--user",
            "--quiet",
            "--pipe",
            "--wait",
            "--collect",
            "--expand-environment=no",
            "-p",
            "Delegate=yes",
            "sh",
            "-c",
        ];
        let ran = as_tester(world, "systemd-run").args(words).args([script]).run();
        let mut expected: Vec<String> = EXPECTED
            .iter()
            .map(|(file, value)| format!("{file}={value}"))
            .collect();
        expected[6] = "pids.max=50".to_owned();
        expected.extend(["0::/", "50331648", "25000 50000", "1", "1", "gone"].map(str::to_owned));
        assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected, "{ran}");
    });
}

/// A user who logs out takes along what is theirs; root finds nothing left.
#[test]
#[ignore = "in the soak"]
fn the_end_of_the_users_manager_ends_the_container() {
    test_in_machine(&[], |world| {
        // One that goes when it is asked: systemd would wait a minute and a half before it kills.
        let case = Case::new(world, By::Person, Driver::Systemd, HEARING);
        case.start();
        case.wait_until_it_hears();
        let _ = Tare::program("systemctl")
            .args(["stop", "user@1500.service"])
            .ok();
        assert_eq!(case.status(), "stopped");
        // Its systemd does not answer; the group and the unit are gone with it.
        let deleted = case.runtime(&["delete", "--force", "v"]).run();
        assert_eq!(deleted.code(), Some(0), "{deleted}");
        assert!(!fs::exists(MANAGER).unwrap(), "{}", text(MANAGER.as_ref()));
        await_forgotten("tare-v.scope");
    });
}
