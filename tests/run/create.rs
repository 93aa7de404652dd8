//! `tare create`, and the first start of what it made: whole before it is anybody's, and never lost by a start that dies.

use crate::shell::{NEEDS, assert_nothing_left, ready, until, until_said, wait_until_cleared};
use rustix::process::Signal;
use tare_kit::{World, test};

/// Where `create` and the first `start` can be killed, and what is there then.
pub(crate) const PLACES: &[&str] = &[
    "create-whole",
    "create-kept",
    "start-recorded",
    "stop-recorded",
    "update-recorded",
];

fn create(world: &World, options: &[&str], script: &str) -> String {
    let words = ["create", "--name", "web"];
    let id = world
        .tare(words)
        .args(options)
        .args(["busybox", "sh", "-c", script])
        .ok();
    assert_eq!(id.len(), 65, "{id}");
    id.trim().to_owned()
}

fn status(world: &World) -> String {
    let list = world.tare(["ps", "-a"]).ok();
    let line = list.lines().find(|line| line.ends_with("web"));
    line.unwrap_or_default().to_owned()
}

#[test]
fn what_was_created_is_listed_started_and_removed() {
    test(NEEDS, |world| {
        ready(world);
        let id = create(world, &["-e", "A=b"], "echo $A; exit 4");
        assert!(status(world).contains("Created"), "{}", status(world));
        assert_eq!(world.tare(["ps", "-q"]).ok(), "", "it does not run");
        let refused = world.tare(["run", "--name", "web", "busybox", "true"]).fails(125);
        assert!(refused.contains("tare rm web"), "{refused}");
        assert_eq!(world.tare(["start", "web"]).ok(), "web\n");
        assert_eq!(world.tare(["wait", &id]).ok(), "4\n");
        // Its end is told while what it said is still being written down.
        until_said(world, "web", "b\n");
        let _ = world.tare(["rm", "web"]).ok();
        let _ = create(world, &["--rm"], "true");
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
        // What is to be removed goes with its end, and with a start that fails.
        let _ = create(world, &["--rm"], "true");
        let _ = world.tare(["start", "web"]).ok();
        wait_until_cleared(world);
        assert_nothing_left(world);
        let _ = world
            .tare(["create", "--rm", "--name", "web", "busybox", "no-such"])
            .ok();
        let _ = world.tare(["start", "web"]).fails(127);
        assert_nothing_left(world);
    });
}

#[test]
fn it_is_started_with_its_streams_joined() {
    test(NEEDS, |world| {
        ready(world);
        let _ = create(world, &["-i"], "echo out; echo err >&2; cat; exit 5");
        let out = world.tare(["start", "-a", "-i", "web"]).stdin("in\n").run();
        assert_eq!(
            (out.code(), out.stdout.as_str(), out.stderr.as_str()),
            (Some(5), "out\nin\n", "err\n"),
        );
        assert!(status(world).contains("Exited (5)"), "{}", status(world));
        // Without its input there is none.
        let out = world.tare(["start", "-a", "web"]).run();
        assert_eq!((out.code(), out.stdout.as_str()), (Some(5), "out\n"), "{out}");
        let mut running = world.tare(["start", "-a", "-i", "web"]).start();
        assert_eq!(running.line().as_deref(), Some("out"));
        let out = world.tare(["start", "-a", "web"]).fails(125);
        assert!(
            out.contains("its streams are those of whoever has started it"),
            "{out}"
        );
        running.signal(Signal::TERM);
        let _ = world.tare(["rm", "-f", "web"]).ok();
        let _ = running.finish();
        let out = world.tare(["start", "-a", "web", "other"]).fails(125);
        assert!(
            out.contains("you cannot start and attach multiple containers at once"),
            "{out}"
        );
        assert_nothing_left(world);
    });
}

#[test]
fn a_start_that_dies_never_removes_what_was_created() {
    test(NEEDS, |world| {
        ready(world);
        for place in ["start-recorded", "start-launched", "start-created"] {
            let _ = create(world, &[], "sleep 0.1; exit 4");
            let out = world
                .tare(["start", "web"])
                .env("TARE_FAILPOINT", format!("kill@{place}"))
                .run();
            assert_eq!(out.signal(), Some(9), "{place}: {out}");
            wait_until_cleared(world);
            assert!(!status(world).is_empty(), "{place}: it is gone");
            assert_eq!(world.tare(["start", "web"]).ok(), "web\n");
            assert_eq!(world.tare(["wait", "web"]).ok(), "4\n", "{place}");
            let _ = world.tare(["rm", "web"]).ok();
        }
        assert_nothing_left(world);
    });
}

