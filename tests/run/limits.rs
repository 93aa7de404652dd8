//! Limits: what was asked for holds, and who it killed is told.

use crate::shell::{NEEDS, assert_nothing_left, ready, run, sh};
use tare_kit::{Need, World, test};

/// The content of a control file of version 1 or 2, whichever the machine has.
fn control(world: &World, options: &[&str], v1: &str, v2: &str) -> String {
    let script = format!("cat /sys/fs/cgroup/{v1} 2>/dev/null || cat /sys/fs/cgroup/{v2}");
    sh(world, options, &script).trim().to_owned()
}

#[test]
fn limits_are_in_the_control_files() {
    test(NEEDS, |world| {
        ready(world);
        let memory = control(
            world,
            &["-m", "64m"],
            "memory/memory.limit_in_bytes",
            "memory.max",
        );
        assert_eq!(memory, "67108864");
        assert_eq!(
            control(world, &["--pids-limit", "50"], "pids/pids.max", "pids.max"),
            "50"
        );
        let quota = control(world, &["--cpus", "0.5"], "cpu/cpu.cfs_quota_us", "cpu.max");
        assert!(quota.starts_with("50000"), "{quota}");
        let shares = control(world, &["--cpu-shares", "512"], "cpu/cpu.shares", "cpu.weight");
        assert!(shares == "512" || shares == "59" || shares == "20", "{shares}");
        assert_eq!(
            control(
                world,
                &["--cpuset-cpus", "0"],
                "cpuset/cpuset.cpus",
                "cpuset.cpus"
            ),
            "0"
        );
        assert_nothing_left(world);
    });
}

#[test]
fn a_container_killed_for_memory_says_so_with_its_limit() {
    test(NEEDS, |world| {
        ready(world);
        let out = run(
            world,
            &["--name", "greedy", "-m", "32m", "busybox", "tail", "/dev/zero"],
        )
        .run();
        assert_eq!(out.code(), Some(137), "{out}");
        assert_eq!(
            out.stderr,
            "tare: greedy was killed for memory: its limit is 32 MiB\n"
        );
        assert_nothing_left(world);
    });
}

#[test]
fn a_kill_that_was_not_for_memory_does_not_say_so() {
    test(NEEDS, |world| {
        ready(world);
        let out = run(
            world,
            &["-m", "32m", "busybox", "sh", "-c", "sh -c 'kill -9 $$'; exit 137"],
        )
        .run();
        assert_eq!(
            (out.code(), out.stderr.contains("memory")),
            (Some(137), false),
            "{out}"
        );
    });
}

#[test]
fn more_processes_than_allowed_are_refused() {
    test(NEEDS, |world| {
        ready(world);
        // The shell ends where it cannot fork, and all of them with it.
        let script = "for i in $(seq 1 20); do sleep 1000 & done 2>&1; wait";
        let out = run(world, &["--pids-limit", "5", "busybox", "sh", "-c", script]).run();
        assert!(
            format!("{}{}", out.stdout, out.stderr).contains("can't fork"),
            "{out}"
        );
    });
}

#[test]
fn defaults_are_clamped_with_one_warning_and_wishes_are_refused() {
    test(NEEDS, |world| {
        crate::shell::load(world);
        let lacking = lacks_sys_resource();
        let first = run(world, &["busybox", "true"]).run();
        let second = run(world, &["busybox", "true"]).run();
        assert_eq!((first.code(), second.code()), (Some(0), Some(0)));
        assert_eq!(second.stderr, "", "told once");
        if lacking {
            assert!(
                first.stderr.contains("tare: warning: containers get at most"),
                "{first}"
            );
            let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile)
                .maximum
                .expect("a limit");
            let wish = format!("nofile=10:{}", hard + 1);
            let refused = run(world, &["--ulimit", &wish, "busybox", "true"]).fails(125);
            assert!(
                refused.contains("RLIMIT_NOFILE") && refused.contains("CAP_SYS_RESOURCE"),
                "{refused}"
            );
        }
        assert_eq!(
            sh(world, &["--ulimit", "nofile=64:128"], "ulimit -n; ulimit -Hn"),
            "64\n128\n"
        );
        assert_nothing_left(world);
    });
}

fn lacks_sys_resource() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("our status");
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("CapBnd:"))
        .expect("CapBnd");
    let set = u64::from_str_radix(line.trim(), 16).expect("a set");
    set >> 24 & 1 == 0
}

#[test]
fn a_limit_too_many_is_bent_and_told() {
    test(&[NEEDS, &[Need::Root]].concat(), |world| {
        ready(world);
        let out = run(world, &["--cpus", "1000", "busybox", "true"]).run();
        assert_eq!(out.code(), Some(0), "{out}");
        assert!(out.stderr.starts_with("tare: warning: this machine has"), "{out}");
    });
}
