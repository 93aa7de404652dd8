//! systemd's scopes: where they lie, what they are told, what is below them, and their end.

use crate::case::{By, Case, Driver, HEARING, await_forgotten, properties, property, text};
use serde_json::json;
use std::fs;
use tare_kit::{Tare, test_in_machine};

#[test]
#[ignore = "in the soak"]
fn a_container_is_a_scope_in_its_slice_and_gone_with_it() {
    test_in_machine(&[], |world| {
        for (path, unit, group) in [
            ("", "tare-v.scope", "/system.slice/tare-v.scope"),
            (":mine:v", "mine-v.scope", "/system.slice/mine-v.scope"),
            (
                "a-b-c.slice:tare:v",
                "tare-v.scope",
                "/a.slice/a-b.slice/a-b-c.slice/tare-v.scope",
            ),
            ("-.slice:tare:v", "tare-v.scope", "/tare-v.scope"),
            (
                "machine.slice:tare:with-dash_and.dot",
                "tare-with-dash_and.dot.scope",
                "/machine.slice/tare-with-dash_and.dot.scope",
            ),
        ] {
            let mut case = Case::sleeping(world, By::Root, Driver::Systemd);
            case.set("/linux/cgroupsPath", json!(path));
            case.limit(&json!({
                "memory": {"limit": 64 << 20, "reservation": 32 << 20, "swap": 96 << 20},
                "cpu": {"shares": 512, "quota": 20000, "period": 50000, "cpus": "0-1", "mems": "0"},
                "pids": {"limit": 100},
                "blockIO": {"weight": 500},
            }));
            case.start();
            assert_eq!(property(unit, "ControlGroup"), group, "{path}");
            assert_eq!(
                case.group().strip_prefix("/sys/fs/cgroup").unwrap().to_str(),
                group.strip_prefix('/')
            );
            let expected = [
                ("ActiveState", "active"),
                ("Delegate", "yes"),
                ("DevicePolicy", "strict"),
                ("MemoryMax", "67108864"),
                ("MemoryLow", "33554432"),
                ("MemorySwapMax", "33554432"),
                ("CPUWeight", "59"),
                ("CPUQuotaPerSecUSec", "400ms"),
                ("CPUQuotaPeriodUSec", "50ms"),
                ("TasksMax", "100"),
                ("AllowedCPUs", "0-1"),
                ("AllowedMemoryNodes", "0"),
                ("IOWeight", "4500"),
                ("MemoryAccounting", "yes"),
                ("TasksAccounting", "yes"),
                ("IOAccounting", "yes"),
            ];
            let shown = properties(unit, &expected.map(|(name, _)| name));
            for (name, value) in expected {
                assert_eq!(shown[name], value, "{path} {name}");
            }
            case.delete();
            await_forgotten(unit);
            assert!(
                !std::path::Path::new("/sys/fs/cgroup").join(&group[1..]).exists(),
                "{group}"
            );
        }
    });
}

#[test]
#[ignore = "in the soak"]
fn what_an_administrator_stops_is_stopped_and_can_be_deleted() {
    test_in_machine(&[], |world| {
        let case = Case::new(world, By::Root, Driver::Systemd, HEARING);
        case.start();
        case.wait_until_it_hears();
        let _ = Tare::program("systemctl").args(["stop", "tare-v.scope"]).ok();
        assert_eq!(case.status(), "stopped");
        let _ = case.runtime(&["delete", "v"]).ok();
        // One whose processes ended by themselves: systemd has taken the scope and its group away already.
        case.start();
        let _ = case.runtime(&["kill", "v", "KILL"]).ok();
        case.wait_until_stopped();
        await_forgotten("tare-v.scope");
        let _ = case.runtime(&["delete", "v"]).ok();
        // A second container of the name while the first one's scope is there is told so; afterwards it is welcome.
        case.start();
        case.delete();
        case.start();
        case.delete();
    });
}

/// Delegated to the container itself: it makes groups below its own and hands controllers on, and systemd keeps out of it.
#[test]
fn a_container_that_may_makes_groups_of_its_own() {
    test_in_machine(&[], |world| {
        for driver in [Driver::Cgroupfs, Driver::Systemd] {
            let script = "cd /sys/fs/cgroup && mkdir init work && echo 1 > init/cgroup.procs && \
                echo '+memory +pids +cpu' > cgroup.subtree_control && echo 16777216 > work/memory.max && touch /dev/shm/done; sleep 1000";
            let mut case = Case::new(world, By::Root, driver, script);
            let mut mounts = case.config["mounts"].clone();
            let on_groups = mounts
                .as_array_mut()
                .unwrap()
                .iter_mut()
                .find(|m| m["destination"] == "/sys/fs/cgroup");
            on_groups.unwrap()["options"] = json!(["nosuid", "noexec", "nodev", "rw"]);
            case.set("/mounts", mounts);
            case.limit(&json!({"memory": {"limit": 64 << 20}}));
            case.create();
            let top = case.group();
            let _ = case.runtime(&["start", "v"]).ok();
            while !top.join("work/memory.max").exists() || text(&top.join("work/memory.max")) == "max" {}
            let _ = Tare::program("systemctl").args(["daemon-reload"]).ok();
            if driver == Driver::Systemd {
                let words = ["set-property", "--runtime", "tare-v.scope", "TasksMax=99"];
                let _ = Tare::program("systemctl").args(words).ok();
            }
            assert_eq!(text(&top.join("work/memory.max")), "16777216", "{driver:?}");
            assert_eq!(text(&top.join("cgroup.subtree_control")), "cpu memory pids");
            assert_eq!(text(&top.join("memory.max")), "67108864");
            // An exec goes where the first process is: the group itself takes none any more.
            let inside = case.exec("cat /proc/self/cgroup");
            assert_eq!(inside.stdout, "0::/init\n", "{driver:?} {inside}");
            let below = case
                .runtime(&["exec", "--cgroup", "work", "v", "cat", "/proc/self/cgroup"])
                .run();
            assert_eq!(below.stdout, "0::/work\n", "{driver:?} {below}");
            // It is frozen, asked, changed and killed as a whole.
            let _ = case.runtime(&["pause", "v"]).ok();
            assert!(text(&top.join("init/cgroup.events")).contains("frozen 1"));
            let _ = case.runtime(&["resume", "v"]).ok();
            let _ = case.runtime(&["update", "--memory", "48m", "v"]).ok();
            assert_eq!(text(&top.join("memory.max")), "50331648");
            case.delete();
            assert!(!top.exists());
        }
    });
}

