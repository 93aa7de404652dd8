//! `tare top` and `tare stats`: the processes of a container, and what it uses.

use crate::shell::{NEEDS, assert_nothing_left, ready, until};
use tare_kit::{Need, Tare, test};

fn start(tare: &dyn Fn(&[&str]) -> Tare) {
    let busy = "sleep 1000 & while :; do :; done";
    let _ = tare(&[
        "run", "-d", "--name", "web", "-m", "64m", "busybox", "sh", "-c", busy,
    ])
    .ok();
}

#[test]
fn processes_are_listed_as_by_ps() {
    test(NEEDS, |world| {
        ready(world);
        let tare = |words: &[&str]| world.tare(words);
        start(&tare);
        let listed = || tare(&["top", "web"]).ok();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        // Until it has executed its program, the second one is a copy of the first.
        let sleeps = |line: &str| words(line).get(7).is_some_and(|name| name == "sleep");
        until("it sleeps", || listed().lines().any(sleeps));
        let all = listed();
        let mut lines = all.lines();
        assert_eq!(
            words(lines.next().unwrap_or_default()),
            ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
        );
        let first = words(lines.next().unwrap_or_default());
        let pid = tare(&["inspect", "-f", "{{.State.Pid}}", "web"]).ok();
        assert_eq!(
            (first[0].as_str(), first[1].as_str(), first[5].as_str()),
            ("root", pid.trim(), "?"),
            "{all}"
        );
        let second = words(lines.next().unwrap_or_default());
        assert_eq!(
            (second[2].as_str(), &second[7..]),
            (pid.trim(), &["sleep".to_owned(), "1000".to_owned()][..]),
            "{all}"
        );
        // The machine's own ps shows them with other columns, and nothing else.
        if Tare::program("sh").args(["-c", "command -v ps"]).run().code() == Some(0) {
            let shown = tare(&["top", "web", "-eo", "pid,comm"]).ok();
            let names: Vec<_> = shown.lines().map(words).map(|line| line[1].clone()).collect();
            assert_eq!(names, ["COMMAND", "sh", "sleep"], "{shown}");
        }
        let _ = tare(&["kill", "web"]).ok();
        let refused = tare(&["top", "web"]).fails(125);
        assert!(refused.contains("it is not running"), "{refused}");
        let _ = tare(&["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn what_is_used_is_shown() {
    test(NEEDS, |world| {
        ready(world);
        let tare = |words: &[&str]| world.tare(words);
        start(&tare);
        let counted = ["stats", "--no-stream", "--format", "{{.PIDs}}"];
        until("both run", || tare(&counted).ok() == "2\n");
        let table = tare(&["stats", "--no-stream"]).ok();
        let heading = "CONTAINER ID   NAME      CPU %";
        assert!(table.starts_with(heading), "{table}");
        let shown = || -> serde_json::Value {
            let json = tare(&["stats", "--no-stream", "--format", "json", "web"]).ok();
            serde_json::from_str(&json).expect("JSON")
        };
        let share = |json: &serde_json::Value| -> f64 {
            let text = json["CPUPerc"].as_str().expect("a text");
            text.trim_end_matches('%').parse().expect("a share")
        };
        // Others may have the processors for a while.
        let mut looks = std::iter::repeat_with(shown);
        let json = looks.find(|json| share(json) > 5.0).expect("a share");
        assert!(share(&json) <= 200.0, "{json}");
        let text = |name: &str| json[name].as_str().expect("a text").to_owned();
        assert!(text("MemUsage").ends_with("iB / 64MiB"), "{json}");
        assert_eq!(
            (
                text("PIDs").as_str(),
                text("NetIO").as_str(),
                text("Name").as_str()
            ),
            ("2", "0B / 0B", "web"),
            "{json}"
        );
        let mut streamed = tare(&["stats", "--format", "{{.Name}} {{.PIDs}}"]).start();
        assert_eq!(streamed.line().as_deref(), Some("\x1b[H\x1b[Jweb 2"));
        assert_eq!(streamed.line().as_deref(), Some("\x1b[H\x1b[Jweb 2"));
        drop(streamed);
        let _ = tare(&["kill", "web"]).ok();
        assert_eq!(tare(&["stats", "--no-stream", "--format", "{{.Name}}"]).ok(), "");
        let all = tare(&[
            "stats",
            "-a",
            "--no-stream",
            "--format",
            "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}}",
        ])
        .ok();
        assert_eq!(all, "web -- -- / -- --\n");
        let _ = tare(&["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn a_persons_are_listed_without_a_group() {
    test(&[crate::person::NEEDS, &[Need::Root]].concat(), |world| {
        crate::person::ready(world);
        let tare = |words: &[&str]| world.tare_as(world.person(), words);
        let _ = tare(&[
            "run",
            "-d",
            "--name",
            "web",
            "busybox",
            "sh",
            "-c",
            "sleep 1000 & wait",
        ])
        .ok();
        // Until it has executed its program, the second one is a copy of the first.
        until("it sleeps", || {
            tare(&["top", "web"]).ok().ends_with("sleep 1000\n")
        });
        let all = tare(&["top", "web"]).ok();
        assert!(
            all.lines()
                .nth(2)
                .is_some_and(|line| line.ends_with("sleep 1000")),
            "{all}"
        );
        let stats = tare(&["stats", "--no-stream", "--format", "{{.Name}} {{.NetIO}}"]).ok();
        assert_eq!(stats, "web 0B / 0B\n");
        let _ = tare(&["rm", "-f", "web"]).ok();
    });
}
