//! Programs run at points of the container's life.

use crate::bundle::{Bundle, NEEDS};
use serde_json::{Value, json};
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
        let text = std::fs::read_to_string(&log).unwrap();
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
        std::fs::create_dir_all(root.join("mnt")).unwrap();
        let given = world.folder("given");
        std::fs::write(given.join("given"), "by a hook\n").unwrap();
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
        let sh = |script: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", script], "timeout": 1}]);
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
