//! `--key`: a request that is repeated comes to the container or pod that the first asking made, whoever dies on the way.

use crate::shell::{NEEDS, assert_nothing_left, ready, until};
use rustix::process::Signal;
use tare_kit::{World, test};

/// What asks for a container that lives on, and what for one that is to be started later.
const ASKINGS: &[&[&str]] = &[
    &["run", "-d", "--key", "deploy/1", "busybox", "sleep", "1000"],
    &["create", "--key", "deploy/1", "busybox", "sleep", "1000"],
];

/// Steps of both, and those of the one alone.
const PLACES: &[&str] = &[
    "claimed",
    "create-pod",
    "create-recorded",
    "create-snapshot",
    "create-bundle",
];
const OF_RUN: &[&str] = &["start-launched", "start-created"];
const OF_CREATE: &[&str] = &["create-whole", "create-kept"];

/// All containers: id and state.
fn all(world: &World) -> String {
    let format = ["--no-trunc", "--format", "{{.ID}} {{.State}}"];
    world.tare(["ps", "-a"]).args(format).ok()
}

fn remove_all(world: &World) {
    let ids = world.tare(["ps", "-aq"]).ok();
    let _ = world.tare(["rm", "-f"]).args(ids.lines()).ok();
    assert_nothing_left(world);
    assert_eq!(claims(world), 0);
}

/// How many requests are claimed, or left by who claimed them.
fn claims(world: &World) -> usize {
    let folder = std::fs::read_dir(world.run_root().join("requests"));
    folder.map_or(0, Iterator::count)
}

#[test]
fn asked_again_it_is_the_same_one() {
    test(NEEDS, |world| {
        ready(world);
        for (asking, state) in ASKINGS.iter().zip(["running", "created"]) {
            let file = world.scratch().join("id");
            let asking = || {
                world
                    .tare([asking[0], "--cidfile"])
                    .args([&file])
                    .args(&asking[1..])
            };
            let id = asking().ok();
            assert_eq!(asking().ok(), id);
            assert_eq!(all(world), format!("{} {state}\n", id.trim()));
            assert_eq!(std::fs::read_to_string(&file).expect("the id"), id.trim());
            // A file that says another id is another's.
            std::fs::write(&file, "other").expect("write");
            assert!(asking().fails(125).contains("container ID file found"));
            std::fs::remove_file(&file).expect("remove");
            // With what it made the key is free.
            remove_all(world);
            let next = asking().ok();
            assert_ne!(next, id);
            std::fs::remove_file(&file).expect("remove");
            remove_all(world);
        }
    });
}

#[test]
fn what_has_ended_is_not_made_again() {
    test(NEEDS, |world| {
        ready(world);
        let asking = || world.tare(["run", "-d", "--key", "once", "busybox", "sh", "-c", "exit 3"]);
        let id = asking().ok();
        assert_eq!(world.tare(["wait", id.trim()]).ok(), "3\n");
        assert_eq!(asking().ok(), id);
        assert_eq!(all(world), format!("{} exited\n", id.trim()));
        remove_all(world);
    });
}

#[test]
fn another_request_by_the_same_key_is_refused() {
    test(NEEDS, |world| {
        ready(world);
        let _ = world
            .tare(["create", "--key", "k", "--name", "web", "busybox"])
            .ok();
        let other = world
            .tare(["create", "--key", "k", "--name", "web", "busybox", "true"])
            .fails(125);
        assert_eq!(
            other,
            "tare: use key k: container web was made with it, and another one is asked for now\n\
             hint: a key is free again when what was made with it is removed\n"
        );
        let foreground = world.tare(["run", "--key", "k", "busybox"]).fails(125);
        assert!(
            foreground.contains("what runs in the foreground ends with whoever asked for it"),
            "{foreground}"
        );
        let odd = world.tare(["create", "--key", "a b", "busybox"]).fails(125);
        assert!(odd.contains("that is not a key"), "{odd}");
        remove_all(world);
    });
}

