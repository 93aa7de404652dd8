//! Restart policies: who is started again, when, who may prevent it, and that no death of anybody makes it forgotten.

use crate::shell::{NEEDS, assert_nothing_left, ready, until, wait_until_cleared};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};
use tare_kit::{World, test};

/// How long what has to come may take, with everything else going on.
fn inspect(world: &World, field: &str) -> String {
    let format = format!("{{{{{field}}}}}");
    world
        .tare(["inspect", "-f", &format, "web"])
        .ok()
        .trim()
        .to_owned()
}

/// How often it has said that it was started.
fn starts(world: &World) -> usize {
    world
        .tare(["logs", "web"])
        .run()
        .stdout
        .lines()
        .filter(|line| *line == "up")
        .count()
}

fn run(world: &World, policy: &str, script: &str) {
    let words = [
        "run",
        "-d",
        "--name",
        "web",
        "--restart",
        policy,
        "busybox",
        "sh",
        "-c",
        script,
    ];
    let _ = world.tare(words).ok();
}

/// Waits until nobody waits for any container's start: whoever did finds that out for himself.
fn nothing_is_due(world: &World) {
    until("somebody waits still", || {
        let due = std::fs::read_dir(world.run_root().join("due"));
        due.into_iter().flatten().next().is_none()
    });
}

/// Whoever waits for the container's next start.
fn waiter(id: &str) -> Option<Pid> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let mut waiters = processes.filter_map(|process| {
        let name = process.file_name().to_string_lossy().parse().ok()?;
        let words = std::fs::read(process.path().join("cmdline")).ok()?;
        let text = String::from_utf8_lossy(&words).into_owned();
        (text.contains("\0reap\0") && text.contains(id))
            .then(|| Pid::from_raw(name))
            .flatten()
    });
    waiters.next()
}

#[test]
fn always_is_started_again_until_it_is_stopped() {
    test(NEEDS, |world| {
        ready(world);
        run(world, "always", "echo up; exit 7");
        until("it is started three times", || starts(world) >= 3);
        assert_eq!(inspect(world, ".HostConfig.RestartPolicy.Name"), "always");
        until("it waits", || inspect(world, ".State.Status") == "restarting");
        // While it is made it is not in this list.
        until("it is listed as waiting", || {
            let list = world.tare(["ps", "--format", "{{.Status}}"]).ok();
            list.starts_with("Restarting (7) ")
        });
        let refused = world.tare(["rm", "web"]).run();
        assert_ne!(refused.code(), Some(0), "{refused}");
        let began = Instant::now();
        assert_eq!(world.tare(["stop", "web"]).ok(), "web\n");
        assert!(began.elapsed() < Duration::from_secs(30));
        assert_eq!(inspect(world, ".State.Status"), "exited");
        let stopped = starts(world);
        nothing_is_due(world);
        assert_eq!(starts(world), stopped);
        // Who starts it wants it to be started again, and the count is new.
        let _ = world.tare(["start", "web"]).ok();
        until("it is started again", || starts(world) >= stopped + 2);
        // An end is counted while what it said is still being written down; once it is stopped, that is over.
        assert_eq!(world.tare(["stop", "web"]).ok(), "web\n");
        let count: usize = inspect(world, ".RestartCount").parse().expect("a number");
        assert!(count < starts(world) - stopped + 1, "{count}");
        let _ = world.tare(["start", "web"]).ok();
        until("it waits for some time", || {
            let count = inspect(world, ".RestartCount").parse::<u32>();
            count.is_ok_and(|n| n >= 4) && inspect(world, ".State.Status") == "restarting"
        });
        assert_eq!(world.tare(["rm", "-f", "web"]).ok(), "web\n");
        wait_until_cleared(world);
        nothing_is_due(world);
        assert_nothing_left(world);
    });
}

#[test]
fn failures_are_counted_and_success_ends_it() {
    test(NEEDS, |world| {
        ready(world);
        run(world, "on-failure:2", "echo up; exit 3");
        until("it has ended", || inspect(world, ".State.Status") == "exited");
        assert_eq!(inspect(world, ".RestartCount"), "2");
        // Its end is seen while what it said is still being written down.
        until("it was started three times", || starts(world) == 3);
        assert_eq!(world.tare(["wait", "web"]).ok(), "3\n");
        let _ = world.tare(["rm", "web"]).ok();
        let script = "echo up; [ -e /seen ] && exit 0; touch /seen; exit 3";
        run(world, "on-failure", script);
        until("it has ended well", || {
            inspect(world, ".State.Status") == "exited" && inspect(world, ".State.ExitCode") == "0"
        });
        until("it was started twice", || starts(world) == 2);
        let _ = world.tare(["rm", "web"]).ok();
        nothing_is_due(world);
        assert_nothing_left(world);
    });
}

