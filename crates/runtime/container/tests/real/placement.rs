//! Scheduling, I/O priority, memory policy, execution domain and clocks, as the process itself sees them.

use crate::Test;
use crate::bed::{Bed, make_root};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

pub(crate) const TESTS: &[Test] = &[
    ("scheduling_policies", scheduling_policies),
    (
        "io_priority_memory_policy_and_domain",
        io_priority_memory_policy_and_domain,
    ),
    ("placement_that_means_nothing", placement_that_means_nothing),
    ("time_namespace_has_its_clocks", time_namespace_has_its_clocks),
    (
        "time_namespace_in_a_user_namespace",
        time_namespace_in_a_user_namespace,
    ),
    (
        "time_namespace_that_exists_is_joined",
        time_namespace_that_exists_is_joined,
    ),
];

/// Nice value, real-time priority and policy of a `/proc/PID/stat`.
fn scheduling(stat: &str) -> [i32; 3] {
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    [19 - 3, 40 - 3, 41 - 3].map(|at| fields[at].parse().unwrap())
}

/// Whether this control group has a budget of real time (`cpu.rt_runtime_us`); one that was just made has none.
fn real_time_is_granted() -> bool {
    let tried = std::process::Command::new("chrt")
        .args(["-f", "1", "true"])
        .output();
    let granted = tried.is_ok_and(|ran| ran.status.success());
    if !granted {
        println!("skipped: real-time policies, as this control group has no budget for them");
    }
    granted
}

fn scheduling_policies() {
    let granted = real_time_is_granted();
    // Who runs the tests may have been nice.
    let [own, ..] = scheduling(&fs::read_to_string("/proc/self/stat").unwrap());
    for (scheduler, expected) in [
        (json!({"policy": "SCHED_OTHER", "nice": 7}), [7, 0, 0]),
        (json!({"policy": "SCHED_OTHER", "nice": -20}), [-20, 0, 0]),
        (json!({"policy": "SCHED_BATCH", "nice": 19}), [19, 0, 3]),
        (json!({"policy": "SCHED_IDLE"}), [own, 0, 5]),
        (json!({"policy": "SCHED_FIFO", "priority": 3}), [own, 3, 1]),
        (json!({"policy": "SCHED_RR", "priority": 99}), [own, 99, 2]),
        (
            json!({"policy": "SCHED_DEADLINE", "runtime": 10_000_000, "deadline": 50_000_000, "period": 100_000_000}),
            [own, 0, 6],
        ),
    ] {
        // SCHED_FIFO and SCHED_RR.
        if [1, 2].contains(&expected[2]) && !granted {
            continue;
        }
        let mut bed = Bed::new();
        bed.set("/process/scheduler", scheduler.clone());
        let stat = bed.try_run(&["cat", "/proc/self/stat"]).unwrap().output;
        assert_eq!(scheduling(&stat), expected, "{scheduler}");
    }
    if !granted {
        return;
    }
    // A child of the process is an ordinary one.
    let mut bed = Bed::new();
    bed.set(
        "/process/scheduler",
        json!({"policy": "SCHED_FIFO", "priority": 2, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}),
    );
    let text = bed.sh("cat /proc/self/stat; cat /proc/1/stat").output;
    let policies: Vec<[i32; 3]> = text.lines().map(scheduling).collect();
    assert_eq!(policies, [[0, 0, 0], [own, 2, 1]]);
}

