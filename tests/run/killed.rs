//! Death at any point: of the client at every step it takes, of the supervisor, of both.

use crate::shell::{
    NEEDS, PATIENCE, assert_nothing_left, ready, run, until_unsupervised, wait_until_cleared,
};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::path::PathBuf;
use tare_kit::{Tare, World, test};

/// Every place in the engine at which the program can be killed (`grep failpoint::pass`).
const PLACES: &[&str] = &[
    "create-pod",
    "create-recorded",
    "create-snapshot",
    "create-bundle",
    "start-launched",
    "start-created",
    "finish-ended",
    "remove-snapshot",
    "remove-folder",
    "remove-recorded",
    "finish-settled",
    "finish-left",
];

#[test]
fn the_client_killed_at_every_step() {
    test(NEEDS, |world| {
        ready(world);
        for place in PLACES {
            let out = run(world, &["--name", "web", "busybox", "true"])
                .env("TARE_FAILPOINT", format!("kill@{place}"))
                .run();
            assert_eq!(out.signal(), Some(9), "{place}: {out}");
            wait_until_cleared(world);
            assert_nothing_left(world);
            // And the name is free again.
            let _ = run(world, &["--name", "web", "busybox", "true"]).ok();
        }
    });
}

#[test]
fn a_step_that_fails_leaves_nothing() {
    test(NEEDS, |world| {
        ready(world);
        for place in &PLACES[..6] {
            let out = run(world, &["busybox", "true"])
                .env("TARE_FAILPOINT", format!("fail@{place}"))
                .fails(125);
            assert!(
                out.starts_with(&format!("tare: pass {place}: this failpoint is armed")),
                "{out}"
            );
            wait_until_cleared(world);
            assert_nothing_left(world);
        }
    });
}

#[test]
fn the_clearing_away_itself_killed_at_every_step() {
    test(NEEDS, |world| {
        ready(world);
        for place in [
            "reap-ended",
            "remove-snapshot",
            "remove-folder",
            "remove-recorded",
            "reap-settled",
            "reap-left",
        ] {
            let out = run(world, &["busybox", "true"])
                .env("TARE_FAILPOINT", "kill@create-bundle")
                .run();
            assert_eq!(out.signal(), Some(9));
            // As long as there is one, nothing is cleared away.
            until_unsupervised();
            let out = world
                .tare(["ps"])
                .env("TARE_FAILPOINT", format!("kill@{place}"))
                .run();
            assert_eq!(out.signal(), Some(9), "{place}: {out}");
            assert_nothing_left(world);
        }
    });
}

/// Further places, each with a command that comes by, and whether the machine is afterwards as it was: else what was done by then stays.
/// `up` runs and is started again whenever it ends, `ended` has ended, `made` was never started, `img` is an image of its own.
const OTHERS: &[(&str, &str, bool)] = &[
    ("image-unpacked", "import large.tar new", true),
    ("image-recorded", "import large.tar new", false),
    ("image-unpacked", "commit ended new", true),
    ("image-recorded", "commit ended new", false),
    ("image-unpacked", "commit up new", true),
    ("commit-still", "commit up new", true),
    ("commit-packed", "commit up new", true),
    ("image-forgotten", "rmi img", false),
    ("files-held", "cp large ended:/x", true),
    ("files-seen", "cp large ended:/x", true),
    ("files-held", "cp made:/bin/busybox copy", true),
    ("files-seen", "cp ended:/bin/busybox copy", true),
    ("renamed", "rename ended other", false),
    ("update-policy", "update --restart no up", false),
    ("update-recorded", "update --pids-limit 50 up", false),
    ("due-said", "kill -s USR1 up", true),
    ("due-forgotten", "restart -t 0 up", true),
    ("remove-ended", "rm ended", true),
    ("remove-ended", "rm -f up", false),
    ("remove-recorded", "rm ended", false),
    ("remove-left", "rm made", false),
    ("volume-recorded", "volume create other", false),
    ("volume-taken", "volume rm vol", false),
    ("stop-recorded", "stop up", true),
    ("start-recorded", "start made", true),
];

/// What there is, and how it is.
fn everything(world: &World) -> String {
    let words = [
        "ps",
        "-a",
        "--no-trunc",
        "--format",
        "{{.ID}} {{.Names}} {{.State}}",
    ];
    let how = [
        "inspect",
        "--format",
        "{{.Name}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.PidsLimit}}",
    ];
    let names = world.tare(["ps", "-aq"]).ok();
    let how = world.tare(how).args(names.lines()).ok();
    format!(
        "{}{}{how}",
        crate::faults::all_there_is(world),
        world.tare(words).ok()
    )
}

