//! `tare update`: limits of containers that run and that do not, on record before they hold, and never half.

use crate::shell::{NEEDS, assert_nothing_left, ready};
use tare_kit::{World, test};

/// The control files of version 1 and 2, whichever the machine has, as its processes see them.
fn control(world: &World, v1: &str, v2: &str) -> String {
    let script = format!("cat /sys/fs/cgroup/{v1} 2>/dev/null || cat /sys/fs/cgroup/{v2}");
    let told = world.tare(["exec", "web", "sh", "-c", &script]).ok();
    told.trim().to_owned()
}

fn memory(world: &World) -> String {
    control(world, "memory/memory.limit_in_bytes", "memory.max")
}

fn inspect(world: &World, field: &str) -> String {
    let format = format!("{{{{{field}}}}}");
    world
        .tare(["inspect", "-f", &format, "web"])
        .ok()
        .trim()
        .to_owned()
}

fn update(world: &World, words: &[&str]) {
    assert_eq!(world.tare(["update"]).args(words).args(["web"]).ok(), "web\n");
}

#[test]
fn limits_change_while_it_runs_and_hold_when_it_is_started_again() {
    test(NEEDS, |world| {
        ready(world);
        let words = ["run", "-d", "--name", "web", "-m", "64m", "--memory-swap", "512m"];
        let _ = world.tare(words).args(["busybox", "sleep", "1000"]).run();
        update(
            world,
            &[
                "-m",
                "128m",
                "--cpus",
                "0.5",
                "--pids-limit",
                "50",
                "--cpu-shares",
                "512",
            ],
        );
        for _ in 0..2 {
            assert_eq!(memory(world), "134217728");
            assert_eq!(control(world, "pids/pids.max", "pids.max"), "50");
            let quota = control(world, "cpu/cpu.cfs_quota_us", "cpu.max");
            assert!(quota.starts_with("50000"), "{quota}");
            assert_eq!(inspect(world, ".HostConfig.Memory"), "134217728");
            let _ = world.tare(["restart", "-t", "0", "web"]).ok();
        }
        update(
            world,
            &[
                "--cpu-quota",
                "20000",
                "--cpu-period",
                "50000",
                "--cpuset-cpus",
                "0",
            ],
        );
        let quota = control(world, "cpu/cpu.cfs_quota_us", "cpu.max");
        assert!(quota.starts_with("20000"), "{quota}");
        assert_eq!(control(world, "cpuset/cpuset.cpus", "cpuset.cpus"), "0");
        update(world, &["--pids-limit", "-1", "--memory-reservation", "32m"]);
        assert_eq!(control(world, "pids/pids.max", "pids.max"), "max");
        // One that does not run has them at its next start.
        let _ = world.tare(["stop", "-t", "0", "web"]).ok();
        update(world, &["-m", "96m"]);
        let _ = world.tare(["start", "web"]).ok();
        assert_eq!(memory(world), "100663296");
        let _ = world.tare(["rm", "-f", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn what_is_refused_changes_nothing() {
    test(NEEDS, |world| {
        ready(world);
        let words = [
            "run",
            "-d",
            "--rm",
            "--name",
            "web",
            "-m",
            "64m",
            "--memory-swap",
            "128m",
        ];
        let _ = world.tare(words).args(["busybox", "sleep", "1000"]).run();
        for (words, text) in [
            (
                &["-m", "256m"][..],
                "Memory limit should be smaller than already set memoryswap limit",
            ),
            (
                &["-m", "32m", "--memory-reservation", "48m"],
                "Minimum memory limit can not be less",
            ),
            (
                &["--cpus", "1", "--cpu-quota", "10000"],
                "Nano CPUs and CPU Period/Quota cannot both be set",
            ),
            (&["--cpuset-cpus", "8000"], "this machine has the processors"),
            (
                &["--restart", "always"],
                "Restart policy cannot be updated because AutoRemove is enabled",
            ),
            (&["--blkio-weight", "5"], "from 10 to 1000"),
            (&[], "you must provide one or more flags"),
        ] {
            let out = world.tare(["update"]).args(words).args(["web"]).fails(125);
            assert!(out.contains(text), "{out}");
        }
        // The kernel's own no: there is no such memory node.
        let out = world
            .tare(["update", "--cpuset-mems", "1000", "-m", "32m", "web"])
            .run();
        assert_eq!(out.code(), Some(125), "{out}");
        assert_eq!(inspect(world, ".HostConfig.Memory"), "67108864");
        assert_eq!(memory(world), "67108864");
        let _ = world.tare(["rm", "-f", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn who_dies_has_put_it_down_and_a_policy_counts_from_now_on() {
    test(NEEDS, |world| {
        ready(world);
        let _ = world
            .tare(["run", "-d", "--name", "web", "busybox", "sleep", "1000"])
            .ok();
        let out = world
            .tare([
                "update",
                "-m",
                "64m",
                "--memory-swap",
                "-1",
                "--restart",
                "always",
                "web",
            ])
            .env("TARE_FAILPOINT", "kill@update-recorded")
            .run();
        assert_eq!(out.signal(), Some(9), "{out}");
        assert_eq!(inspect(world, ".HostConfig.RestartPolicy.Name"), "always");
        let _ = world.tare(["exec", "web", "kill", "-TERM", "-1"]).run();
        let _ = world.tare(["restart", "-t", "0", "web"]).ok();
        assert_eq!(memory(world), "67108864");
        update(world, &["--restart", "no"]);
        let _ = world.tare(["stop", "-t", "0", "web"]).ok();
        assert_eq!(inspect(world, ".State.Status"), "exited");
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}
