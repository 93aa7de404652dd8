//! `tare why`: each reason, told with its numbers, its stages and what to do.

use crate::shell::{NEEDS, assert_nothing_left, ready, until, until_said};
use tare_kit::{Tare, World, test};

fn why(tare: &dyn Fn(&[&str]) -> Tare) -> String {
    tare(&["why", "web"]).ok()
}

/// Whether all of it is there, in that order.
fn assert_says(said: &str, parts: &[&str]) {
    let mut rest = said;
    for part in parts {
        let at = rest
            .find(part)
            .unwrap_or_else(|| panic!("{part:?} is not (there) in\n{said}"));
        rest = &rest[at + part.len()..];
    }
}

fn remove(world: &World) {
    let _ = world.tare(["rm", "-f", "web"]).ok();
}

#[test]
fn each_end_has_its_reason() {
    test(NEEDS, |world| {
        ready(world);
        let tare = |words: &[&str]| world.tare(words);
        let run = ["run", "-d", "--name", "web", "busybox", "sh", "-c"];
        let _ = tare(&run).args(["echo working; exit 3"]).ok();
        until("it has ended", || {
            world.tare(["ps", "-a"]).ok().contains("Exited (3)")
        });
        let stages = [
            "create",
            "start after ",
            "(plan ",
            "record ",
            "snapshot ",
            "bundle ",
            "supervisor ",
            "process ",
            "die exitCode=3",
        ];
        let said = why(&tare);
        assert_says(
            &said,
            &["web has ended by itself, with code 3\n", "what happened:"],
        );
        assert_says(&said, &stages);
        assert_says(
            &said,
            &[
                "the last it wrote:\n  working\n",
                "hint: `tare start web` starts it",
            ],
        );
        remove(world);
        let said = why(&tare);
        assert_says(
            &said,
            &[
                "web is gone: it ended with code 3 and was removed",
                "destroy",
                "hint: ",
            ],
        );
        let _ = tare(&run)
            // It waits for no processor, however busy the machine is: that would be told.
            .args(["trap 'exit 0' TERM; echo up; sleep 1000 & wait"])
            .ok();
        until_said(world, "web", "up\n");
        assert_says(
            &why(&tare),
            &["web is running since 20", "hint: nothing holds it up"],
        );
        let _ = tare(&["pause", "web"]).ok();
        assert_says(
            &why(&tare),
            &[
                "web stands still: paused by uid 0 at 20",
                "hint: `tare unpause web`",
            ],
        );
        let _ = tare(&["unpause", "web"]).ok();
        let _ = tare(&["stop", "web"]).ok();
        assert_says(
            &why(&tare),
            &["web ended with code 0, after `tare stop` of uid 0 at 20"],
        );
        let _ = tare(&["start", "web"]).ok();
        let _ = tare(&["kill", "web"]).ok();
        assert_says(
            &why(&tare),
            &["web was ended by signal 9 (SIGKILL), after `tare kill` of uid 0"],
        );
        remove(world);
        let never = world.tare(["why", "never"]).fails(125);
        assert!(never.contains("there is none of that name or id"), "{never}");
        assert_nothing_left(world);
    });
}

#[test]
fn what_could_not_start_or_had_no_memory_says_why() {
    test(NEEDS, |world| {
        ready(world);
        let tare = |words: &[&str]| world.tare(words);
        let refused = tare(&["run", "--name", "web", "busybox", "no-such"]).fails(127);
        let said = why(&tare);
        assert_says(
            &said,
            &[
                "web is gone: it could not be started: ",
                "create",
                "start after ",
                " failed: ",
            ],
        );
        let sentence = refused
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("tare: "))
            .expect("a sentence");
        assert!(
            said.contains(sentence),
            "the same as run said: {sentence}\n{said}"
        );
        let out = tare(&[
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
        let said = why(&tare);
        let sentence = out.stderr.trim_end().strip_prefix("tare: ").expect("a sentence");
        assert_says(
            &said,
            &[
                sentence,
                "the cgroup with the limit is ",
                "1 of its processes were killed for memory",
            ],
        );
        assert_says(
            &said,
            &[
                "oom limit=16777216",
                "die exitCode=137 signal=9",
                "hint: give it more: `tare update -m 32m web`",
            ],
        );
        remove(world);
        let _ = tare(&["create", "--name", "web", "busybox", "true"]).ok();
        assert_says(
            &why(&tare),
            &[
                "web was made and never started",
                "hint: `tare start web` starts it",
            ],
        );
        remove(world);
        assert_nothing_left(world);
    });
}

#[test]
fn a_person_is_told_the_same() {
    test(crate::person::NEEDS, |world| {
        crate::person::ready(world);
        let tare = |words: &[&str]| world.tare_as(world.person(), words);
        let _ = tare(&["run", "--name", "web", "busybox", "sh", "-c", "exit 4"]).run();
        assert_says(
            &why(&tare),
            &[
                "web has ended by itself, with code 4",
                "start after ",
                "[uid 1500, pid ",
            ],
        );
        let _ = tare(&["rm", "web"]).ok();
    });
}

#[test]
fn who_asks_for_more_is_told_what_happened() {
    test(NEEDS, |world| {
        ready(world);
        let run = |options: &[&str]| world.tare(["run", "--name", "web"]).args(options);
        let plain = run(&["busybox", "no-such"]).fails(127);
        assert!(!plain.contains("what happened"), "{plain}");
        let told = run(&["-v", "/run:/x", "busybox", "no-such"])
            .args(["x"])
            .fails(127);
        assert!(!told.contains("what happened"), "{told}");
        let told = world
            .tare(["--verbose", "run", "--rm", "--name", "web", "busybox", "no-such"])
            .fails(127);
        assert_says(
            &told,
            &[
                "what happened:\n",
                "create",
                "start after ",
                "failed: ",
                "tare: execute no-such",
            ],
        );
        let greedy = ["-m", "16m", "busybox", "tail", "/dev/zero"];
        let told = world
            .tare(["--verbose", "run", "--name", "web"])
            .args(greedy)
            .fails(137);
        assert_says(
            &told,
            &[
                "tare: web was killed for memory",
                "what happened:\n",
                "oom limit=",
                "die exitCode=137",
            ],
        );
        let told = world.tare(["--verbose", "start", "-a", "web"]).fails(137);
        assert_says(&told, &["what happened:\n", "die exitCode=137", "start after "]);
        remove(world);
        assert_nothing_left(world);
    });
}
