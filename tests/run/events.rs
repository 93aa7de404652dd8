//! The journal: what was done, by whom, followed and replayed; and a disk that does not take it.

use crate::shell::{NEEDS, assert_nothing_left, ready, until};
use serde_json::Value;
use tare_kit::{Tare, World, test};

/// Everything that was written down.
fn events(tare: &dyn Fn(&[&str]) -> Tare, filters: &[&str]) -> Vec<Value> {
    let mut words = vec!["events", "--since", "1h", "--until", "0s", "--format", "json"];
    filters
        .iter()
        .for_each(|filter| words.extend(["--filter", *filter]));
    let told = tare(&words).ok();
    told.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn actions(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["Action"].as_str().expect("an action"))
        .collect()
}

/// What is done to a container from its beginning to its end, as it is told.
fn live_and_tell(tare: &dyn Fn(&[&str]) -> Tare, uid: u64) {
    let words = [
        "run", "-d", "--name", "web", "--label", "a=b", "busybox", "sh", "-c",
    ];
    let script = "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done";
    let id = tare(&words).args([script]).ok();
    until("it hears what it is asked", || {
        tare(&["logs", "web"]).ok() == "up\n"
    });
    for words in [
        &["exec", "web", "true"][..],
        &["stop", "web"],
        &["start", "web"],
        &["rename", "web", "old"],
        &["kill", "old"],
        &["rm", "old"],
    ] {
        let _ = tare(words).ok();
    }
    let _ = tare(&["stop", "none"]).fails(125);
    let of_it = events(tare, &[&format!("container={}", id.trim())]);
    assert_eq!(
        actions(&of_it),
        [
            "create",
            "start",
            "exec_start: true",
            "exec_die",
            "die",
            "stop",
            "start",
            "rename",
            "die",
            "kill",
            "destroy"
        ]
    );
    for event in &of_it {
        assert_eq!(
            (&event["Type"], &event["outcome"], &event["by"]["uid"]),
            (&"container".into(), &"done".into(), &uid.into()),
            "{event}"
        );
        assert_eq!(event["Actor"]["Attributes"]["a"], "b", "{event}");
    }
    look_at_details(&of_it);
    let failed = events(tare, &["outcome=failed"]);
    assert_eq!(actions(&failed), ["stop"]);
    assert!(
        failed[0]["error"]
            .as_str()
            .is_some_and(|why| why.contains("none of that name")),
        "{}",
        failed[0]
    );
    assert_eq!(
        actions(&events(tare, &["label=a=b", "event=die"])),
        ["die", "die"]
    );
}

/// What is told of single ones.
fn look_at_details(of_it: &[Value]) {
    let attribute = |at: usize, name: &str| {
        of_it[at]["Actor"]["Attributes"][name]
            .as_str()
            .unwrap_or_default()
    };
    assert_eq!(
        (
            attribute(4, "exitCode"),
            attribute(8, "exitCode"),
            attribute(8, "signal")
        ),
        ("3", "137", "9")
    );
    assert_eq!(
        (
            attribute(0, "image"),
            attribute(7, "newName"),
            attribute(9, "name")
        ),
        ("busybox", "old", "old")
    );
    let stages: Vec<&str> = of_it[1]["stages"]
        .as_array()
        .expect("stages")
        .iter()
        .filter_map(|s| s[0].as_str())
        .collect();
    assert_eq!(
        stages,
        ["plan", "record", "snapshot", "bundle", "supervisor", "process"]
    );
    assert_eq!(of_it[1]["by"]["program"], "tare");
}

#[test]
fn what_is_done_is_written_down_with_who_asked() {
    test(NEEDS, |world| {
        ready(world);
        let login = std::fs::read_to_string("/proc/self/loginuid").unwrap_or_default();
        live_and_tell(&|words| world.tare(words), 0);
        let all = events(&|words| world.tare(words), &["type=image"]);
        assert_eq!(actions(&all), ["load"]);
        let known = login.trim().parse::<u32>().ok().filter(|uid| *uid != u32::MAX);
        assert_eq!(all[0]["by"]["loginuid"], serde_json::json!(known));
        assert_nothing_left(world);
    });
}