#[test]
fn one_in_the_foreground_is_started_again_in_the_background() {
    test(NEEDS, |world| {
        ready(world);
        let script = "[ -e /seen ] && sleep 1000; touch /seen; exit 5";
        let words = [
            "run",
            "--name",
            "web",
            "--restart",
            "unless-stopped",
            "busybox",
            "sh",
            "-c",
            script,
        ];
        let out = world.tare(words).run();
        assert_eq!(out.code(), Some(5), "{out}");
        until("it runs", || inspect(world, ".State.Status") == "running");
        // What kills it, kills it for good.
        let _ = world.tare(["kill", "web"]).ok();
        assert_eq!(inspect(world, ".State.Status"), "exited");
        let _ = world.tare(["rm", "web"]).ok();
        nothing_is_due(world);
        assert_nothing_left(world);
    });
}

#[test]
fn who_waits_may_be_killed_and_the_next_command_goes_on() {
    test(NEEDS, |world| {
        ready(world);
        run(world, "always", "echo up; exit 7");
        let id = inspect(world, ".Id");
        for _ in 0..3 {
            until("it waits for some time", || {
                inspect(world, ".RestartCount")
                    .parse::<u32>()
                    .is_ok_and(|n| n >= 4)
            });
            until("somebody waits", || match waiter(&id) {
                Some(waiter) => kill_process(waiter, Signal::KILL).is_ok(),
                None => false,
            });
            let before = starts(world);
            until("it is started again", || starts(world) > before);
        }
        let _ = world.tare(["rm", "-f", "web"]).ok();
        until("nobody waits", || waiter(&id).is_none());
        assert_nothing_left(world);
    });
}

#[test]
fn a_wish_is_on_record_before_anything_follows_from_it() {
    test(NEEDS, |world| {
        ready(world);
        // Who stops it dies before it is signalled: it lives, and is not started again after its end.
        run(world, "always", "echo up; sleep 1000");
        until("it is up", || starts(world) == 1);
        let out = world
            .tare(["stop", "web"])
            .env("TARE_FAILPOINT", "kill@stop-recorded")
            .run();
        assert_eq!(out.signal(), Some(9), "{out}");
        let _ = world.tare(["exec", "web", "kill", "-9", "-1"]).run();
        until("it has ended", || {
            inspect(world, ".State.Status") != "running" || {
                let pid = inspect(world, ".State.Pid").parse().ok().and_then(Pid::from_raw);
                pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_err())
            }
        });
        until("it has ended", || inspect(world, ".State.Status") == "exited");
        assert_eq!(starts(world), 1);
        // Who starts it dies before it is: it is due.
        let out = world
            .tare(["start", "web"])
            .env("TARE_FAILPOINT", "kill@start-recorded")
            .run();
        assert_eq!(out.signal(), Some(9), "{out}");
        until("it is started", || starts(world) == 2);
        let out = world
            .tare(["restart", "-t", "0", "web"])
            .env("TARE_FAILPOINT", "kill@start-launched")
            .run();
        assert!(out.signal() == Some(9) || out.code() == Some(0), "{out}");
        until("it is started", || starts(world) == 3);
        let _ = world.tare(["rm", "-f", "web"]).ok();
        wait_until_cleared(world);
        assert_nothing_left(world);
    });
}

#[test]
fn what_goes_with_its_end_is_kept_until_it_runs_again() {
    test(NEEDS, |world| {
        ready(world);
        for place in [
            "",
            "start-recorded",
            "reap-settled",
            "reap-left",
            "start-launched",
        ] {
            let script = "echo up; exec sleep 1000";
            let words = [
                "run", "-d", "--rm", "--name", "web", "busybox", "sh", "-c", script,
            ];
            let id = world.tare(words).ok();
            let _ = world.tare(["exec", "web", "touch", "/written"]).ok();
            let out = world
                .tare(["restart", "-t", "0", "web"])
                .env("TARE_FAILPOINT", format!("kill@{place}"))
                .run();
            // At any of these somebody else may be faster, and it is started by him.
            assert!(out.signal() == Some(9) || out.code() == Some(0), "{place}: {out}");
            until("it is started again", || {
                inspect(world, ".State.Status") == "running"
                    && world.tare(["exec", "web", "test", "-e", "/written"]).run().code() == Some(0)
            });
            assert_eq!(inspect(world, ".Id"), id.trim(), "{place}");
            if place == "start-recorded" {
                // It was not ended, but is to be started once more after its end.
                let pid = inspect(world, ".State.Pid").parse().ok().and_then(Pid::from_raw);
                kill_process(pid.expect("a number"), Signal::KILL).expect("it lives");
                until("it is started again", || starts(world) == 2);
            }
            let _ = world.tare(["stop", "-t", "0", "web"]).ok();
            wait_until_cleared(world);
            assert_nothing_left(world);
        }
    });
}

