//! Containers that live on without whoever has started them, and what is asked of them then.

use crate::shell::{NEEDS, assert_nothing_left, ready, until, wait_until_cleared};
use rustix::process::{Pid, Signal, kill_process};
use tare_kit::{World, test};

/// Says goodbye, and before that something on both streams: who has seen "out" knows that it hears what it is asked.
const POLITE: &str = "trap 'echo bye; exit 3' TERM; echo err >&2; echo out; while :; do sleep 0.05; done";

/// Starts a container by the name of web; its id.
fn start(world: &World, script: &str) -> String {
    let id = world
        .tare(["run", "-d", "--name", "web", "busybox", "sh", "-c", script])
        .ok();
    assert_eq!(id.len(), 65, "{id}");
    id.trim().to_owned()
}

/// Waits until the container has written this.
fn until_said(world: &World, text: &str) {
    while !world.tare(["logs", "web"]).ok().contains(text) {}
}

fn status(world: &World) -> String {
    let list = world.tare(["ps", "-a"]).ok();
    let line = list
        .lines()
        .find(|line| line.ends_with("web"))
        .unwrap_or_default();
    line.to_owned()
}

#[test]
fn a_container_lives_on_and_is_stopped_started_and_removed() {
    test(NEEDS, |world| {
        ready(world);
        let id = start(world, POLITE);
        assert!(status(world).contains("Up "));
        assert_eq!(world.tare(["ps", "-q", "--no-trunc"]).ok().trim(), id);
        until_said(world, "out");
        let refused = world.tare(["rm", "web"]).fails(125);
        assert!(refused.contains("it is running"), "{refused}");
        assert_eq!(world.tare(["stop", "web"]).ok(), "web\n");
        assert!(status(world).contains("Exited (3)"), "{}", status(world));
        assert_eq!(world.tare(["wait", "web"]).ok(), "3\n");
        assert_eq!(
            world.tare(["stop", &id[..12]]).ok(),
            format!("{}\n", &id[..12]),
            "it is as it should be"
        );
        until("what it said on both is kept", || {
            let out = world.tare(["logs", "web"]).run();
            (out.stdout.as_str(), out.stderr.as_str()) == ("out\nbye\n", "err\n")
        });
        assert_eq!(world.tare(["start", "web"]).ok(), "web\n");
        assert!(status(world).contains("Up "));
        until_said(world, "out\nbye\nout\n");
        assert_eq!(world.tare(["restart", "web"]).ok(), "web\n");
        until_said(world, "out\nbye\nout\nbye\nout\n");
        let last = world.tare(["logs", "-n", "1", "web"]).run();
        assert_eq!(last.stdout.len() + last.stderr.len(), 4, "{last}");
        assert_eq!(world.tare(["kill", "web"]).ok(), "web\n");
        assert!(status(world).contains("Exited (137)"), "{}", status(world));
        let _ = world.tare(["rename", "web", "old"]).ok();
        assert_eq!(world.tare(["rm", "old"]).ok(), "old\n");
        assert_nothing_left(world);
    });
}