#[test]
fn a_person_is_who_he_is_outside() {
    test(crate::person::NEEDS, |world| {
        crate::person::ready(world);
        live_and_tell(&|words| world.tare_as(world.person(), words), 1500);
    });
}

#[test]
fn they_are_followed_and_shown_in_every_form() {
    test(NEEDS, |world| {
        ready(world);
        let form = "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}";
        let mut follow = world
            .tare(["events", "--format", form, "--filter", "type=container"])
            .start();
        // It follows when it has passed over what was there: it watches before that, and sleeps after it.
        let followed = |id: u32| {
            let watches = std::fs::read_dir(format!("/proc/{id}/fd"))
                .into_iter()
                .flatten()
                .flatten()
                .any(|fd| {
                    std::fs::read_link(fd.path()).is_ok_and(|link| link.to_string_lossy().contains("inotify"))
                });
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("how it is");
            watches && stat.contains(") S ")
        };
        while !followed(follow.id().as_raw_nonzero().get().unsigned_abs()) {}
        let _ = world
            .tare(["run", "--name", "web", "busybox", "sh", "-c", "exit 4"])
            .run();
        for line in ["container create web", "container start web", "container die web"] {
            assert_eq!(follow.line().as_deref(), Some(line));
        }
        let id = world.tare(["ps", "-aq", "--no-trunc"]).ok();
        let told = world
            .tare([
                "events",
                "--since",
                "1h",
                "--until",
                "0s",
                "--filter",
                "event=die",
            ])
            .ok();
        let last = told.lines().last().expect("a line");
        assert!(
            last.contains(&format!(" container die {} (execDuration=", id.trim())),
            "{last}"
        );
        assert!(last.ends_with("exitCode=4, image=busybox, name=web)"), "{last}");
        let wrong = world.tare(["events", "--filter", "contaner=x"]).fails(125);
        assert!(wrong.contains("did you mean container?"), "{wrong}");
        follow.signal(rustix::process::Signal::TERM);
        let _ = follow.finish();
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn memory_that_ran_out_is_told_with_its_limit() {
    test(NEEDS, |world| {
        ready(world);
        let out = world
            .tare([
                "run",
                "--name",
                "web",
                "-m",
                "16m",
                "busybox",
                "tail",
                "/dev/zero",
            ])
            .run();
        assert_eq!(out.code(), Some(137), "{out}");
        let told = events(&|words| world.tare(words), &["container=web"]);
        assert_eq!(actions(&told), ["create", "start", "oom", "die"]);
        assert_eq!(told[2]["Actor"]["Attributes"]["limit"], "16777216");
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn a_journal_that_cannot_be_written_fails_nothing_and_the_gap_is_told() {
    test(NEEDS, |world| {
        ready(world);
        let file = journal(world).join("events.jsonl");
        std::fs::remove_file(&file).expect("empty it");
        std::fs::create_dir(&file).expect("a folder in its place");
        assert_eq!(
            world.tare(["run", "--rm", "busybox", "echo", "works"]).ok(),
            "works\n"
        );
        std::fs::remove_dir(&file).expect("make room");
        assert_eq!(
            world.tare(["run", "--rm", "busybox", "echo", "again"]).ok(),
            "again\n"
        );
        let told = events(&|words| world.tare(words), &[]);
        assert_eq!(actions(&told), ["gap", "create", "start", "die", "destroy"]);
        let gap = &told[0]["Actor"]["Attributes"];
        assert_eq!(gap["missing"], "4", "{gap}");
        assert!(
            gap["why"]
                .as_str()
                .is_some_and(|why| why.contains("is a directory")),
            "{gap}"
        );
        assert_nothing_left(world);
    });
}

fn journal(world: &World) -> std::path::PathBuf {
    world.data_root().join("journal")
}