#[test]
fn every_other_command_killed_at_its_steps() {
    test(NEEDS, |world| {
        ready(world);
        let layout = world.fixture("busybox").join("oci");
        let _ = world.file("large", vec![7; 300_000]);
        let tar = ["-cf", "large.tar", "large"];
        let _ = Tare::program("tar").args(tar).directory(world.scratch()).ok();
        let tare = |line: &str| {
            world
                .tare(line.split(' ').collect::<Vec<_>>())
                .directory(world.scratch())
        };
        let script = "trap : USR1; while :; do sleep 0.05; done";
        for (place, line, as_it_was) in OTHERS {
            let _ = world
                .tare(["load", "-q", "--name", "busybox", "-i"])
                .args([&layout])
                .ok();
            let words = [
                "run",
                "-d",
                "--restart",
                "always",
                "--name",
                "up",
                "busybox",
                "sh",
                "-c",
                script,
            ];
            let _ = world.tare(words).ok();
            let _ = tare("run --name ended busybox true").ok();
            let _ = tare("create --name made busybox true").ok();
            let _ = tare("import large.tar img").ok();
            let _ = tare("volume create vol").ok();
            let before = everything(world);
            let out = tare(line).env("TARE_FAILPOINT", format!("kill@{place}")).run();
            // Whoever waits for its start may be faster there.
            if !place.starts_with("due-") {
                assert_eq!(out.signal(), Some(9), "{place} of {line}: {out}");
            }
            let began = std::time::Instant::now();
            // The next commands finish or undo it.
            while (everything(world) == before) != *as_it_was {
                assert!(
                    began.elapsed() < PATIENCE,
                    "{place} of {line}:\n{before}\n{}",
                    everything(world)
                );
            }
            let names = world.tare(["ps", "-aq"]).ok();
            let _ = world.tare(["rm", "-f"]).args(names.lines()).ok();
            let _ = tare("volume prune -af").ok();
            let _ = tare("image prune -af").ok();
            wait_until_cleared(world);
            assert_nothing_left(world);
            assert_eq!(tare("images -q").ok(), "", "{place} of {line}");
            let left = std::fs::read_dir(world.data_root().join("snapshots"))
                .expect("the snapshots")
                .map(|entry| entry.expect("an entry").file_name())
                .filter(|name| name != ".ground");
            assert_eq!(left.count(), 0, "{place} of {line}");
        }
    });
}

#[test]
fn the_client_killed_while_it_runs() {
    test(NEEDS, |world| {
        ready(world);
        for keep in [false, true] {
            let words: &[&str] = if keep {
                &["run", "--name", "web"]
            } else {
                &["run", "--rm", "--name", "web"]
            };
            let mut running = world
                .tare(words)
                .args(["busybox", "sh", "-c", "echo up; sleep 1000"])
                .start();
            assert_eq!(running.line().as_deref(), Some("up"));
            running.signal(Signal::KILL);
            drop(running);
            wait_until_cleared(world);
            if keep {
                let list = world.tare(["ps", "-a"]).ok();
                assert!(list.contains("Exited (137)"), "{list}");
                let _ = world.tare(["rm", "web"]).ok();
            }
            assert_nothing_left(world);
        }
    });
}

