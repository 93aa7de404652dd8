//! Health checks: run by the supervisor, bounded in time and output, and gone on with by whoever comes after it.

use crate::shell::{NEEDS, assert_nothing_left, ready, until};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};
use tare_kit::{World, test};

fn inspect(world: &World, field: &str) -> String {
    let format = format!("{{{{{field}}}}}");
    world
        .tare(["inspect", "-f", &format, "web"])
        .ok()
        .trim()
        .to_owned()
}

fn health(world: &World) -> serde_json::Value {
    let format = "{{json .State.Health}}";
    let text = world.tare(["inspect", "-f", format, "web"]).ok();
    serde_json::from_str(&text).expect("JSON")
}

fn until_it_is(world: &World, status: &str) {
    until(status, || inspect(world, ".State.Health.Status") == status);
}

fn run(world: &World, options: &[&str]) {
    let words = ["run", "-d", "--name", "web", "--health-interval", "100ms"];
    let _ = world
        .tare(words)
        .args(options)
        .args(["busybox", "sleep", "1000"])
        .ok();
}

fn remove(world: &World) {
    let _ = world.tare(["rm", "-f", "web"]).ok();
    assert_nothing_left(world);
}

fn status(world: &World) -> String {
    world
        .tare(["ps", "--format", "{{.Status}}"])
        .ok()
        .trim()
        .to_owned()
}

#[test]
fn it_is_as_well_as_its_last_checks() {
    test(NEEDS, |world| {
        ready(world);
        run(
            world,
            &["--health-cmd", "echo said; [ -e /ok ]", "--health-retries", "2"],
        );
        until_it_is(world, "unhealthy");
        assert!(status(world).ends_with("(unhealthy)"), "{}", status(world));
        let _ = world.tare(["exec", "web", "touch", "/ok"]).ok();
        until_it_is(world, "healthy");
        assert!(status(world).ends_with("(healthy)"), "{}", status(world));
        until("five results are kept", || {
            health(world)["Log"].as_array().is_some_and(|log| log.len() == 5)
        });
        let now = health(world);
        assert_eq!(
            (&now["FailingStreak"], &now["Log"][4]["Output"]),
            (&0.into(), &"said\n".into())
        );
        assert_eq!(now["Log"][4]["ExitCode"], 0);
        let pause = world.tare(["pause", "web"]).run();
        if pause.code() == Some(0) {
            let still = health(world);
            let began = Instant::now();
            let mut later = still.clone();
            while began.elapsed() < Duration::from_millis(500) {
                later = health(world);
            }
            // One that was under way has ended by then, or has not.
            assert!(still["Log"][4] == later["Log"][4] || still["Log"][4] == later["Log"][3]);
            let _ = world.tare(["unpause", "web"]).ok();
        }
        // What was known stays when it has ended, and is forgotten when it is started again.
        let _ = world.tare(["stop", "-t", "0", "web"]).ok();
        assert_eq!(inspect(world, ".State.Health.Status"), "healthy");
        let _ = world.tare(["exec", "web", "rm", "/ok"]).run();
        let _ = world.tare(["start", "web"]).ok();
        until_it_is(world, "healthy");
        remove(world);
    });
}

#[test]
fn failures_do_not_count_while_it_starts() {
    test(NEEDS, |world| {
        ready(world);
        run(
            world,
            &[
                "--health-cmd",
                "[ -e /ok ]",
                "--health-retries",
                "1",
                "--health-start-period",
                "1h",
                "--health-start-interval",
                "50ms",
            ],
        );
        until("it was looked at often", || {
            health(world)["Log"].as_array().is_some_and(|log| log.len() == 5)
        });
        assert_eq!(health(world)["Status"], "starting");
        assert!(status(world).ends_with("(health: starting)"), "{}", status(world));
        assert_eq!(health(world)["FailingStreak"], 0);
        let _ = world.tare(["exec", "web", "touch", "/ok"]).ok();
        until_it_is(world, "healthy");
        let _ = world.tare(["exec", "web", "rm", "/ok"]).ok();
        until_it_is(world, "unhealthy");
        remove(world);
    });
}

