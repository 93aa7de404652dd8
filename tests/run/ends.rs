//! How a container's end becomes ours: exit codes and signals.

use crate::shell::{NEEDS, assert_nothing_left, ready, run};
use rustix::process::Signal;
use tare_kit::test;

#[test]
fn exit_codes_are_the_processs_own() {
    test(NEEDS, |world| {
        ready(world);
        for code in [0, 1, 7, 125, 255] {
            let out = run(world, &["busybox", "sh", "-c"])
                .args([format!("exit {code}")])
                .run();
            assert_eq!((out.code(), out.stderr.as_str()), (Some(code), ""), "{out}");
        }
        let killed = run(world, &["busybox", "sh", "-c", "sh -c 'kill -9 $$'; exit $?"]).run();
        assert_eq!(killed.code(), Some(137), "{killed}");
        assert_nothing_left(world);
    });
}

#[test]
fn signals_reach_the_process() {
    test(NEEDS, |world| {
        ready(world);
        for (signal, name, code) in [
            (Signal::TERM, "TERM", 3),
            (Signal::USR1, "USR1", 4),
            (Signal::HUP, "HUP", 5),
        ] {
            let script = format!("trap 'exit {code}' {name}; echo ready; while :; do sleep 0.1; done");
            let mut running = run(world, &["busybox", "sh", "-c", &script]).start();
            assert_eq!(running.line().as_deref(), Some("ready"));
            running.signal(signal);
            assert_eq!(running.finish().0.code(), Some(code), "{name}");
        }
        assert_nothing_left(world);
    });
}

#[test]
fn a_process_that_does_not_listen_is_killed_at_the_third_asking() {
    test(NEEDS, |world| {
        ready(world);
        let mut running = run(
            world,
            &[
                "busybox",
                "sh",
                "-c",
                "trap 'echo no' INT; echo ready; while :; do sleep 0.1; done",
            ],
        )
        .start();
        assert_eq!(running.line().as_deref(), Some("ready"));
        for _ in 0..2 {
            running.signal(Signal::INT);
            assert_eq!(running.line().as_deref(), Some("no"));
        }
        running.signal(Signal::INT);
        assert_eq!(running.finish().0.code(), Some(137));
        assert_nothing_left(world);
    });
}

#[test]
fn what_goes_with_its_container_is_not_written_out_first() {
    test(NEEDS, |world| {
        ready(world);
        let options = |name: &str| {
            let table = world.tare(["exec", name, "cat", "/proc/self/mountinfo"]).ok();
            let root = table.lines().find(|line| line.split(' ').nth(4) == Some("/"));
            root.map(str::to_owned).unwrap_or(table)
        };
        for (words, volatile) in [(&["--rm"][..], true), (&[], false)] {
            let _ = world
                .tare(["run", "-d", "--name", "it"])
                .args(words)
                .args(["busybox", "sleep", "1000"])
                .ok();
            assert_eq!(options("it").contains("volatile"), volatile, "{}", options("it"));
            let _ = world.tare(["exec", "it", "touch", "/written"]).ok();
            // The kernel mounts such a top once.
            let _ = world.tare(["restart", "-t", "0", "it"]).ok();
            let _ = world.tare(["exec", "it", "test", "-e", "/written"]).ok();
            assert_eq!(options("it").contains("volatile"), volatile, "{}", options("it"));
            let _ = world.tare(["rm", "-f", "it"]).ok();
        }
        assert_nothing_left(world);
    });
}
