//! From creation to deletion.

use crate::bundle::{Bundle, NEEDS};
use serde_json::{Value, json};
use tare_kit::{Need, Tare, test};

#[test]
fn run_gives_the_output_and_the_code() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "echo $$; cat /proc/self/cgroup | head -1; exit 7");
        let ran = bundle.run();
        assert_eq!(ran.code(), Some(7), "{ran}");
        assert!(
            ran.stdout.starts_with("1\n") && ran.stdout.ends_with(":/\n"),
            "{ran}"
        );
        bundle.assert_nothing_left();
    });
}

#[test]
fn each_verb_finds_the_container_where_the_one_before_left_it() {
    test(NEEDS, |world| {
        let script = "trap 'exit 3' TERM; : >/dev/shm/up; while :; do sleep 0.05; done";
        let bundle = Bundle::new(world, script);
        bundle.create();
        assert_eq!(bundle.status(), "created");
        let state: Value = serde_json::from_str(&bundle.runtime(&["state", "c"]).ok()).unwrap();
        assert_eq!(state["bundle"], json!(bundle.path));
        let pid = state["pid"].as_i64().unwrap();
        assert!(std::path::Path::new(&format!("/proc/{pid}/comm")).exists());
        let _ = bundle.runtime(&["start", "c"]).ok();
        assert_eq!(bundle.status(), "running");
        let again = bundle.runtime(&["start", "c"]).fails(1);
        assert!(
            again.contains("cannot start an already running container"),
            "{again}"
        );
        let _ = bundle.runtime(&["pause", "c"]).ok();
        assert_eq!(bundle.status(), "paused");
        let _ = bundle.runtime(&["resume", "c"]).ok();
        assert_eq!(bundle.status(), "running");
        let pids: Vec<i64> = serde_json::from_str(&bundle.runtime(&["ps", "-f", "json", "c"]).ok()).unwrap();
        assert!(pids.contains(&pid), "{pids:?}");
        let refused = bundle.runtime(&["delete", "c"]).fails(1);
        assert!(refused.contains("that is not stopped: running"), "{refused}");
        let listed = bundle.runtime(&["list", "-q"]).ok();
        assert_eq!(listed, "c\n");
        // A first process does not hear what it has not said that it hears.
        let up = format!("/proc/{pid}/root/dev/shm/up");
        while !std::path::Path::new(&up).exists() {}
        let _ = bundle.runtime(&["kill", "c", "SIGTERM"]).ok();
        bundle.wait_until_stopped();
        let late = bundle.runtime(&["kill", "c"]).fails(1);
        assert!(late.contains("container not running"), "{late}");
        let _ = bundle.runtime(&["delete", "c"]).ok();
        bundle.assert_nothing_left();
    });
}

#[test]
fn a_created_container_is_deleted_without_force() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "echo never");
        bundle.create();
        let _ = bundle.runtime(&["delete", "c"]).ok();
        bundle.assert_nothing_left();
    });
}

#[test]
fn a_second_container_of_one_id_is_refused_and_the_first_lives_on() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "sleep 100");
        bundle.start();
        let path = bundle.path.to_str().unwrap();
        let told = bundle.runtime(&["create", "-b", path, "c"]).fails(1);
        assert!(told.contains("container with given ID already exists"), "{told}");
        assert_eq!(bundle.status(), "running");
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        bundle.assert_nothing_left();
    });
}

#[test]
fn limits_are_set_and_changed() {
    test(&[NEEDS, &[tare_kit::Need::Cgroup1]].concat(), |world| {
        let mut bundle = Bundle::new(world, "sleep 100");
        bundle.set("/linux/cgroupsPath", json!("/c"));
        bundle.set("/linux/resources/memory", json!({"limit": 32 << 20}));
        bundle.start();
        let limit = || std::fs::read_to_string("/sys/fs/cgroup/memory/c/memory.limit_in_bytes").unwrap();
        assert_eq!(limit().trim(), (32 << 20).to_string());
        let _ = bundle.runtime(&["update", "--memory", "48m", "c"]).ok();
        assert_eq!(limit().trim(), (48 << 20).to_string());
        let document = bundle
            .runtime(&["update", "-r", "-", "c"])
            .stdin(r#"{"memory":{"limit":67108864}}"#);
        let _ = document.ok();
        assert_eq!(limit().trim(), (64 << 20).to_string());
        let _ = bundle.runtime(&["delete", "--force", "c"]).ok();
        bundle.assert_nothing_left();
    });
}

#[test]
fn what_it_uses_is_told() {
    test(&[NEEDS, &[tare_kit::Need::Cgroup1]].concat(), |world| {
        let mut bundle = Bundle::new(world, "sleep 100");
        bundle.set("/linux/resources/memory", json!({"limit": 32 << 20}));
        bundle.set("/linux/resources/pids", json!({"limit": 20}));
        bundle.start();
        let event: Value = serde_json::from_str(&bundle.runtime(&["events", "--stats", "c"]).ok()).unwrap();
        assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!("c")));
        let data = &event["data"];
        assert_eq!(data["memory"]["usage"]["limit"], json!(32 << 20), "{event}");
        assert!(data["memory"]["usage"]["usage"].as_u64() > Some(0), "{event}");
        assert!(data["cpu"]["usage"]["total"].as_u64() > Some(0), "{event}");
        assert_eq!(data["pids"]["limit"], json!(20), "{event}");
        assert!(data["pids"]["current"].as_u64() > Some(0), "{event}");
        // Without --stats it goes on until the end.
        let mut watching = bundle.runtime(&["events", "--interval", "50ms", "c"]).start();
        assert!(watching.line().is_some_and(|line| line.contains("\"stats\"")));
        let _ = bundle.runtime(&["kill", "c", "KILL"]).ok();
        let (status, _) = watching.finish();
        assert!(status.success());
        let _ = bundle.runtime(&["delete", "c"]).ok();
    });
}

