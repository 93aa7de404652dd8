//! `tare cgroup`: groups by cgcreate's words, limited, entered, listed and removed.

use std::path::{Path, PathBuf};
use tare_kit::{Need, World, test};

const NEEDS: &[Need] = &[Need::Root];

/// The folder of a group in the hierarchy of a controller, on version 1 and 2.
fn folder(controller: &str, group: &str) -> PathBuf {
    let v1 = Path::new("/sys/fs/cgroup").join(controller);
    let top = if v1.is_dir() { v1 } else { "/sys/fs/cgroup".into() };
    top.join(group)
}

fn has_v1() -> bool {
    Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists()
        || Path::new("/sys/fs/cgroup/memory/tasks").exists()
}

/// The control file that limits memory.
fn limit() -> &'static str {
    if has_v1() {
        "memory.limit_in_bytes"
    } else {
        "memory.max"
    }
}

fn quiet(world: &World, words: &[&str]) {
    assert_eq!(world.tare(["cgroup"]).args(words).ok(), "", "{words:?}");
}

#[test]
fn a_group_is_made_limited_entered_listed_and_removed() {
    test(NEEDS, |world| {
        let set = format!("{}=64M", limit());
        quiet(
            world,
            &[
                "create",
                "-g",
                "memory,pids:/seed/one",
                "--set",
                &set,
                "--set",
                "pids.max=50",
            ],
        );
        let read = |file: &str| {
            let of = file.split('.').next().expect("a controller");
            std::fs::read_to_string(folder(of, "seed/one").join(file)).expect("a control file")
        };
        assert_eq!(read(limit()), "67108864\n");
        assert_eq!(read("pids.max"), "50\n");
        assert!(!has_v1() || !folder("cpu", "seed").exists(), "not asked for");
        let own = world
            .tare([
                "cgroup",
                "exec",
                "-g",
                "memory,pids:/seed/one",
                "cat",
                "/proc/self/cgroup",
            ])
            .ok();
        for line in own.lines() {
            let is_named = ["memory", "pids"]
                .iter()
                .any(|name| line.split(':').nth(1) == Some(name))
                || !has_v1();
            assert_eq!(line.ends_with(":/seed/one"), is_named, "{line}");
        }
        let format = ["--format", "{{.Controllers}} {{.Group}} {{.NProcs}}"];
        let list = world.tare(["cgroup", "ls", "-g", "pids:/seed"]).args(format).ok();
        let label = if has_v1() { "pids" } else { "unified" };
        assert_eq!(list, format!("{label} /seed 0\n{label} /seed/one 0\n"));
        let all = world.tare(["cgroup", "ls"]).ok();
        assert!(
            all.starts_with("CONTROLLERS") && all.contains("/seed/one"),
            "{all}"
        );
        let bare = world.tare(["cgroup", "list", "-n", "pids:/seed/one"]).ok();
        assert_eq!(bare.lines().count(), 1);
        let below = world.tare(["cgroup", "rm", "memory,pids:/seed"]).fails(125);
        assert_eq!(
            below,
            "tare: remove cgroup /seed: groups are below it\n\
             hint: `tare cgroup rm -r -g memory,pids:/seed` removes them with it\n"
        );
        quiet(world, &["rm", "-g", "memory,pids:/seed/one"]);
        quiet(world, &["rm", "memory,pids:/seed"]);
        assert!(!folder("memory", "seed").exists() && !folder("pids", "seed").exists());
    });
}

#[test]
fn a_program_ends_as_by_itself_and_within_its_limit() {
    test(NEEDS, |world| {
        let set = format!("{}=16M", limit());
        quiet(world, &["create", "-g", "memory:/seed", "--set", &set]);
        let run = |words: &[&str]| {
            world
                .tare(["cgroup", "exec", "-g", "memory:seed"])
                .args(words)
                .run()
        };
        assert_eq!(run(&["sh", "-c", "exit 7"]).code(), Some(7));
        assert_eq!(run(&["sh", "-c", "kill -TERM $$"]).signal(), Some(15));
        assert_eq!(run(&["nosuch", "-x"]).code(), Some(127));
        assert_eq!(run(&["/etc/passwd"]).code(), Some(126));
        assert_eq!(run(&["echo", "-g", "x"]).stdout, "-g x\n");
        let killed = run(&["tail", "/dev/zero"]);
        assert_eq!(killed.signal(), Some(9), "{killed}");
        quiet(world, &["rm", "-g", "memory:/seed"]);
    });
}

#[test]
fn what_is_there_stays_and_what_fails_leaves_nothing() {
    test(NEEDS, |world| {
        quiet(world, &["create", "-g", "pids:/seed", "--set", "pids.max=9"]);
        quiet(world, &["create", "-g", "pids:/seed"]);
        let read = || std::fs::read_to_string(folder("pids", "seed/pids.max")).expect("a file");
        assert_eq!(read(), "9\n");
        let bad = world
            .tare(["cgroup", "create", "-g", "pids:/seed", "--set", "pids.max=x"])
            .fails(125);
        assert!(
            bad.contains("set pids.max of /seed: the kernel does not take the value \"x\""),
            "{bad}"
        );
        assert_eq!(read(), "9\n");
        let _ = world
            .tare(["cgroup", "create", "-g", "pids:/new", "--set", "pids.max=x"])
            .fails(125);
        assert!(!folder("pids", "new").exists());
        let mut running = world
            .tare([
                "cgroup",
                "exec",
                "-g",
                "pids:/seed",
                "sh",
                "-c",
                "echo up; read x",
            ])
            .start();
        assert_eq!(running.line().as_deref(), Some("up"));
        let list = world
            .tare(["cgroup", "ls", "pids:/seed", "--format", "{{.NProcs}}"])
            .ok();
        assert_eq!(list, "1\n");
        let busy = world.tare(["cgroup", "rm", "pids:/seed"]).fails(125);
        assert!(
            busy.starts_with("tare: remove cgroup /seed: 1 processes are in it")
                && busy.contains("hint: end them first"),
            "{busy}"
        );
        let _ = running.finish();
        quiet(world, &["rm", "pids:/seed"]);
    });
}

