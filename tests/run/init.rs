//! `--init`: a first process that reaps and passes signals on, below which the command runs as it would without it.

use crate::shell::{NEEDS, assert_nothing_left, ready, run, sh, until};
use tare_kit::{World, test};

/// Orphans below a program that does not know of them.
const ORPHANS: &str = "sh -c 'tail -f /dev/null & tail -f /dev/null &'; exec sleep 1000";

/// Of each process its number, name, state and parent, and more.
fn stats(world: &World) -> String {
    let script = "cat /proc/[0-9]*/stat";
    world.tare(["exec", "web", "sh", "-c", script]).run().stdout
}

/// The state of each orphan.
fn orphans(stats: &str) -> Vec<&str> {
    let tails = stats.lines().filter_map(|line| line.split_once(" (tail) "));
    let states = tails.filter_map(|(_, rest)| rest.split_once(' '));
    let orphans = states.filter(|(_, rest)| rest.starts_with("1 "));
    orphans.map(|(state, _)| state).collect()
}

#[test]
fn it_is_the_first_process_and_reaps() {
    test(NEEDS, |world| {
        ready(world);
        let told = sh(
            world,
            &["--init"],
            "cat /proc/1/comm; echo $PPID; cat /proc/1/cmdline | tr '\\0' ' '",
        );
        let mut lines = told.lines();
        assert_eq!((lines.next(), lines.next()), (Some("init"), Some("1")), "{told}");
        assert!(
            lines
                .next()
                .is_some_and(|line| line.starts_with("/dev/init -- sh -c")),
            "{told}"
        );
        for (options, left) in [(&[][..], 2), (&["--init"], 0)] {
            let words = ["run", "-d", "--name", "web"];
            let _ = world
                .tare(words)
                .args(options)
                .args(["busybox", "sh", "-c", ORPHANS])
                .ok();
            // Before that a shell is there, which would reap.
            until("the command is there, and nobody else knows the two", || {
                let stats = stats(world);
                stats.contains(" (sleep) ") && orphans(&stats).len() == 2
            });
            let end = "for p in $(grep -l tail /proc/[0-9]*/comm); do p=${p#/proc/}; kill ${p%/comm}; done";
            let _ = world.tare(["exec", "web", "sh", "-c", end]).ok();
            until(&format!("{left} are left with {options:?}"), || {
                orphans(&stats(world)) == vec!["Z"; left]
            });
            let path = world.tare(["inspect", "-f", "{{.Path}}", "web"]).ok();
            assert_eq!(path, "sh\n");
            let _ = world.tare(["rm", "-f", "web"]).ok();
        }
        assert_nothing_left(world);
    });
}

#[test]
fn signals_and_ends_are_the_commands() {
    test(NEEDS, |world| {
        ready(world);
        for (script, code) in [("exit 7", 7), ("kill -9 $$", 137), ("true", 0)] {
            let out = run(world, &["--init", "busybox", "sh", "-c", script]).run();
            assert_eq!(out.code(), Some(code), "{out}");
        }
        for (command, code) in [
            ("no-such", 127),
            ("/no/such", 127),
            ("/etc", 126),
            ("/etc/hosts", 126),
        ] {
            let out = run(world, &["--init", "busybox", command]).run();
            assert_eq!(out.code(), Some(code), "{out}");
            assert_eq!(out.stderr, format!("init: exec {command} failed\n"));
        }
        // A program without a handler, which as pid 1 would hear nothing.
        for (command, code) in [
            (&["sleep", "1000"][..], "143\n"),
            (
                &["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done"],
                "3\n",
            ),
        ] {
            let words = [
                "run",
                "-d",
                "--init",
                "--name",
                "web",
                "--stop-timeout",
                "-1",
                "busybox",
            ];
            let _ = world.tare(words).args(command).ok();
            // A shell may be asked before it has set its trap.
            while world
                .tare(["exec", "web", "sh", "-c", "grep -l sleep /proc/[0-9]*/comm"])
                .run()
                .stdout
                .is_empty()
            {}
            let _ = world.tare(["stop", "web"]).ok();
            assert_eq!(world.tare(["wait", "web"]).ok(), code, "{command:?}");
            let _ = world.tare(["rm", "web"]).ok();
        }
        assert_nothing_left(world);
    });
}

#[test]
fn it_needs_nothing_of_the_image() {
    test(NEEDS, |world| {
        ready(world);
        for options in [
            &["--init", "--read-only"][..],
            &["--init", "-u", "nobody"],
            &["--init", "-t"],
            &["--init", "--pid", "host"],
            &[
                "--init",
                "--cap-drop",
                "ALL",
                "--security-opt",
                "no-new-privileges",
            ],
        ] {
            assert_eq!(sh(world, options, "echo in").trim(), "in", "{options:?}");
        }
        let refused = sh_error(world, &["--init", "-v", "/dev:/dev"]);
        assert!(refused.contains("another /dev is mounted there"), "{refused}");
        assert_nothing_left(world);
    });
}

fn sh_error(world: &World, options: &[&str]) -> String {
    run(world, options).args(["busybox", "true"]).fails(125)
}