/// Its supervisor lives before its files are there.
#[test]
fn what_is_asked_while_it_is_made_waits_for_it() {
    test(NEEDS, |world| {
        ready(world);
        let making = world
            .tare(["run", "-d", "--name", "web", "busybox", "sleep", "1000"])
            .env("TARE_FAILPOINT", "delay:1500@create-recorded")
            .start();
        let pods = world.run_root().join("pods");
        let is_supervised = || {
            let pods = std::fs::read_dir(&pods).into_iter().flatten().flatten();
            pods.into_iter()
                .any(|pod| pod.path().join("supervisor.json").exists())
        };
        while !is_supervised() {
            let _ = world.tare(["ps", "-a"]).ok();
        }
        assert_eq!(world.tare(["exec", "web", "echo", "in"]).ok(), "in\n");
        assert!(making.finish().0.success());
        let _ = world.tare(["rm", "-f", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn it_is_entered_by_further_processes() {
    test(NEEDS, |world| {
        ready(world);
        start(world, POLITE);
        until_said(world, "out");
        let out = world
            .tare(["exec", "web", "sh", "-c", "echo in; echo on err >&2; exit 4"])
            .run();
        assert_eq!(
            (out.code(), out.stdout.as_str(), out.stderr.as_str()),
            (Some(4), "in\n", "on err\n")
        );
        let told = world
            .tare(["exec", "-e", "A=b", "-w", "/tmp", "-u", "7:8", "web"])
            .args([
                "sh",
                "-c",
                "echo $A $PWD $(id -u) $(id -g) $HOME; grep CapEff /proc/self/status",
            ])
            .ok();
        assert_eq!(told, "b /tmp 7 8 /\nCapEff:\t0000000000000000\n");
        assert_eq!(
            world.tare(["exec", "-i", "web", "cat"]).stdin("from here").ok(),
            "from here"
        );
        let privileged = world
            .tare([
                "exec",
                "--privileged",
                "web",
                "grep",
                "CapEff",
                "/proc/self/status",
            ])
            .ok();
        let plain = world
            .tare(["exec", "web", "grep", "CapEff", "/proc/self/status"])
            .ok();
        assert_ne!(privileged, plain);
        let _ = world
            .tare([
                "exec",
                "-d",
                "web",
                "sh",
                "-c",
                "echo detached > /tmp/file; exec sleep 1000",
            ])
            .ok();
        while world.tare(["exec", "web", "cat", "/tmp/file"]).run().stdout != "detached\n" {}
        for (words, code) in [(&["nothing-such"][..], 127), (&["/etc"], 126)] {
            let out = world.tare(["exec", "web"]).args(words).run();
            assert_eq!(out.code(), Some(code), "{out}");
        }
        let _ = world.tare(["pause", "web"]).ok();
        let out = world.tare(["exec", "web", "true"]).fails(125);
        assert!(
            out.contains("it is paused") && out.contains("tare unpause web"),
            "{out}"
        );
        let _ = world.tare(["unpause", "web"]).ok();
        // One that stands still is stopped all the same.
        let _ = world.tare(["pause", "web"]).ok();
        let _ = world.tare(["stop", "web"]).ok();
        assert!(status(world).contains("Exited (3)"), "{}", status(world));
        let out = world.tare(["exec", "web", "true"]).fails(125);
        assert!(
            out.contains("it is not running") && out.contains("tare start web"),
            "{out}"
        );
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn a_supervisor_that_is_killed_has_a_successor_at_the_next_command() {
    test(NEEDS, |world| {
        ready(world);
        start(world, POLITE);
        until_said(world, "out");
        let first = world.tare(["exec", "web", "readlink", "/proc/1/ns/pid"]).ok();
        for _ in 0..3 {
            kill_process(supervisor(world), Signal::KILL).expect("kill the supervisor");
            assert_eq!(
                world.tare(["exec", "web", "readlink", "/proc/1/ns/pid"]).ok(),
                first
            );
        }
        // What it says while nobody is there is not lost.
        kill_process(supervisor(world), Signal::KILL).expect("kill the supervisor");
        let _ = world.tare(["stop", "web"]).ok();
        assert_eq!(world.tare(["wait", "web"]).ok(), "3\n");
        until_said(world, "bye");
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn what_is_to_be_removed_goes_by_itself_and_what_ignores_to_be_stopped_is_killed() {
    test(NEEDS, |world| {
        ready(world);
        let _ = world.tare(["run", "-d", "--rm", "busybox", "true"]).ok();
        let words = [
            "run",
            "-d",
            "--rm",
            "--name",
            "web",
            "--stop-signal",
            "USR1",
            "--stop-timeout",
            "3",
        ];
        let script = "trap '' TERM; trap 'echo usr1' USR1; echo up; while :; do sleep 0.05; done";
        let _ = world.tare(words).args(["busybox", "sh", "-c", script]).ok();
        let mut follow = world.tare(["logs", "-f", "web"]).start();
        assert_eq!(follow.line().as_deref(), Some("up"), "it hears, and is heard");
        let _ = world.tare(["stop", "web"]).ok();
        let (_, followed) = follow.finish();
        assert_eq!(followed, "usr1\n");
        let _ = world
            .tare(["run", "-d", "--name", "web", "busybox", "sleep", "1000"])
            .ok();
        assert_eq!(world.tare(["rm", "-f", "web"]).ok(), "web\n");
        wait_until_cleared(world);
        assert_nothing_left(world);
    });
}

#[test]
fn what_cannot_be_started_says_why_and_stays() {
    test(NEEDS, |world| {
        ready(world);
        let out = world
            .tare(["run", "-d", "--name", "web", "busybox", "no-such"])
            .fails(127);
        assert!(out.contains("no-such"), "{out}");
        let out = world.tare(["start", "web"]).fails(125);
        assert!(out.contains("there is none of that name or id"), "{out}");
        let _ = world.tare(["run", "--name", "web", "busybox", "true"]).ok();
        assert_eq!(world.tare(["logs", "web"]).ok(), "");
        let bundle = std::fs::read_dir(world.data_root().join("containers")).expect("the bundles");
        let bundle = bundle
            .flatten()
            .next()
            .expect("a bundle")
            .path()
            .join("config.json");
        let spec = std::fs::read_to_string(&bundle).expect("its configuration");
        std::fs::write(&bundle, spec.replace("\"true\"", "\"no-such\"")).expect("change it");
        let _ = world.tare(["start", "web"]).fails(127);
        assert!(status(world).contains("Exited (127)"), "{}", status(world));
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

/// The process id of the only supervisor.
fn supervisor(world: &World) -> Pid {
    let pods = std::fs::read_dir(world.run_root().join("pods")).expect("the pods");
    let pod = pods.flatten().next().expect("a pod").path();
    let record = std::fs::read(pod.join("supervisor.json")).expect("its record");
    let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    let pid = record["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    pid.and_then(Pid::from_raw).expect("a process")
}