#[test]
fn a_create_that_dies_leaves_nothing_or_all_of_it() {
    test(NEEDS, |world| {
        ready(world);
        for place in [
            "create-pod",
            "create-recorded",
            "create-snapshot",
            "create-bundle",
            "create-whole",
        ] {
            let out = world
                .tare(["create", "--name", "web", "busybox", "true"])
                .env("TARE_FAILPOINT", format!("kill@{place}"))
                .run();
            assert_eq!(out.signal(), Some(9), "{place}: {out}");
            assert_nothing_left(world);
        }
        let out = world
            .tare(["create", "--name", "web", "busybox", "true"])
            .env("TARE_FAILPOINT", "kill@create-kept")
            .run();
        assert_eq!(out.signal(), Some(9), "{out}");
        // A reboot changes nothing for one that was never started.
        for _ in 0..2 {
            assert!(status(world).contains("Created"), "{}", status(world));
            std::fs::remove_dir_all(world.run_root()).expect("empty the run folder");
        }
        assert_eq!(world.tare(["start", "-a", "web"]).run().code(), Some(0));
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn its_id_is_written_to_a_file_that_was_not_there() {
    test(NEEDS, |world| {
        ready(world);
        for verb in [&["create"][..], &["run", "--rm"]] {
            let file = world.scratch().join(format!("cid-{}", verb[0]));
            let words = [
                "--cidfile",
                file.to_str().expect("UTF-8"),
                "--name",
                "web",
                "busybox",
                "true",
            ];
            let out = world.tare(verb).args(words).ok();
            let id = std::fs::read_to_string(&file).expect("its id");
            assert_eq!(id.len(), 64, "{id}");
            assert!(out.is_empty() || out.trim() == id, "{out}");
            let out = world.tare(verb).args(words).fails(125);
            assert!(out.contains("container ID file found"), "{out}");
            let _ = world.tare(["rm", "web"]).run();
        }
        assert_nothing_left(world);
    });
}

#[test]
fn what_was_said_in_the_foreground_is_kept() {
    test(NEEDS, |world| {
        ready(world);
        let script = "echo out; echo err >&2; seq 1 20000; printf end";
        let numbers: String = (1..=20_000).map(|number| format!("{number}\n")).collect();
        let said = format!("out\n{numbers}end");
        let words = ["run", "--name", "web", "busybox", "sh", "-c", script];
        assert_eq!(world.tare(words).ok(), said);
        let logs = world.tare(["logs", "web"]).run();
        assert_eq!(
            (logs.stdout.as_str(), logs.stderr.as_str()),
            (said.as_str(), "err\n")
        );
        // Whoever starts it next adds to it, in the foreground or not.
        assert_eq!(world.tare(["start", "-a", "web"]).ok(), said);
        let _ = world.tare(["start", "web"]).ok();
        let _ = world.tare(["wait", "web"]).ok();
        let thrice = said.repeat(3);
        until("all is kept", || world.tare(["logs", "web"]).ok() == thrice);
        let last = world.tare(["logs", "-n", "1", "web"]).ok();
        assert!(last.ends_with("end"), "{last}");
        let _ = world.tare(["rm", "web"]).ok();
        // One that goes with its end has nobody to read it.
        let mut running = world
            .tare(["run", "--rm", "-i", "--name", "web", "busybox", "cat"])
            .start();
        let mut stdin = running.stdin.take().expect("its input");
        std::io::Write::write_all(&mut stdin, b"line\n").expect("say something");
        assert_eq!(running.line().as_deref(), Some("line"));
        let out = world.tare(["logs", "web"]).fails(125);
        assert!(
            out.contains("runs in the foreground and goes with its end"),
            "{out}"
        );
        drop(stdin);
        let _ = running.finish();
        assert_nothing_left(world);
    });
}