#[test]
fn a_supervisor_killed_has_a_successor_with_which_all_goes_on() {
    test(NEEDS, |world| {
        ready(world);
        let mut running = world
            .tare(["run", "-i", "--name", "web", "busybox", "sh", "-c"])
            .args(["echo up; while read line && echo $line && [ $line != three ]; do :; done; sleep 1; cat; exit 7"])
            .start();
        assert_eq!(running.line().as_deref(), Some("up"));
        let mut stdin = running.stdin.take().expect("its input");
        for line in ["one", "two", "three"] {
            let killed = supervisor(world);
            kill_process(killed, Signal::KILL).expect("kill the supervisor");
            while supervisor(world) == killed {}
            std::io::Write::write_all(&mut stdin, format!("{line}\n").as_bytes()).expect("say something");
            assert_eq!(running.line().as_deref(), Some(line));
        }
        // One that dies with the end of the input unheard: the container must not wait for more.
        let last = supervisor(world);
        kill_process(last, Signal::STOP).expect("stop the supervisor");
        drop(stdin);
        kill_process(last, Signal::KILL).expect("kill the supervisor");
        let (status, _) = running.finish();
        assert_eq!(status.code(), Some(7));
        let list = world.tare(["ps", "-a"]).ok();
        assert!(list.contains("Exited (7)"), "{list}");
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn a_supervisor_becomes_another_program_and_all_goes_on() {
    test(NEEDS, |world| {
        ready(world);
        let mut running = world
            .tare(["run", "--rm", "-i", "busybox", "sh", "-c"])
            .args(["echo up; while read line; do echo $line; done; exit 7"])
            .start();
        assert_eq!(running.line().as_deref(), Some("up"));
        let mut stdin = running.stdin.take().expect("its input");
        let before = supervisor(world);
        for line in ["one", "two"] {
            let out = upgrade(world);
            assert!(out.contains(": runs "), "{out}");
            assert_eq!(supervisor(world), before);
            std::io::Write::write_all(&mut stdin, format!("{line}\n").as_bytes()).expect("say something");
            assert_eq!(running.line().as_deref(), Some(line));
        }
        drop(stdin);
        let (status, _) = running.finish();
        assert_eq!(status.code(), Some(7));
        // It has not forgotten whose pod it is either.
        let mut running = world
            .tare(["run", "--rm", "busybox", "sh", "-c"])
            .args(["echo up; sleep 1000"])
            .start();
        assert_eq!(running.line().as_deref(), Some("up"));
        let _ = upgrade(world);
        running.signal(Signal::KILL);
        drop(running);
        wait_until_cleared(world);
        assert_nothing_left(world);
    });
}

#[test]
fn both_killed_while_it_runs() {
    test(NEEDS, |world| {
        ready(world);
        let mut running = world
            .tare(["run", "--rm", "busybox", "sh", "-c", "echo up; sleep 1000"])
            .start();
        assert_eq!(running.line().as_deref(), Some("up"));
        let supervisor = supervisor(world);
        kill_process(running.id(), Signal::STOP).expect("stop the client");
        kill_process(supervisor, Signal::KILL).expect("kill the supervisor");
        running.signal(Signal::KILL);
        drop(running);
        wait_until_cleared(world);
        assert_nothing_left(world);
    });
}

#[test]
fn a_reboot() {
    test(NEEDS, |world| {
        ready(world);
        for words in [&["run", "--rm"][..], &["run", "--name", "web"]] {
            let out = world
                .tare(words)
                .args(["busybox", "true"])
                .env("TARE_FAILPOINT", "kill@create-bundle")
                .run();
            assert_eq!(out.signal(), Some(9));
        }
        // What a reboot leaves: the data, no process, and an empty run folder.
        until_unsupervised();
        std::fs::remove_dir_all(world.run_root()).expect("empty the run folder");
        let list = world.tare(["ps", "-a"]).ok();
        assert!(
            list.contains("Exited (255)") && list.lines().count() == 2,
            "{list}"
        );
        let why = world.tare(["inspect", "-f", "{{.State.Error}}", "web"]).ok();
        assert_eq!(why, "the machine was restarted while it ran\n");
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

/// The folder of the only pod.
fn pod(world: &World) -> PathBuf {
    let mut pods = std::fs::read_dir(world.run_root().join("pods")).expect("the pods");
    pods.next().expect("a pod").expect("its name").path()
}

/// Has the only supervisor become the program that it is; what is said of that.
fn upgrade(world: &World) -> String {
    Tare::program(world.program_path("containerd-shim-tare-v2"))
        .args([OsStr::new("-pod"), pod(world).as_os_str()])
        .args([
            OsStr::new("-containers"),
            world.run_root().join("containers").as_os_str(),
        ])
        .args(["upgrade"])
        .ok()
}

/// The process id of the only supervisor.
fn supervisor(world: &World) -> Pid {
    let pod = pod(world);
    let record = std::fs::read_to_string(pod.join("supervisor.json")).expect("its record");
    let pid = record.split("\"pid\":").nth(1).expect("a pid");
    let digits: String = pid.chars().take_while(char::is_ascii_digit).collect();
    Pid::from_raw(digits.parse().expect("a number")).expect("a process")
}

#[test]
fn the_places_are_those_of_the_source() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/node/engine/src/container");
    let mut found = Vec::new();
    for file in std::fs::read_dir(source).expect("the source").flatten() {
        let text = std::fs::read_to_string(file.path()).unwrap_or_default();
        let places = text
            .split("tare_failpoint::pass(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        found.extend(places.map(str::to_owned));
    }
    assert!(found.len() >= PLACES.len() + 2);
    for place in found {
        assert!(
            PLACES.contains(&place.as_str())
                || crate::create::PLACES.contains(&place.as_str())
                || OTHERS.iter().any(|(other, _, _)| *other == place)
                || place.starts_with("reap-"),
            "{place} is not tested"
        );
    }
}