#[test]
fn a_check_is_bounded_in_time_and_in_what_it_says() {
    test(NEEDS, |world| {
        ready(world);
        run(
            world,
            &[
                "--health-cmd",
                "echo slow; sleep 77",
                "--health-timeout",
                "200ms",
                "--health-retries",
                "1",
            ],
        );
        until_it_is(world, "unhealthy");
        // A busy machine may not come to its word in time: then the next one's does.
        until("one was cut short, and what it had said is kept", || {
            let log = health(world)["Log"].as_array().cloned().unwrap_or_default();
            log.iter().any(|check| {
                let said = check["Output"].as_str().unwrap_or_default();
                check["ExitCode"] == -1 && said.contains("exceeded timeout (200ms)") && said.contains("slow")
            })
        });
        // One that is under way does not keep its container from ending.
        let began = Instant::now();
        let _ = world.tare(["stop", "-t", "0", "web"]).ok();
        assert!(began.elapsed() < Duration::from_secs(30));
        remove(world);
        run(world, &["--health-cmd", "head -c 300000 /dev/zero | tr '\\0' x"]);
        until_it_is(world, "healthy");
        let said = health(world)["Log"][0]["Output"].as_str().map(str::len);
        assert_eq!(said, Some(4096));
        remove(world);
        run(
            world,
            &[
                "--health-cmd",
                "touch /under-way; sleep 77",
                "--health-timeout",
                "1h",
            ],
        );
        until("one is under way", || {
            world
                .tare(["exec", "web", "test", "-e", "/under-way"])
                .run()
                .code()
                == Some(0)
        });
        let _ = world.tare(["stop", "-t", "0", "web"]).ok();
        remove(world);
    });
}

#[test]
fn a_successor_goes_on_with_it() {
    test(NEEDS, |world| {
        ready(world);
        run(
            world,
            &[
                "--health-cmd",
                "echo said; sleep 0.1; [ -e /ok ]",
                "--health-retries",
                "3",
            ],
        );
        for round in 0..3 {
            until("it is looked at", || {
                health(world)["FailingStreak"].as_u64() > Some(round)
            });
            let killed = supervisor(world);
            kill_process(killed, Signal::KILL).expect("kill the supervisor");
            assert!(
                health(world)["FailingStreak"].as_u64() > Some(round),
                "what was known is known"
            );
            // Before that the record is the dead one's.
            until("it has a successor", || {
                let _ = health(world);
                supervisor(world) != killed
            });
        }
        until_it_is(world, "unhealthy");
        let _ = world.tare(["exec", "web", "touch", "/ok"]).ok();
        until_it_is(world, "healthy");
        remove(world);
    });
}

#[test]
fn what_is_asked_is_said_and_what_contradicts_itself_is_refused() {
    test(NEEDS, |world| {
        ready(world);
        run(world, &["--no-healthcheck", "--health-interval", "0"]);
        assert_eq!(inspect(world, "json .Config.Healthcheck"), r#"{"Test":["NONE"]}"#);
        assert_eq!(health(world), serde_json::Value::Null);
        remove(world);
        for (words, text) in [
            (
                &["--no-healthcheck", "--health-cmd", "true"][..],
                "--no-healthcheck conflicts with --health-* options",
            ),
            (&["--health-interval", "-1s"], "cannot be negative"),
            (
                &["--health-timeout", "1us"],
                "cannot be less than one millisecond",
            ),
            (&["--health-retries", "-1"], "cannot be negative"),
            (&["--health-start-period", "soon"], "that is not a time"),
        ] {
            let out = world
                .tare(["run"])
                .args(words)
                .args(["busybox", "true"])
                .fails(125);
            assert!(out.contains(text), "{out}");
        }
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

#[test]
fn each_change_is_written_down_once() {
    test(NEEDS, |world| {
        ready(world);
        run(world, &["--health-cmd", "[ -e /ok ]", "--health-retries", "2"]);
        let told = || {
            let words = [
                "events",
                "--until",
                "0s",
                "--filter",
                "event=health_status",
                "--format",
            ];
            world
                .tare(words)
                .args(["{{.Action}} {{.Actor.Attributes.name}}"])
                .ok()
        };
        let mut all = String::new();
        for (words, status) in [
            (&["true"][..], "unhealthy"),
            (&["touch", "/ok"], "healthy"),
            (&["rm", "/ok"], "unhealthy"),
        ] {
            let _ = world.tare(["exec", "web"]).args(words).ok();
            until_it_is(world, status);
            all += &format!("health_status: {status} web\n");
            // Each by a process of its own, of which the next may be the faster.
            until(&all, || told() == all);
        }
        remove(world);
        // A supervisor that goes on with it tells of what has changed since.
        assert_eq!(told(), all);
    });
}
