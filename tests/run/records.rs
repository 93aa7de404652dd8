//! What stays without `--rm`, names, and the lists.

use crate::shell::{NEEDS, assert_nothing_left, ready};
use tare_kit::test;

#[test]
fn a_container_that_stays_can_be_seen_and_removed() {
    test(NEEDS, |world| {
        ready(world);
        let out = world
            .tare([
                "run", "--name", "web", "-l", "a=b", "busybox", "sh", "-c", "exit 3",
            ])
            .run();
        assert_eq!(out.code(), Some(3), "{out}");
        assert_eq!(world.tare(["ps", "-q"]).ok(), "", "it does not run");
        let list = world.tare(["ps", "-a"]).ok();
        assert!(list.contains("Exited (3)") && list.contains("web"), "{list}");
        let inspected = world.tare(["inspect", "web"]).ok();
        assert!(
            inspected.contains("\"ExitCode\": 3") && inspected.contains("\"ociVersion\""),
            "{inspected}"
        );
        assert_eq!(world.tare(["rm", "web"]).ok(), "web\n");
        assert_nothing_left(world);
        let gone = world.tare(["rm", "web"]).fails(125);
        assert!(gone.contains("there is none of that name or id"), "{gone}");
    });
}

#[test]
fn a_name_in_use_tells_its_holder_and_how_it_is() {
    test(NEEDS, |world| {
        ready(world);
        let _ = world.tare(["run", "--name", "web", "busybox", "true"]).ok();
        let id = world.tare(["ps", "-aq"]).ok();
        let out = world.tare(["run", "--name", "web", "busybox", "true"]).fails(125);
        let expected = format!(
            "tare: use name web: container {} has it (exited (0))\nhint: `tare rm web` removes it, or choose another --name\n",
            id.trim()
        );
        assert_eq!(out, expected);
        assert_eq!(world.tare(["ps", "-aq"]).ok(), id, "the second left nothing");
        let _ = world.tare(["rm", "web"]).ok();
    });
}

#[test]
fn a_running_container_is_listed_and_cannot_be_removed() {
    test(NEEDS, |world| {
        ready(world);
        let mut running = world
            .tare([
                "run",
                "--rm",
                "-i",
                "--name",
                "web",
                "busybox",
                "sh",
                "-c",
                "echo up; cat",
            ])
            .start();
        assert_eq!(running.line().as_deref(), Some("up"));
        assert!(world.tare(["ps"]).ok().contains("Up "));
        let out = world.tare(["run", "--name", "web", "busybox", "true"]).fails(125);
        assert!(
            out.contains("has it (running)\nhint: choose another --name"),
            "{out}"
        );
        assert!(world.tare(["rm", "web"]).fails(125).contains("it is running"));
        assert!(world.tare(["rmi", "busybox"]).fails(125).contains("busybox"));
        assert_eq!(running.finish().0.code(), Some(0));
        assert_nothing_left(world);
    });
}

#[test]
fn a_run_waits_for_the_disk_twice_at_most() {
    test(NEEDS, |world| {
        ready(world);
        // Of the commands themselves: nobody waits for what a supervisor has done afterwards.
        let count = |words: &[&str]| {
            let out = world.tare(["--log-level", "debug"]).args(words).run();
            assert_eq!(out.code(), Some(0), "{out}");
            out.stderr.matches("synced commit").count()
        };
        assert_eq!(
            count(&["run", "--rm", "busybox", "true"]),
            0,
            "a power cut ends it too"
        );
        assert_eq!(
            count(&["run", "--name", "web", "busybox", "true"]),
            2,
            "made and ended"
        );
        assert_eq!(count(&["ps", "-a"]), 0);
        assert_eq!(
            count(&["run", "-d", "--name", "two", "busybox", "sleep", "1000"]),
            1,
            "made"
        );
        assert_eq!(count(&["rm", "web"]), 1, "gone");
        let _ = world.tare(["rm", "-f", "two"]).ok();
        assert_nothing_left(world);
    });
}