#[test]
fn an_end_is_followed_while_somebody_says_that_nobody_has_to_wait() {
    test(NEEDS, |world| {
        ready(world);
        // No command of ours looks after it meanwhile, as each would.
        let out = world.folder("out");
        let starts = || {
            let text = std::fs::read_to_string(out.join("starts")).unwrap_or_default();
            text.lines().count()
        };
        let script = "echo up >> /out/starts; while :; do sleep 0.05; done";
        let words = ["run", "-d", "--name", "web", "--restart", "always", "-v"];
        // Whoever is started from here and says so takes his time.
        let _ = world
            .tare(words)
            .args([&format!("{}:/out", out.display()), "busybox", "sh", "-c", script])
            .env("TARE_FAILPOINT", "delay:1000@due-forgotten")
            .ok();
        for life in 1..4 {
            until("it is up", || starts() == life);
            let pid = inspect(world, ".State.Pid").parse().ok().and_then(Pid::from_raw);
            kill_process(pid.expect("a number"), Signal::KILL).expect("it lives");
        }
        until("it is started again", || starts() == 4);
        let _ = world.tare(["rm", "-f", "web"]).ok();
        wait_until_cleared(world);
        assert_nothing_left(world);
    });
}

#[test]
fn one_that_was_told_to_end_and_then_to_run_runs() {
    test(NEEDS, |world| {
        ready(world);
        run(
            world,
            "always",
            "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done",
        );
        until("it is up", || starts(world) == 1);
        // It is on record, and whoever was to ask it has died.
        let stop = world
            .tare(["stop", "web"])
            .env("TARE_FAILPOINT", "kill@stop-recorded");
        assert_eq!(stop.run().signal(), Some(9));
        let _ = world.tare(["start", "web"]).ok();
        // Who asks it may be taken along by its end.
        let _ = world.tare(["exec", "web", "kill", "-TERM", "1"]).run();
        until("it is up again", || starts(world) == 2);
        let _ = world.tare(["rm", "-f", "web"]).ok();
        wait_until_cleared(world);
        assert_nothing_left(world);
    });
}

#[test]
fn after_a_reboot_what_is_to_run_runs() {
    test(NEEDS, |world| {
        ready(world);
        let policies = ["no", "always", "unless-stopped", "on-failure"];
        let names = |suffix: &str| policies.map(|policy| format!("{policy}-{suffix}"));
        for (stopped, policy) in [false, true].into_iter().flat_map(|s| policies.map(|p| (s, p))) {
            let name = format!("{policy}-{}", if stopped { "stopped" } else { "up" });
            let words = [
                "run",
                "-d",
                "--name",
                &name,
                "--restart",
                policy,
                "busybox",
                "sh",
                "-c",
            ];
            let _ = world
                .tare(words)
                .args(["trap 'exit 3' TERM; while :; do sleep 0.05; done"])
                .ok();
            if stopped {
                let _ = world.tare(["stop", &name]).ok();
            }
        }
        let _ = world
            .tare([
                "create",
                "--restart",
                "always",
                "--name",
                "never",
                "busybox",
                "true",
            ])
            .ok();
        reboot(world);
        let started = world.tare(["start", "--due"]).ok();
        let mut started: Vec<&str> = started.lines().collect();
        started.sort_unstable();
        assert_eq!(
            started,
            [
                "always-stopped",
                "always-up",
                "on-failure-up",
                "unless-stopped-up"
            ]
        );
        let running = world.tare(["ps", "--format", "{{.Names}}"]).ok();
        let mut running: Vec<&str> = running.lines().collect();
        running.sort_unstable();
        assert_eq!(running, started);
        // Without the unit it is the next command's.
        reboot(world);
        until("all of them run", || {
            let running = ["ps", "-q", "--filter", "status=running"];
            world.tare(running).ok().lines().count() == 4
        });
        for name in names("up").iter().chain(&names("stopped")) {
            let _ = world.tare(["rm", "-f", name]).ok();
        }
        let _ = world.tare(["rm", "never"]).ok();
        wait_until_cleared(world);
        assert_nothing_left(world);
    });
}

