//! Exec into containers whose place is out of the ordinary: the host's mounts, a user namespace, a clock, processors.

use crate::bundle::{Bundle, NEEDS};
use serde_json::json;
use std::fs;
use tare_kit::{Tare, test};

#[test]
fn with_the_hosts_mounts_it_has_the_containers_root() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "sleep 100");
        bundle.share("mount");
        fs::write(bundle.path.join("rootfs/mark"), "inside\n").unwrap();
        let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
        bundle.start();
        let script = "cat /mark; readlink /proc/self/ns/mnt; ls /proc/1/status";
        let said = bundle.runtime(&["exec", "c", "sh", "-c", script]).ok();
        let own = fs::read_link("/proc/self/ns/mnt").unwrap();
        assert_eq!(said, format!("inside\n{}\n/proc/1/status\n", own.display()));
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
        bundle.assert_nothing_left();
    });
}

#[test]
fn in_a_user_and_a_time_namespace() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "sleep 100");
        let mut namespaces = bundle.config["linux"]["namespaces"].clone();
        let list = namespaces.as_array_mut().unwrap();
        list.extend([json!({"type": "user"}), json!({"type": "time"})]);
        bundle.set("/linux/namespaces", namespaces);
        let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        bundle.set("/linux/uidMappings", map.clone());
        bundle.set("/linux/gidMappings", map);
        bundle.set("/linux/timeOffsets", json!({"boottime": {"secs": 1_000_000}}));
        let root = bundle.path.join("rootfs");
        let _ = Tare::program("chown")
            .args(["-R", "100000:100000"])
            .args([root])
            .ok();
        bundle.start();
        let script = "cat /proc/self/uid_map; cut -d. -f1 /proc/uptime; id -u; \
            for n in user time pid mnt; do [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] || echo $n; done";
        let said = bundle.runtime(&["exec", "c", "sh", "-c", script]).ok();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(
            lines[0].split_whitespace().collect::<Vec<_>>(),
            ["0", "100000", "65536"]
        );
        assert!(lines[1].parse::<u64>().unwrap() > 1_000_000, "{said}");
        assert_eq!(lines[2..], ["0"], "{said}");
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        bundle.assert_nothing_left();
    });
}

#[test]
fn on_processors_of_its_own() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "sleep 100");
        bundle.set("/process/execCPUAffinity", json!({"initial": "0", "final": "0"}));
        bundle.start();
        let look = ["exec", "c", "grep", "Cpus_allowed_list", "/proc/self/status"];
        assert_eq!(bundle.runtime(&look).ok().split_whitespace().last(), Some("0"));
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        bundle.set("/process/execCPUAffinity", json!({"initial": "0"}));
        bundle.start();
        assert_eq!(bundle.runtime(&look).ok().split_whitespace().last(), Some("0"));
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
    });
}

#[test]
fn those_of_the_caller_are_not_the_containers() {
    test(NEEDS, |world| {
        let look = ["grep", "Cpus_allowed:", "/proc/self/status"];
        let mut bundle = Bundle::new(world, &look.join(" "));
        // Nobody is confined to the whole of a machine: on one of one processor this says little.
        let before = rustix::thread::sched_getaffinity(None).unwrap();
        let all = Tare::program(look[0]).args(&look[1..]).ok();
        let mut one = rustix::thread::CpuSet::new();
        one.set((0..).find(|n| before.is_set(*n)).unwrap());
        rustix::thread::sched_setaffinity(None, &one).unwrap();
        let ran = bundle.run();
        bundle.set("/process/args", json!(["sleep", "100"]));
        bundle.start();
        let inside = bundle.runtime(&[&["exec", "c"][..], &look].concat()).run();
        rustix::thread::sched_setaffinity(None, &before).unwrap();
        assert_eq!(
            (ran.stdout.as_str(), inside.stdout.as_str()),
            (all.as_str(), all.as_str())
        );
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
    });
}