/// crun's `run.oci.delegate-cgroup`: the container divides a group below its own, whose limits it cannot reach.
#[test]
#[ignore = "in the soak"]
fn a_group_below_is_the_containers_to_divide() {
    test_in_machine(&[], |world| {
        for driver in [Driver::Cgroupfs, Driver::Systemd] {
            let script = "cd /sys/fs/cgroup/payload && mkdir init work && echo 1 > init/cgroup.procs && \
                echo '+memory +pids' > cgroup.subtree_control && echo 16777216 > work/memory.max; sleep 1000";
            let mut case = Case::new(world, By::Root, driver, script);
            let mut mounts = case.config["mounts"].clone();
            let on_groups = mounts
                .as_array_mut()
                .unwrap()
                .iter_mut()
                .find(|m| m["destination"] == "/sys/fs/cgroup");
            on_groups.unwrap()["options"] = json!(["nosuid", "noexec", "nodev", "rw"]);
            case.set("/mounts", mounts);
            case.set("/annotations", json!({"run.oci.delegate-cgroup": "payload"}));
            case.limit(&json!({"memory": {"limit": 64 << 20}}));
            case.create();
            let payload = case.group();
            let top = payload.parent().unwrap();
            assert!(payload.ends_with("payload"), "{}", payload.display());
            let given = text(&payload.join("cgroup.controllers"));
            let has = |name| given.split(' ').any(|controller| controller == name);
            assert!(has("memory") && has("pids"), "{driver:?} {given}");
            assert_eq!(text(&payload.join("memory.max")), "max");
            let _ = case.runtime(&["start", "v"]).ok();
            let work = payload.join("work/memory.max");
            while !work.exists() || text(&work) == "max" {}
            assert_eq!(
                (text(&work), text(&top.join("memory.max"))),
                ("16777216".into(), "67108864".into())
            );
            let _ = case.runtime(&["update", "--memory", "48m", "v"]).ok();
            assert_eq!(text(&top.join("memory.max")), "50331648");
            let inside = case.exec("cat /proc/self/cgroup");
            assert_eq!(inside.stdout, "0::/payload/init\n", "{driver:?} {inside}");
            case.delete();
            assert!(!top.exists());
        }
    });
}

/// crun's `run.oci.systemd.subgroup`: the container's group is one below the scope, with the same limits.
#[test]
#[ignore = "in the soak"]
fn a_group_below_the_scope_has_its_limits() {
    test_in_machine(&[], |world| {
        for by in [By::Root, By::Person, By::Podman] {
            let mut case = Case::sleeping(world, by, Driver::Systemd);
            case.set("/annotations", json!({"run.oci.systemd.subgroup": "own"}));
            case.limit(&json!({"memory": {"limit": 64 << 20}, "pids": {"limit": 100}}));
            case.start();
            let own = case.group();
            assert!(own.ends_with("tare-v.scope/own"), "{by:?} {}", own.display());
            let scope = own.parent().unwrap();
            let limits = || [&own, scope].map(|group| text(&group.join("memory.max")));
            assert_eq!(limits(), ["67108864", "67108864"], "{by:?}");
            assert_eq!(text(&own.join("pids.max")), "100");
            let _ = case.runtime(&["update", "--memory", "48m", "v"]).ok();
            assert_eq!(limits(), ["50331648", "50331648"], "{by:?}");
            let inside = case.exec("cat /proc/self/cgroup; cat /proc/1/cgroup");
            assert_eq!(inside.stdout, "0::/\n0::/\n", "{by:?} {inside}");
            let told = case.runtime(&["events", "--stats", "v"]).ok();
            assert!(told.contains("50331648"), "{by:?} {told}");
            case.delete();
            assert!(!scope.exists());
        }
    });
}

/// Properties that a configuration's annotations ask for.
#[test]
#[ignore = "in the soak"]
fn annotations_are_properties() {
    test_in_machine(&[], |world| {
        let mut case = Case::sleeping(world, By::Root, Driver::Systemd);
        case.set(
            "/annotations",
            json!({
                "org.systemd.property.TimeoutStopUSec": "uint64 7000000",
                "org.systemd.property.CollectMode": "'inactive-or-failed'",
                "org.systemd.property.MemoryHigh": "uint64 33554432",
            }),
        );
        case.start();
        assert_eq!(property("tare-v.scope", "TimeoutStopUSec"), "7s");
        assert_eq!(property("tare-v.scope", "CollectMode"), "inactive-or-failed");
        assert_eq!(case.file("memory.high"), "33554432");
        case.delete();
        case.set("/annotations", json!({"org.systemd.property.NoSuchThing": "5"}));
        let said = case.refused();
        assert!(said.contains("NoSuchThing"), "{said}");
        let leftovers = fs::read_dir("/sys/fs/cgroup/system.slice").unwrap().flatten();
        assert_eq!(
            leftovers
                .filter(|e| e.file_name().to_string_lossy().starts_with("tare"))
                .count(),
            0
        );
    });
}
