//! Bad input: one sentence that names what is wrong, code 1, nothing left.

use crate::bundle::{Bundle, NEEDS};
use serde_json::{Value, json};
use tare_kit::test;

#[test]
fn configurations() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "true");
        let good = bundle.config.clone();
        for (pointer, value, part) in [
            ("/ociVersion", json!("9.0.0"), "only versions 1 are known"),
            ("/ociVersion", json!(7), "invalid type"),
            ("/root/path", json!("nowhere"), "nowhere does not exist"),
            ("/process/args", json!([]), "no command"),
            (
                "/process/args",
                json!(["nosuch"]),
                "executable file not found in $PATH",
            ),
            (
                "/process/args",
                json!(["/nosuch"]),
                "stat /nosuch: no such file or directory",
            ),
            ("/process/cwd", json!("relative"), "it is not absolute"),
            (
                "/process/rlimits",
                json!([{"type": "RLIMIT_X", "hard": 1, "soft": 1}]),
                "RLIMIT_X",
            ),
            (
                "/linux/namespaces",
                json!([{"type": "nosuch"}]),
                "unknown variant `nosuch`",
            ),
            (
                "/linux/namespaces",
                json!([{"type": "pid"}, {"type": "pid"}, {"type": "mount"}]),
                "pid is given twice",
            ),
            ("/linux/resources", json!({"memory": {"limit": -7}}), "memory"),
            ("/linux/cgroupsPath", json!("/../x"), ".."),
            (
                "/linux/seccomp",
                json!({"defaultAction": "SCMP_ACT_X"}),
                "unknown variant `SCMP_ACT_X`",
            ),
            (
                "/linux/uidMappings",
                json!([{"containerID": 0, "hostID": 0, "size": 1}]),
                "uidMappings",
            ),
            (
                "/linux/sysctl",
                json!({"kernel.core_pattern": "|/x"}),
                "kernel.core_pattern",
            ),
            (
                "/mounts",
                json!([{"destination": "/x", "source": "/nowhere", "options": ["bind"]}]),
                "/nowhere does not exist",
            ),
        ] {
            bundle.config.clone_from(&good);
            bundle.set(pointer, value.clone());
            let ran = bundle.run();
            assert_eq!(ran.code(), Some(1), "{pointer} {value}: {ran}");
            assert!(
                ran.stderr.starts_with("tare-runtime: ") && ran.stderr.contains(part),
                "{pointer} {value}: {ran}"
            );
            bundle.assert_nothing_left();
        }
    });
}

#[test]
fn no_configuration_at_all() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "true");
        std::fs::write(bundle.path.join("config.json"), "{ not json").unwrap();
        let ran = bundle.run();
        assert!(
            ran.stderr
                .contains("config.json: key must be a string at line 1 column 3"),
            "{ran}"
        );
        std::fs::remove_file(bundle.path.join("config.json")).unwrap();
        let ran = bundle.run();
        assert!(
            ran.stderr.contains("config.json: no such file or directory"),
            "{ran}"
        );
        bundle.assert_nothing_left();
    });
}

#[test]
fn ids_and_arguments() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "true");
        let long = "x".repeat(4000);
        for (words, part) in [
            (&["create", "a/b"][..], "only letters, digits"),
            (&["create", ".."], "name of a folder"),
            (&["create", &long], "longer than 255 bytes"),
            (&["create"], "a container id is missing"),
            (&["state", "nosuch"], "container does not exist"),
            (&["kill", "nosuch", "TERM"], "container does not exist"),
            (&["kill", "nosuch", "NOSUCH"], "container does not exist"),
            (&["delete", "nosuch"], "container does not exist"),
            (&["create", "a", "b"], "\"b\" is one too many"),
            (&["nosuch"], "no command \"nosuch\""),
            (&["start", "--nosuch", "a"], "no such option"),
        ] {
            let told = bundle.runtime(words).fails(1);
            assert!(
                told.starts_with("tare-runtime: ") && told.contains(part),
                "{words:?}: {told}"
            );
        }
        let _ = bundle.runtime(&["delete", "--force", "nosuch"]).ok();
    });
}

#[test]
fn errors_go_to_the_log_in_the_shape_that_engines_read() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "true");
        let log = world.folder("out").join("log.json");
        let words = [
            "--log",
            log.to_str().unwrap(),
            "--log-format",
            "json",
            "state",
            "nosuch",
        ];
        let _ = bundle.runtime(&words).fails(1);
        let line: Value = serde_json::from_str(std::fs::read_to_string(&log).unwrap().trim()).unwrap();
        assert_eq!(line["level"], json!("error"));
        assert!(
            line["msg"].as_str().unwrap().contains("container does not exist"),
            "{line}"
        );
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    });
}