/// A power cut leaves empty what was just written and not waited for, or nothing of it.
#[test]
fn what_a_power_cut_takes_of_a_container_is_made_again() {
    test(NEEDS, |world| {
        ready(world);
        let made = ["--init", "--health-cmd", "true", "--name", "made", "busybox"];
        let said = ["sh", "-c", "cat /etc/hosts; hostname"];
        let id = world.tare(["create"]).args(made).args(said).ok();
        let id = id.trim();
        let folder = world.data_root().join("containers").join(id);
        let files = || {
            let entries = std::fs::read_dir(&folder).expect("its folder");
            let whole = entries.map(|entry| {
                let path = entry.expect("an entry").path();
                let content = std::fs::read(&path).expect("read it");
                (path, content)
            });
            whole.collect::<std::collections::BTreeMap<_, _>>()
        };
        let before = files();
        assert!(before.len() >= 5, "{:?}", before.keys());
        for loss in ["empty", "nothing", "half"] {
            for (path, content) in &before {
                match loss {
                    "empty" => std::fs::write(path, "").expect("empty it"),
                    "nothing" => std::fs::remove_file(path).expect("remove it"),
                    _ if path.ends_with("config.json") => {
                        std::fs::write(path, &content[..4096]).expect("cut it");
                    }
                    _ => {}
                }
            }
            std::fs::remove_dir_all(world.data_root().join("snapshots").join(id)).expect("remove its top");
            reboot(world);
            assert_eq!(world.tare(["ps", "-a", "--format", "{{.Names}}"]).ok(), "made\n");
            assert_eq!(files(), before, "{loss}");
        }
        let said = world.tare(["start", "-a", "made"]).ok();
        assert!(
            said.contains("127.0.0.1\tlocalhost") && said.ends_with(&format!("{}\n", &id[..12])),
            "{said}"
        );
        let _ = world.tare(["rm", "made"]).ok();
        wait_until_cleared(world);
        assert_nothing_left(world);
    });
}

/// What a reboot does: nobody lives, and the run folder is another boot's.
fn reboot(world: &World) {
    let ids = world.tare(["ps", "-q", "--no-trunc"]).ok();
    let mut pids = Vec::new();
    for id in ids.lines() {
        let record = std::fs::read(world.run_root().join("pods").join(id).join("supervisor.json"));
        let record: serde_json::Value = serde_json::from_slice(&record.expect("its record")).expect("JSON");
        let inspected = world.tare(["inspect", "-f", "{{.State.Pid}}", id]).ok();
        let supervisor = record["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        pids.extend([supervisor, inspected.trim().parse().ok()]);
    }
    for pid in pids {
        let pid = pid.and_then(Pid::from_raw).expect("a process");
        kill_process(pid, Signal::KILL).expect("kill it");
        until("it is gone", || kill_process(pid, Signal::WINCH).is_err());
    }
    for tree in std::fs::read_dir("/sys/fs/cgroup").expect("the trees").flatten() {
        for id in ids.lines() {
            let _ = std::fs::remove_dir(tree.path().join("tare").join(id));
        }
    }
    let stamp = world.run_root().join("boot-id");
    std::fs::write(stamp, format!("{}\n", "0".repeat(36))).expect("forge the stamp");
}

#[test]
fn what_goes_with_its_end_is_not_started_again() {
    test(NEEDS, |world| {
        ready(world);
        for (words, text) in [
            (
                &["--rm", "--restart", "always"][..],
                "conflicting options: cannot specify both --restart and --rm",
            ),
            (&["--restart", "alway"], "always, unless-stopped, on-failure"),
            (
                &["--restart", "always:3"],
                "maximum retry count can only be used with 'on-failure'",
            ),
            (
                &["--restart", "on-failure:x"],
                "maximum retry count must be an integer",
            ),
        ] {
            let out = world
                .tare(["run"])
                .args(words)
                .args(["busybox", "true"])
                .fails(125);
            assert!(out.contains(text), "{out}");
        }
        let _ = world
            .tare(["run", "--rm", "--restart", "no", "busybox", "true"])
            .ok();
        assert_nothing_left(world);
    });
}