fn io_priority_memory_policy_and_domain() {
    for (class, level, shown) in [
        ("IOPRIO_CLASS_BE", 6, "best-effort: prio 6"),
        ("IOPRIO_CLASS_RT", 1, "realtime: prio 1"),
        ("IOPRIO_CLASS_IDLE", 0, "idle"),
    ] {
        let mut bed = Bed::new();
        bed.set("/process/ioPriority", json!({"class": class, "priority": level}));
        let text = bed.sh("/bin/busybox ionice").output;
        assert!(text.trim().starts_with(shown), "{text}");
    }
    for (policy, shown) in [
        (json!({"mode": "MPOL_BIND", "nodes": "0"}), " bind:0 "),
        (
            json!({"mode": "MPOL_INTERLEAVE", "nodes": "0-0"}),
            " interleave:0 ",
        ),
        (
            json!({"mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}),
            " prefer=static:0 ",
        ),
        (json!({"mode": "MPOL_LOCAL"}), " local "),
        (json!({"mode": "MPOL_DEFAULT"}), " default "),
    ] {
        let mut bed = Bed::new();
        bed.set("/linux/memoryPolicy", policy);
        let text = bed.sh("cat /proc/self/numa_maps").output;
        assert!(text.contains(shown), "{shown} in {text}");
    }
    for (domain, machine) in [("LINUX", "x86_64"), ("LINUX32", "i686")] {
        let mut bed = Bed::new();
        bed.set("/linux/personality", json!({"domain": domain}));
        assert_eq!(bed.sh("/bin/busybox uname -m").output.trim(), machine);
    }
}

fn placement_that_means_nothing() {
    let cases: &[(&str, Value, &str)] = &[
        (
            "/process/scheduler",
            json!({"policy": "SCHED_OTHER", "nice": 20}),
            "use process.scheduler.nice 20: it must lie between -20 and 19",
        ),
        (
            "/process/scheduler",
            json!({"policy": "SCHED_BATCH", "priority": 1}),
            "use process.scheduler.priority 1: only SCHED_FIFO and SCHED_RR have a priority",
        ),
        (
            "/process/scheduler",
            json!({"policy": "SCHED_RR", "runtime": 5}),
            "use process.scheduler.runtime 5: only SCHED_DEADLINE has it",
        ),
        (
            "/process/scheduler",
            json!({"policy": "SCHED_RR", "priority": 100}),
            "set scheduling policy SCHED_RR: invalid argument",
        ),
        (
            "/process/ioPriority",
            json!({"class": "IOPRIO_CLASS_BE", "priority": 8}),
            "use process.ioPriority.priority 8: it must lie between 0 and 7",
        ),
        (
            "/process/execCPUAffinity",
            json!({"final": "1-0"}),
            "use process.execCPUAffinity.final \"1-0\": \"1-0\" ends before it begins",
        ),
        (
            "/linux/personality",
            json!({"domain": "LINUX", "flags": ["X"]}),
            "use linux.personality.flags X: the specification has no flag of an execution domain",
        ),
        (
            "/linux/memoryPolicy",
            json!({"mode": "MPOL_LOCAL", "nodes": "0"}),
            "use linux.memoryPolicy.nodes 0: memory policy mode requires 0 nodes but got 1",
        ),
        (
            "/linux/memoryPolicy",
            json!({"mode": "MPOL_BIND"}),
            "use linux.memoryPolicy.mode MPOL_BIND: it needs at least one node in linux.memoryPolicy.nodes",
        ),
        (
            "/linux/memoryPolicy",
            json!({"mode": "MPOL_BIND", "nodes": "99"}),
            "set memory policy MPOL_BIND: invalid argument",
        ),
        (
            "/linux/timeOffsets",
            json!({"monotonic": {"secs": 1}}),
            "use linux.timeOffsets monotonic: the container has no time namespace",
        ),
    ];
    for (pointer, value, expected) in cases {
        let mut bed = Bed::new();
        assert_eq!(bed.set(pointer, value.clone()).error(&["true"]), *expected);
    }
    for (offsets, expected) in [
        (
            json!({"realtime": {"secs": 1}}),
            "it is neither \"monotonic\" nor \"boottime\"",
        ),
        (
            json!({"boottime": {"nanosecs": 1_000_000_000}}),
            "nanosecs 1000000000 is a second or more",
        ),
    ] {
        let mut bed = Bed::new();
        with_time_namespace(&mut bed, json!({"type": "time"}));
        let error = bed.set("/linux/timeOffsets", offsets).error(&["true"]);
        assert!(error.ends_with(expected), "{error}");
    }
}

fn with_time_namespace(bed: &mut Bed, namespace: Value) {
    bed.spec["linux"]["namespaces"]
        .as_array_mut()
        .unwrap()
        .push(namespace);
}

/// Whole seconds since boot.
fn uptime(text: &str) -> i64 {
    text.split('.').next().unwrap().trim().parse().unwrap()
}

fn assert_clocks(text: &str) {
    let own = uptime(&fs::read_to_string("/proc/uptime").unwrap());
    let mut lines = text.lines();
    let inside = uptime(lines.next().unwrap());
    // The clock outside was read later: a second may have begun between the two, or a few on a busy machine.
    assert!((86_340..86_460).contains(&(inside - own)), "{text} outside {own}");
    let rest: Vec<Vec<&str>> = lines.map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(rest[0], ["monotonic", "-5", "7"], "{text}");
    assert_eq!(rest[1], ["boottime", "86400", "0"], "{text}");
    let outside = fs::read_link("/proc/self/ns/time").unwrap();
    assert!(rest[2][0].starts_with("time:["), "{text}");
    assert_ne!(Path::new(rest[2][0]), outside, "{text}");
}

const LOOK: &str = "cat /proc/uptime /proc/self/timens_offsets; readlink /proc/self/ns/time";

fn time_namespace_has_its_clocks() {
    let offsets = json!({"boottime": {"secs": 86_400}, "monotonic": {"secs": -5, "nanosecs": 7}});
    let mut bed = Bed::new();
    with_time_namespace(&mut bed, json!({"type": "time"}));
    assert!(bed.sh(LOOK).output.contains("boottime            0         0"));
    assert_clocks(&bed.set("/linux/timeOffsets", offsets).sh(LOOK).output);
}

fn time_namespace_in_a_user_namespace() {
    let mut bed = Bed::new();
    make_root(&bed.bundle.join("rootfs"));
    crate::users::with_user_namespace(&mut bed);
    with_time_namespace(&mut bed, json!({"type": "time"}));
    let offsets = json!({"boottime": {"secs": 86_400}, "monotonic": {"secs": -5, "nanosecs": 7}});
    assert_clocks(&bed.set("/linux/timeOffsets", offsets).sh(LOOK).output);
}

fn time_namespace_that_exists_is_joined() {
    let mut first = Bed::new();
    with_time_namespace(&mut first, json!({"type": "time"}));
    first.set(
        "/linux/timeOffsets",
        json!({"boottime": {"secs": 86_400}, "monotonic": {"secs": -5, "nanosecs": 7}}),
    );
    first.while_created(&["true"], |pid| {
        let mut second = Bed::new();
        let path = format!("/proc/{pid}/ns/time");
        with_time_namespace(&mut second, json!({"type": "time", "path": path}));
        assert_clocks(&second.sh(LOOK).output);
        let error = second
            .set("/linux/timeOffsets", json!({"monotonic": {}}))
            .error(&["true"]);
        assert_eq!(
            error,
            "use linux.timeOffsets monotonic: the time namespace that is joined has its own"
        );
    });
}