#[test]
fn bad_words_get_one_sentence() {
    test(NEEDS, |world| {
        for (words, text) in [
            (&["create"][..], "cgroup create: no group is named"),
            (&["rm"], "cgroup rm: no group is named"),
            (&["exec", "true"], "cgroup exec: no group is named"),
            (&["create", "-g", "cpu"], "\"cpu\": there is no colon in it"),
            (&["create", "-g", ":/a"], "the name of a controller is empty"),
            (&["create", "-g", "pids:/"], "it names the root"),
            (&["create", "-g", "pids:/a/../../b"], "a part of it is . or .."),
            (
                &["create", "-g", "pids:/cgroup.procs"],
                "a name of the kernel's own",
            ),
            (
                &["create", "-g", "disk:/a"],
                "there is no controller disk on this machine\nhint: there are ",
            ),
            (
                &["create", "-g", "pids:/a", "--set", "pids.max"],
                "is not a control file, an equals sign and a value",
            ),
            (
                &["create", "-g", "pids:/a", "--set", "tasks=1"],
                "that is no limit of a controller",
            ),
            (
                &["create", "-g", "pids:/a", "--set", "cgroup.procs=1"],
                "that is no limit of a controller",
            ),
            (
                &["create", "-g", "pids:/a", "--set", "pids.max/../x=1"],
                "that is no limit of a controller",
            ),
            (
                &["create", "-g", "pids:/a", "--set", "pids.maximum=1"],
                "none of its controllers has such a file",
            ),
            (
                &["exec", "-g", "pids:/none", "true"],
                "/none of pids: there is none\nhint: `tare cgroup create -g pids:/none`",
            ),
            (&["rm", "pids:/none"], "there is none"),
            (&["ls", "pids:/none"], "there is none"),
        ] {
            let said = world.tare(["cgroup"]).args(words).fails(125);
            assert!(said.contains(text), "{words:?}: {said}");
            assert!(said.starts_with("tare: ") && said.lines().count() <= 2, "{said}");
        }
        assert!(!folder("pids", "a").exists());
    });
}

#[test]
fn the_tree_without_controllers_has_groups_too() {
    test(NEEDS, |world| {
        if !Path::new("/sys/fs/cgroup/unified").is_dir() {
            return;
        }
        quiet(world, &["create", "-g", "unified:/seed"]);
        let own = world
            .tare([
                "cgroup",
                "exec",
                "-g",
                "unified:/seed",
                "grep",
                "^0:",
                "/proc/self/cgroup",
            ])
            .ok();
        assert_eq!(own, "0::/seed\n");
        quiet(world, &["create", "-g", "*:/all"]);
        let own = world
            .tare(["cgroup", "exec", "-g", "*:/all", "cat", "/proc/self/cgroup"])
            .ok();
        assert!(own.lines().all(|line| line.ends_with(":/all")), "{own}");
        quiet(world, &["rm", "unified:/seed", "*:/all"]);
    });
}

#[test]
fn an_ordinary_user_divides_what_was_given() {
    test(NEEDS, |world| {
        let person = world.person();
        let tare = |words: &[&str]| world.tare_as(person, words);
        let denied = tare(&["cgroup", "create", "-g", "pids:mine"]).fails(125);
        assert!(
            denied.contains("permission denied\nhint: run as root, or have a group delegated"),
            "{denied}"
        );
        assert!(tare(&["cgroup", "ls", "-n"]).ok().lines().count() >= 1);
        // On version 2 who divides a group is in one below it.
        quiet(world, &["create", "-g", "pids:/given/shell"]);
        let given = folder("pids", "given");
        let id = Some(person.id());
        std::os::unix::fs::chown(&given, id, id).expect("give a group");
        for file in ["cgroup.procs", "tasks", "cgroup.subtree_control"] {
            if given.join(file).exists() {
                std::os::unix::fs::chown(given.join(file), id, id).expect("give a file");
            }
        }
        let own = world.program_path("tare").display().to_string();
        let script = format!(
            "{own} cgroup create -g pids:mine/a --set pids.max=7 && {own} cgroup exec -g pids:mine/a cat /proc/self/cgroup && {own} cgroup rm -r pids:mine"
        );
        let as_person = person.id().to_string();
        let words = [
            "cgroup",
            "exec",
            "-g",
            "pids:/given/shell",
            "setpriv",
            "--clear-groups",
        ];
        let out = world
            .tare(words)
            .args([format!("--reuid={as_person}"), format!("--regid={as_person}")])
            .args(["sh", "-c", &script])
            .env("XDG_RUNTIME_DIR", format!("/run/user/{as_person}"))
            .ok();
        assert!(out.contains(":/given/mine/a\n"), "{out}");
        assert!(!given.join("mine").exists());
        quiet(world, &["rm", "-r", "pids:/given"]);
    });
}