#[test]
fn one_that_is_under_way_is_waited_for() {
    test(NEEDS, |world| {
        ready(world);
        let asking = || world.tare(ASKINGS[0]);
        let mut first = asking()
            .env("TARE_FAILPOINT", "delay:2500@create-recorded")
            .start();
        let claim = || {
            let folder = std::fs::read_dir(world.run_root().join("requests"));
            let claim = folder.ok()?.flatten().next()?;
            std::fs::read_to_string(claim.path()).ok()
        };
        until("it is recorded", || {
            claim().is_some_and(|text| text.ends_with(" record"))
        });
        // It goes on when the other has said for whom it waits, which it does after a second.
        first.signal(Signal::STOP);
        let said = world.scratch().join("said");
        let mut second = asking();
        second
            .command()
            .stderr(std::fs::File::create(&said).expect("a file"));
        let second = second.start();
        let told = format!(
            "tare: waiting for process {}, which makes the same (\"record\" was done ",
            first.id()
        );
        until(&told, || {
            std::fs::read_to_string(&said).is_ok_and(|text| text.starts_with(&told))
        });
        first.signal(Signal::CONT);
        let (ended, id) = second.finish();
        assert!(ended.success());
        assert_eq!(first.line().as_deref(), Some(id.trim()));
        assert!(first.finish().0.success());
        assert_eq!(all(world), format!("{} running\n", id.trim()));
        remove_all(world);
    });
}

#[test]
fn one_that_dies_under_way_is_made_by_who_waits() {
    test(NEEDS, |world| {
        ready(world);
        let asking = || world.tare(ASKINGS[1]);
        let first = asking()
            .env("TARE_FAILPOINT", "delay:60000@create-recorded")
            .start();
        until("it is recorded", || !all(world).is_empty());
        let half = all(world);
        let second = asking().start();
        let waits = |line: &str| line.contains("-> FLOCK") && line.contains(&format!(" {} ", second.id()));
        let locks = || std::fs::read_to_string("/proc/locks").expect("the locks");
        until("it waits", || locks().lines().any(waits));
        first.signal(Signal::KILL);
        let (ended, id) = second.finish();
        assert!(ended.success());
        assert_eq!(all(world), format!("{} created\n", id.trim()));
        assert!(!half.contains(id.trim()), "what was half made is not it");
        let _ = first.finish();
        remove_all(world);
    });
}

#[test]
fn many_at_once_make_one() {
    test(NEEDS, |world| {
        ready(world);
        for asking in ASKINGS {
            let ids: Vec<String> = std::thread::scope(|scope| {
                let askings: Vec<_> = (0..8).map(|_| scope.spawn(|| world.tare(*asking).ok())).collect();
                askings
                    .into_iter()
                    .map(|asking| asking.join().expect("an id"))
                    .collect()
            });
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
            assert_eq!(all(world).lines().count(), 1);
            remove_all(world);
        }
    });
}

#[test]
fn whoever_dies_at_it_has_a_successor() {
    test(NEEDS, |world| {
        ready(world);
        let own = [(OF_RUN, "running"), (OF_CREATE, "created")];
        for (asking, (own, state)) in ASKINGS.iter().zip(own) {
            for place in PLACES.iter().chain(own) {
                let killed = world
                    .tare(*asking)
                    .env("TARE_FAILPOINT", format!("kill@{place}"))
                    .run();
                assert_eq!(killed.signal(), Some(9), "{place}: {killed}");
                let id = world.tare(*asking).ok();
                assert_eq!(all(world), format!("{} {state}\n", id.trim()), "{place}");
                assert_eq!(world.tare(*asking).ok(), id, "{place}");
                remove_all(world);
                let failed = world
                    .tare(*asking)
                    .env("TARE_FAILPOINT", format!("fail@{place}"))
                    .run();
                assert_eq!(failed.code(), Some(125), "{place}: {failed}");
                let id = world.tare(*asking).ok();
                assert_eq!(all(world), format!("{} {state}\n", id.trim()), "{place}");
                remove_all(world);
            }
        }
    });
}

#[test]
fn pods_too() {
    test(NEEDS, |world| {
        ready(world);
        let asking = || world.tare(["pod", "create", "--key", "p", "--name", "group"]);
        let id = asking().ok();
        assert_eq!(asking().ok(), id);
        let other = world
            .tare(["pod", "create", "--key", "p", "--name", "others"])
            .fails(125);
        assert!(other.contains("pod group was made with it"), "{other}");
        let _ = world.tare(["pod", "rm", "group"]).ok();
        assert_ne!(asking().ok(), id);
        let _ = world.tare(["pod", "rm", "group"]).ok();
        // One that is made for a container, by who then died.
        let asking = || {
            world.tare([
                "run",
                "-d",
                "--key",
                "c",
                "--pod",
                "new:group",
                "busybox",
                "sleep",
                "1000",
            ])
        };
        let killed = asking().env("TARE_FAILPOINT", "kill@create-recorded").run();
        assert_eq!(killed.signal(), Some(9), "{killed}");
        let id = asking().ok();
        assert_eq!(asking().ok(), id);
        assert_eq!(world.tare(["pod", "ps", "--format", "{{.Name}}"]).ok(), "group\n");
        let _ = world.tare(["pod", "rm", "-f", "group"]).ok();
        assert_nothing_left(world);
    });
}
