//! Faults of what tare stands on: folders that are full or read-only, and what is said and left then.

use crate::shell::{NEEDS, assert_nothing_left, load, run, until, until_said, until_unsupervised};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tare_database::{Database, Migration};
use tare_kit::{Finished, Tare, World, test};

/// A small file system of its own in the place of a folder.
struct Small {
    path: PathBuf,
}

impl Small {
    fn mount(path: PathBuf, size: &str) -> Small {
        std::fs::create_dir_all(&path).expect("make a folder");
        let options = CString::new(format!("mode=700,size={size}")).expect("no zero byte");
        mount(
            "small",
            &path,
            "tmpfs",
            MountFlags::empty(),
            Some(options.as_c_str()),
        )
        .expect("mount a tmpfs");
        Small { path }
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Fills it but for so many KiB.
    fn fill(&self, left: u64) {
        let mut file = File::create(self.ballast()).expect("make a file");
        let page = [1; 4096];
        while file.write_all(&page).is_ok() {}
        let length = file.metadata().expect("its length").len();
        file.set_len(length.saturating_sub(left * 1024)).expect("cut it");
    }

    fn free(&self) {
        let _ = std::fs::remove_file(self.ballast());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        unmount(&self.path, UnmountFlags::DETACH).expect("unmount it");
    }
}

/// The names in a folder, but those that come and go with its use.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What is there of containers, volumes and images.
pub(crate) fn all_there_is(world: &World) -> String {
    let mut all = world.tare(["ps", "-aq", "--no-trunc"]).ok();
    for words in [&["volume", "ls", "-q"][..], &["images", "-q"]] {
        all.push_str(&world.tare(words).ok());
    }
    for folder in ["containers", "snapshots", "volumes"] {
        all.push_str(&format!(
            "{folder} {:?}\n",
            names(&world.data_root().join(folder))
        ));
    }
    all.push_str(&format!("pods {:?}\n", names(&world.run_root().join("pods"))));
    all
}

/// What is said where a folder is full: one sentence that names it, and a hint.
fn assert_says_full(finished: &Finished, folder: &Path) {
    assert_eq!(finished.code(), Some(125), "{finished}");
    let lines: Vec<&str> = finished.stderr.lines().collect();
    let begins = format!("tare: store in {}: its file system is full", folder.display());
    assert!(lines[0].starts_with(&begins), "{finished}");
    assert!(lines.len() == 2 && lines[1].starts_with("hint: "), "{finished}");
}

/// The commands that write, each with what undoes it.
const WRITES: &[(&str, &str)] = &[
    ("run --rm busybox true", ""),
    ("run --name new busybox true", "rm new"),
    ("run -d --name new busybox sleep 1000", "rm -f new"),
    ("create --name new busybox true", "rm new"),
    ("run --name new -v vol:/x busybox true", "rm -v new"),
    ("start ended", "wait ended"),
    ("exec up true", ""),
    ("logs up", ""),
    ("cp up:/bin/busybox /mnt/scratch/copied", ""),
    ("cp /mnt/scratch/large up:/large", "exec up rm /large"),
    ("cp /mnt/scratch/large made:/large", ""),
    ("commit up new", "rmi new"),
    ("import /mnt/scratch/large.tar new", "rmi new"),
    ("volume create new", "volume rm new"),
    ("rename up other", "rename other up"),
    ("update --restart on-failure up", "update --restart no up"),
];

/// Containers and what each does when it is asked to end.
const ENDS: [(&str, &str); 2] = [("ends", "exit 7"), ("greedy", "exec tail /dev/zero")];

/// They end, and how is known, and they go, where nothing can be written.
fn how_they_end(world: &World) {
    for (name, _) in ENDS {
        let _ = world.tare(["kill", "-s", "TERM", name]).ok();
        let _ = world.tare(["wait", name]).ok();
    }
    let format = "{{.State.ExitCode}} {{.State.OOMKilled}}";
    for (name, told) in [("ends", "7 false\n"), ("greedy", "137 true\n")] {
        assert_eq!(world.tare(["inspect", "-f", format, name]).ok(), told, "{name}");
        let _ = world.tare(["rm", name]).ok();
    }
}

fn three(world: &World) {
    load(world);
    let _ = run(world, &["busybox", "true"]).ok();
    let _ = world
        .tare(["run", "-d", "--name", "up", "busybox", "sh", "-c"])
        .args(["echo up; sleep 1000"])
        .ok();
    until_said(world, "up", "up\n");
    let _ = world.tare(["run", "--name", "ended", "busybox", "true"]).ok();
    for (name, last) in ENDS {
        let script = format!("trap '{last}' TERM; echo up; while :; do sleep 0.05; done");
        let words = [
            "run", "-d", "-m", "16m", "--name", name, "busybox", "sh", "-c", &script,
        ];
        let _ = world.tare(words).ok();
        until_said(world, name, "up\n");
    }
    let _ = world.tare(["create", "--name", "made", "busybox", "true"]).ok();
    let _ = world.tare(["volume", "create", "vol"]).ok();
    let _ = world.file("large", vec![7; 300_000]);
    let _ = Tare::program("tar")
        .args(["-cf", "large.tar", "large"])
        .directory(world.scratch())
        .ok();
}

#[test]
fn a_full_data_folder_is_said_and_nothing_is_left() {
    test(NEEDS, |world| {
        let small = Small::mount(world.data_root(), "24m");
        full(world, &small);
    });
}

#[test]
fn a_full_run_folder_is_said_and_nothing_is_left() {
    test(NEEDS, |world| {
        let small = Small::mount(world.run_root(), "1m");
        full(world, &small);
    });
}

/// Commands that only look.
const LOOKS: &[&str] = &[
    "ps -a",
    "inspect up",
    "logs up",
    "why ended",
    "images",
    "volume ls",
    "system df",
    "events --until 0s",
];

fn tare(world: &World, line: &str) -> Finished {
    let words: Vec<&str> = line.split(' ').collect();
    world.tare(words).run()
}

fn full(world: &World, small: &Small) {
    three(world);
    let there = all_there_is(world);
    let mut refused = 0;
    for (command, undo) in WRITES {
        for left in [0, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512] {
            small.fill(left);
            let finished = tare(world, command);
            match finished.code() {
                Some(0) if undo.is_empty() => {}
                Some(0) => {
                    // What was made goes while there is no space.
                    if !undo.contains("rm") || undo.starts_with("exec") {
                        small.free();
                    }
                    let _ = tare(world, undo).ok();
                }
                _ => {
                    assert_says_full(&finished, &small.path);
                    refused += 1;
                }
            }
            small.free();
            until(&format!("with {left} KiB: {finished}\n{there}"), || {
                all_there_is(world) == there
            });
        }
    }
    assert!(refused > WRITES.len(), "{refused}");
    small.fill(0);
    for line in LOOKS {
        let _ = tare(world, line).ok();
    }
    how_they_end(world);
    for line in ["stop -t 1 up", "rm ended", "rm made", "rm -f up", "volume rm vol"] {
        let out = tare(world, line).ok();
        assert_eq!(out.stderr, "", "{out}");
    }
    small.free();
    assert_nothing_left(world);
    let _ = run(world, &["busybox", "true"]).ok();
}

#[test]
fn a_read_only_data_folder_is_said_and_can_be_looked_at() {
    test(NEEDS, |world| {
        let small = Small::mount(world.data_root(), "24m");
        three(world);
        let there = all_there_is(world);
        // What a container writes goes on: its root is a mount of its own.
        mount_remount(&small.path, MountFlags::RDONLY | MountFlags::BIND, "").expect("make it read-only");
        for line in LOOKS {
            let _ = tare(world, line).ok();
        }
        for (command, _) in WRITES {
            let is_inside = ["exec", "logs", "cp"].contains(&command.split(' ').next().expect("a verb"));
            match tare(world, command) {
                finished if finished.code() == Some(0) => assert!(is_inside, "{finished}"),
                finished => assert_says_read_only(&finished, &small.path),
            }
        }
        for line in ["rm ended", "rm made", "rm -f up", "kill ends", "rm -f up"] {
            assert_says_read_only(&tare(world, line), &small.path);
        }
        mount_remount(&small.path, MountFlags::BIND, "").expect("make it writable");
        let stored = |all: &str| all.split("pods").next().unwrap_or_default().to_owned();
        assert_eq!(stored(&all_there_is(world)), stored(&there));
        let told = world
            .tare(["inspect", "-f", "{{.State.ExitCode}}", "up", "ends"])
            .ok();
        assert_eq!(told, "137\n137\n", "how they ended is known since");
        let all = ["up", "ended", "made", "ends", "greedy"];
        let _ = world.tare(["rm", "-f"]).args(all).ok();
        assert_nothing_left(world);
    });
}

fn assert_says_read_only(finished: &Finished, folder: &Path) {
    assert_eq!(finished.code(), Some(125), "{finished}");
    let begins = format!(
        "tare: store in {}: its file system is read-only",
        folder.display()
    );
    // What could not be written yet of others is told before it.
    assert!(
        finished.stderr.lines().any(|line| line.starts_with(&begins)),
        "{finished}"
    );
    assert!(finished.stderr.contains("\nhint: "), "{finished}");
}

#[test]
fn a_read_only_run_folder_is_said_and_can_be_looked_at() {
    test(NEEDS, |world| {
        let small = Small::mount(world.run_root(), "24m");
        three(world);
        mount_remount(&small.path, MountFlags::RDONLY | MountFlags::BIND, "").expect("make it read-only");
        for line in LOOKS {
            let _ = tare(world, line).ok();
        }
        let lines = [
            "run --rm busybox true",
            "run -d --name new busybox true",
            "create --name new busybox true",
            "start ended",
            "exec up true",
            "commit up new",
            "rm ended",
            "rm made",
            "rm -f up",
            "kill ends",
            "stop greedy",
        ];
        for line in lines {
            assert_says_read_only(&tare(world, line), &small.path);
        }
        mount_remount(&small.path, MountFlags::BIND, "").expect("make it writable");
        let told = world.tare(["wait", "up", "ends", "greedy"]).ok();
        assert_eq!(told, "137\n137\n137\n", "how they ended is known");
        let all = ["up", "ended", "made", "ends", "greedy"];
        let _ = world.tare(["rm", "-f"]).args(all).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn another_boot_ends_everything_and_loses_nothing() {
    test(NEEDS, |world| {
        load(world);
        let _ = world
            .tare(["run", "--name", "ended", "busybox", "sh", "-c", "exit 3"])
            .run();
        let _ = world.tare(["create", "--name", "made", "busybox", "true"]).ok();
        let died = world.tare(["run", "--name", "died", "busybox", "true"]);
        let died = died.env("TARE_FAILPOINT", "kill@create-bundle").run();
        assert_eq!(died.signal(), Some(9));
        // No process is left of a boot.
        until_unsupervised();
        // A run folder on a disk: the stamp in it is all that tells.
        let stamp = world.run_root().join("boot-id");
        std::fs::write(stamp, "01234567-89ab-cdef-0123-456789abcdef\n").expect("another boot's stamp");
        let format = "{{.Names}} {{.Status}}";
        let told = world.tare(["ps", "-a", "--format", format]).ok();
        let has = |name: &str, status: &str| {
            told.lines()
                .any(|line| line.starts_with(&format!("{name} {status}")))
        };
        assert!(
            has("ended", "Exited (3)") && has("made", "Created") && has("died", "Exited (255)"),
            "{told}"
        );
        assert!(!world.run_root().join("pods").exists() || names(&world.run_root().join("pods")).is_empty());
        let _ = world.tare(["rm", "ended", "made", "died"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn a_number_that_is_used_again_is_nobodys() {
    test(NEEDS, |world| {
        load(world);
        let id = world
            .tare(["run", "-d", "--name", "web", "busybox", "sleep", "1000"])
            .ok();
        let first = world.tare(["inspect", "-f", "{{.State.Pid}}", "web"]).ok();
        let pod = world.run_root().join("pods").join(id.trim());
        let record = std::fs::read_to_string(pod.join("supervisor.json")).expect("its record");
        let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
        let number = |text: &str| Pid::from_raw(text.trim().parse().expect("a number")).expect("a process");
        let (first, supervisor) = (number(&first), number(&record["pid"].to_string()));
        // Both die, and nobody sees it.
        kill_process(supervisor, Signal::STOP).expect("stop the supervisor");
        kill_process(first, Signal::KILL).expect("kill the container");
        kill_process(supervisor, Signal::KILL).expect("kill the supervisor");
        // A process is known by its number and the hundredth of a second in which it began, which is to be another one.
        let died = Instant::now();
        until("a later moment has come", || {
            died.elapsed() > Duration::from_millis(30)
        });
        let bystander = Tare::program("sleep").args(["1000"]).start();
        let now = bystander.id().as_raw_nonzero();
        for folder in [
            pod.clone(),
            pod.join("containers"),
            world.run_root().join("containers").join(id.trim()),
        ] {
            for name in names(&folder) {
                let Ok(text) = std::fs::read_to_string(folder.join(&name)) else {
                    continue;
                };
                let others = [first, supervisor].into_iter().fold(text, |text, old| {
                    text.replace(
                        &format!("\"pid\":{}", old.as_raw_nonzero()),
                        &format!("\"pid\":{now}"),
                    )
                });
                std::fs::write(folder.join(name), others).expect("write it");
            }
        }
        let told = tare(world, "ps -a");
        assert!(told.stdout.contains("Exited (255)"), "{told}");
        let told = tare(world, "kill web");
        assert!(told.stderr.contains("it is not running"), "{told}");
        let told = world.tare(["why", "web"]).ok();
        assert!(told.contains("nobody knows how"), "{told}");
        let _ = world.tare(["rm", "-f", "web"]).ok();
        bystander.signal(Signal::TERM);
        assert_eq!(bystander.finish().0.signal(), Some(15), "nobody has killed it");
        assert_nothing_left(world);
    });
}

#[test]
fn a_newer_database_is_said_and_left_alone() {
    test(NEEDS, |world| {
        load(world);
        let file = world.data_root().join("tare.db");
        let steps = [Migration {
            name: "later",
            sql: "SELECT 1;",
        }; 99];
        drop(Database::open(&file, &steps).expect("a newer program's database"));
        for line in ["ps", "run --rm busybox true", "images", "rm web"] {
            let told = tare(world, line);
            assert_eq!(told.code(), Some(125), "{told}");
            let known = "read schema version 99: this program knows up to ";
            let hint = "\nhint: a newer tare wrote it; use that one\n";
            assert!(
                told.stderr.contains(known) && told.stderr.ends_with(hint),
                "{told}"
            );
        }
        let _ = Database::open(&file, &steps).expect("it is as it was");
    });
}
