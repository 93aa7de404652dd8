//! Programs run at points of the container's life.

use crate::bundle::{Bundle, NEEDS};
use serde_json::{Value, json};
use std::fs;
use tare_kit::test;

#[test]
fn each_runs_at_its_point_with_the_state() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "echo main; cat /hook");
        let log = world.folder("out").join("log");
        let outside = |point: &str| {
            let script = format!("(echo {point}; cat; echo) >> {}", log.display());
            json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}])
        };
        let mut hooks = serde_json::Map::new();
        for point in [
            "prestart",
            "createRuntime",
            "createContainer",
            "poststart",
            "poststop",
        ] {
            hooks.insert(point.to_owned(), outside(point));
        }
        let inside = json!([{"path": "/bin/sh", "args": ["sh", "-c", "cat > /hook"]}]);
        hooks.insert("startContainer".to_owned(), inside);
        bundle.set("/hooks", Value::Object(hooks));
        bundle.set("/root/readonly", json!(false));
        let ran = bundle.run();
        assert_eq!(ran.code(), Some(0), "{ran}");
        let state: Value = serde_json::from_str(ran.stdout.strip_prefix("main\n").unwrap()).unwrap();
        assert_eq!((&state["status"], &state["pid"]), (&json!("created"), &json!(1)));
        let text = fs::read_to_string(&log).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let points: Vec<(&str, String)> = lines
            .chunks(2)
            .map(|pair| {
                let state: Value = serde_json::from_str(pair[1]).unwrap();
                (pair[0], state["status"].as_str().unwrap().to_owned())
            })
            .collect();
        let expected = [
            ("prestart", "created"),
            ("createRuntime", "creating"),
            ("createContainer", "creating"),
            ("poststart", "running"),
            ("poststop", "stopped"),
        ];
        assert_eq!(points, expected.map(|(point, status)| (point, status.to_owned())));
        bundle.assert_nothing_left();
    });
}

#[test]
fn one_that_mounts_into_the_root_by_its_path_is_seen_inside() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "cat /mnt/given");
        let root = bundle.path.join("rootfs");
        fs::create_dir_all(root.join("mnt")).unwrap();
        let given = world.folder("given");
        fs::write(given.join("given"), "by a hook\n").unwrap();
        let script = format!("mount --bind {} {}/mnt", given.display(), root.display());
        let hook = json!({"createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]});
        bundle.set("/hooks", hook);
        let ran = bundle.run();
        assert_eq!(ran.stdout, "by a hook\n", "{ran}");
    });
}

#[test]
fn one_that_fails_or_hangs_ends_the_container_and_is_told() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "sleep 100");
        let sh = |script: &str| {
            // To one that does not hang even a busy machine gives its turn in that time.
            let timeout = if script == "sleep 100" { 1 } else { 60 };
            json!([{"path": "/bin/sh", "args": ["sh", "-c", script], "timeout": timeout}])
        };
        for (point, script, part) in [
            (
                "prestart",
                "exit 3",
                "error running prestart hook #0: /bin/sh: it ended with code 3",
            ),
            (
                "createRuntime",
                "echo so >&2; exit 3",
                "it ended with code 3, and said \"so\"",
            ),
            ("createRuntime", "sleep 100", "longer than its timeout"),
            (
                "createContainer",
                "exit 3",
                "error running createContainer hook #0: /bin/sh: it ended with code 3",
            ),
            ("createContainer", "sleep 100", "longer than its timeout"),
            (
                "startContainer",
                "exit 3",
                "error running startContainer hook #0: /bin/sh: it ended with code 3",
            ),
            (
                "poststart",
                "exit 3",
                "error running poststart hook #0: /bin/sh: it ended with code 3",
            ),
        ] {
            bundle.set("/hooks", json!({ point: sh(script) }));
            let ran = bundle.run();
            assert_eq!(ran.code(), Some(1), "{point} {script}: {ran}");
            assert!(ran.stderr.contains(part), "{point} {script}: {ran}");
            bundle.assert_nothing_left();
        }
        // A terminal is one step more.
        bundle.set("/process/terminal", json!(true));
        bundle.set("/hooks", json!({"startContainer": sh("exit 3")}));
        let ran = bundle.run();
        let told = "error running startContainer hook #0: /bin/sh: it ended with code 3";
        assert!(ran.stderr.contains(told), "{ran}");
        bundle.set("/process/terminal", json!(false));
        bundle.set("/hooks", json!({"createRuntime": [{"path": "/nosuch"}]}));
        let ran = bundle.run();
        assert!(
            ran.stderr
                .contains("error running createRuntime hook #0: /nosuch"),
            "{ran}"
        );
        bundle.assert_nothing_left();
    });
}

#[test]
fn at_the_start_they_have_what_the_program_has() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "true");
        let hook =
            |script: &str| json!({"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]});
        bundle.set("/root/readonly", json!(false));
        bundle.set("/process/env", json!(["PATH=/bin", "A=b"]));
        bundle.set("/process/cwd", json!("/tmp"));
        bundle.set("/process/args", json!(["cat", "/said"]));
        fs::create_dir_all(bundle.path.join("rootfs/etc")).unwrap();
        fs::write(
            bundle.path.join("rootfs/etc/passwd"),
            "root:x:0:0::/home:/bin/sh\n",
        )
        .unwrap();
        bundle.set("/hooks", hook("(pwd; env | grep -v PWD | sort) > /said"));
        let ran = bundle.run();
        assert_eq!(ran.stdout, "/tmp\nA=b\nHOME=/home\nPATH=/bin\nSHLVL=1\n", "{ran}");
        for no_new_privileges in [true, false] {
            bundle.set("/process/noNewPrivileges", json!(no_new_privileges));
            let rule = json!({"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL"});
            bundle.set(
                "/linux/seccomp",
                json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}),
            );
            bundle.set("/hooks", hook("exec mkdir /made"));
            let ran = bundle.run();
            assert_eq!(ran.code(), Some(1), "{ran}");
            assert!(ran.stderr.contains("a bad system call"), "{ran}");
            bundle.assert_nothing_left();
        }
        // What one complains of is not lost with the terminal that it complains to.
        bundle.set("/linux/seccomp", Value::Null);
        bundle.set("/process/terminal", json!(true));
        bundle.set("/hooks", hook("echo complaint >&2; exit 1"));
        let ran = bundle.run();
        assert!(ran.stdout.contains("complaint"), "{ran}");
    });
}

#[test]
fn before_the_start_they_stand_in_the_root_or_the_bundle() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "cat /made");
        let sh = |script: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
        bundle.set(
            "/hooks",
            json!({"createRuntime": sh("pwd > where"), "createContainer": sh("echo here > ./made")}),
        );
        let ran = bundle.run();
        assert_eq!(ran.stdout, "here\n", "{ran}");
        let said = fs::read_to_string(bundle.path.join("where")).unwrap();
        assert_eq!(said.trim(), bundle.path.to_str().unwrap());
    });
}
