//! A foreign file system that does not answer any more (the kit's `Stalled`): what waits on it cannot even be killed. Nobody else
//! is held up, and whoever asks for an end is told what holds it.

use crate::shell::{NEEDS, assert_nothing_left, ready, until};
use std::path::PathBuf;
use std::time::Duration;
use tare_kit::{Finished, Need, STALL_AT_CREATE, STALL_AT_LOOKUP, Stalled, World, test};

/// No command waits so long.
const AT_ONCE: Duration = Duration::from_secs(60);

fn stalled(path: &str, at: u32) -> Stalled {
    let root = PathBuf::from(format!("/proc/{}/root", std::process::id()));
    Stalled::mount(&root, path, at)
}

fn tare(world: &World, line: &str) -> Finished {
    let words: Vec<&str> = line.split(' ').collect();
    world.tare(words).limit(AT_ONCE).run()
}

/// Everybody else goes on.
fn assert_undisturbed(world: &World) {
    for line in [
        "ps -a",
        "run --rm busybox true",
        "run -d --name new busybox sleep 1000",
        "exec other true",
        "logs other",
        "inspect other",
        "stop -t 1 new",
        "rm new",
        "images",
        "volume ls",
        "system df",
        "info",
        "stats --no-stream",
        "system prune -f",
    ] {
        let _ = tare(world, line).ok();
    }
}

#[test]
fn a_container_that_hangs_in_a_mount_holds_nobody_up() {
    test(&[NEEDS, &[Need::Fuse]].concat(), |world| {
        ready(world);
        let _ = tare(world, "run -d --name other busybox sleep 1000").ok();
        let hangs = stalled("/run/stalled", STALL_AT_CREATE);
        let words = [
            "run",
            "-d",
            "--name",
            "web",
            "-v",
            "/run/stalled:/x",
            "busybox",
            "sh",
            "-c",
        ];
        let _ = world.tare(words).args(["echo up; echo x > /x/f"]).ok();
        until("nobody has asked", || hangs.is_reached());
        assert_undisturbed(world);
        for line in ["inspect web", "logs web", "why web", "top web"] {
            let _ = tare(world, line).ok();
        }
        for (line, what) in [
            ("stop -t 1 web", "stop"),
            ("kill web", "kill"),
            ("rm -f web", "remove"),
        ] {
            let told = tare(world, line);
            assert_eq!(told.code(), Some(125), "{told}");
            let holds = "(sh) was killed, and waits in the kernel for a device or a file system";
            let begins = format!("tare: {what} container web: ");
            assert!(
                told.stderr.starts_with(&begins) && told.stderr.contains(holds),
                "{told}"
            );
        }
        assert_undisturbed(world);
        drop(hangs);
        let _ = tare(world, "rm -f web other").ok();
        assert_nothing_left(world);
    });
}

#[test]
fn a_source_that_hangs_holds_up_nobody_but_who_asks_for_it() {
    test(&[NEEDS, &[Need::Fuse]].concat(), |world| {
        ready(world);
        let _ = tare(world, "run -d --name other busybox sleep 1000").ok();
        let hangs = stalled("/run/stalled", STALL_AT_LOOKUP);
        let asks = world
            .tare([
                "run",
                "--rm",
                "--name",
                "web",
                "-v",
                "/run/stalled/deep:/x",
                "busybox",
                "true",
            ])
            .start();
        until("nobody has asked", || hangs.is_reached());
        assert_undisturbed(world);
        drop(hangs);
        assert_eq!(asks.finish().0.code(), Some(125));
        let _ = tare(world, "rm -f other").ok();
        assert_nothing_left(world);
    });
}

#[test]
fn a_volume_that_hangs_is_not_waited_for() {
    test(&[NEEDS, &[Need::Fuse]].concat(), |world| {
        ready(world);
        let _ = tare(world, "run -d --name other busybox sleep 1000").ok();
        let _ = tare(world, "volume create vol").ok();
        let data = world.data_root().join("volumes/vol/_data");
        let hangs = stalled(data.to_str().expect("UTF-8"), 27);
        assert_undisturbed(world);
        drop(hangs);
        let _ = tare(world, "rm -f other").ok();
        assert_nothing_left(world);
    });
}