#[test]
fn files_for_others_are_written_whole() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "sleep 100");
        let file = world.folder("out").join("pid");
        let words = [
            "create",
            "--pid-file",
            file.to_str().unwrap(),
            "-b",
            bundle.path.to_str().unwrap(),
            "c",
        ];
        let _ = bundle.runtime(&words).ok();
        let state: Value = serde_json::from_str(&bundle.runtime(&["state", "c"]).ok()).unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), state["pid"].to_string());
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
    });
}

#[test]
fn no_fd_but_its_own_reaches_the_program() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "ls /proc/self/fd");
        // ls has its listing open as 3, and nothing else.
        assert_eq!(bundle.run().stdout, "0\n1\n2\n3\n");
        let line = format!(
            "exec 3</etc/passwd 7</etc/passwd; exec {} --root {} run --preserve-fds 1 -b {} c",
            "/mnt/bin/tare-runtime",
            bundle.home().display(),
            bundle.path.display()
        );
        let passed = Tare::program("bash").args(["-c", &line]).ok();
        assert_eq!(
            passed, "0\n1\n2\n3\n4\n",
            "one was to be passed on, and the other not"
        );
    });
}

/// What a runtime needs itself counts in the container's group until the program runs.
#[test]
fn a_small_program_starts_under_a_limit_of_one_mebibyte() {
    test(&[NEEDS, &[Need::Cgroup1]].concat(), |world| {
        let mut bundle = Bundle::new(world, "");
        bundle.set("/process/args", json!(["busybox", "true"]));
        bundle.set("/linux/resources/memory", json!({"limit": 1_048_576}));
        for _ in 0..5 {
            let ran = bundle.run();
            assert_eq!(ran.code(), Some(0), "{ran}");
        }
        bundle.assert_nothing_left();
    });
}

/// A process that the version 1 freezer holds dies only when it is thawed.
#[test]
fn a_paused_container_is_deleted_by_force_at_once() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "sleep 100");
        bundle.start();
        let _ = bundle.runtime(&["pause", "c"]).ok();
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        bundle.assert_nothing_left();
    });
}

#[test]
fn a_read_only_dev_has_everything_in_it_first() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "echo > /dev/null && touch /dev/x");
        for mount in bundle.config["mounts"].as_array_mut().unwrap() {
            if mount["destination"] == "/dev" {
                mount["options"].as_array_mut().unwrap().push(json!("ro"));
            }
        }
        let mounts = bundle.config["mounts"].clone();
        bundle.set("/mounts", mounts);
        let ran = bundle.run();
        assert!(ran.stderr.contains("/dev/x: Read-only file system"), "{ran}");
        bundle.assert_nothing_left();
    });
}

#[test]
fn killed_it_is_gone_with_all_it_started() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "sleep 100 & sleep 100 & wait");
        bundle.share("pid");
        bundle.start();
        let pids = || -> Vec<i32> {
            serde_json::from_str(&bundle.runtime(&["ps", "-f", "json", "c"]).ok()).unwrap()
        };
        while pids().len() < 3 {}
        let _ = bundle.runtime(&["kill", "c", "KILL"]).ok();
        while !pids().is_empty() {}
        // One that ends is in no group any more a moment before it has ended.
        bundle.wait_until_stopped();
        let late = bundle.runtime(&["kill", "c", "KILL"]).fails(1);
        assert!(late.contains("container not running"), "{late}");
        let _ = bundle.runtime(&["delete", "c"]).ok();
        // And where its first process is gone before.
        bundle.start();
        while pids().len() < 3 {}
        let first: Value = serde_json::from_str(&bundle.runtime(&["state", "c"]).ok()).unwrap();
        let kill = format!("kill -KILL {}", first["pid"]);
        let _ = Tare::program("sh").args(["-c", &kill]).ok();
        bundle.wait_until_stopped();
        // One that is on its way out counts as stopped, and is in its group a moment longer.
        while pids().len() > 2 {}
        assert_eq!(pids().len(), 2);
        let _ = bundle.runtime(&["kill", "c", "KILL"]).ok();
        while !pids().is_empty() {}
        let _ = bundle.runtime(&["delete", "c"]).ok();
        bundle.assert_nothing_left();
    });
}

#[test]
fn killed_it_is_gone_though_it_was_paused() {
    test(NEEDS, |world| {
        // Where version 2 is there as well it is what freezes, and it lets killed processes go by itself.
        const UNIFIED: &str = "/sys/fs/cgroup/unified";
        let covered = std::path::Path::new(UNIFIED).is_dir();
        if covered {
            let _ = Tare::program("mount").args(["-t", "tmpfs", "none", UNIFIED]).ok();
        }
        let bundle = Bundle::new(world, "sleep 100");
        bundle.start();
        let _ = bundle.runtime(&["pause", "c"]).ok();
        let _ = bundle.runtime(&["kill", "c", "KILL"]).ok();
        bundle.wait_until_stopped();
        let _ = bundle.runtime(&["delete", "c"]).ok();
        bundle.assert_nothing_left();
        if covered {
            let _ = Tare::program("umount").args([UNIFIED]).ok();
        }
    });
}

#[test]
fn asked_to_end_before_it_was_started_it_ends() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "echo never");
        for signal in ["TERM", "INT", "HUP", "QUIT"] {
            bundle.create();
            let _ = bundle.runtime(&["kill", "c", signal]).ok();
            bundle.wait_until_stopped();
            let _ = bundle.runtime(&["delete", "c"]).ok();
        }
        bundle.assert_nothing_left();
    });
}
