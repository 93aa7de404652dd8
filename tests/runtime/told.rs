//! What the command tells besides errors: warnings, what it does, help.

use crate::bundle::{Bundle, NEEDS};
use serde_json::{Value, json};
use std::fs;
use tare_kit::test;

#[test]
fn rights_that_are_not_given_are_warned_of() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "grep CapAmb /proc/self/status");
        bundle.set("/process/capabilities/inheritable", json!(["CAP_KILL"]));
        bundle.set(
            "/process/capabilities/ambient",
            json!(["CAP_KILL", "CAP_CHOWN", "CAP_NOSUCH"]),
        );
        let ran = bundle.run();
        assert_eq!(ran.stdout, "CapAmb:\t0000000000000020\n", "{ran}");
        for told in [
            "tare-runtime: warning: can't raise ambient capability CAP_CHOWN: ",
            "tare-runtime: warning: ignoring unknown or unavailable capabilities: {\"CAP_NOSUCH\"}",
        ] {
            assert!(ran.stderr.contains(told), "{ran}");
        }
        // Whoever reads the log has them there, and people not twice.
        let log = world.folder("logs").join("log");
        let words = [
            "--log",
            log.to_str().unwrap(),
            "--log-format",
            "json",
            "run",
            "--bundle",
        ];
        let ran = bundle
            .runtime(&[&words[..], &[bundle.path.to_str().unwrap(), "c"]].concat())
            .run();
        assert_eq!((ran.code(), ran.stderr.as_str()), (Some(0), ""), "{ran}");
        let text = fs::read_to_string(&log).unwrap();
        let levels: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(
            levels.len() == 2 && levels.iter().all(|line| line["level"] == "warning"),
            "{text}"
        );
    });
}

#[test]
fn what_is_being_done_is_told_where_that_is_asked_for() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "sleep 100");
        bundle.set(
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"]}),
        );
        let path = bundle.path.to_str().unwrap();
        let log = world.folder("logs").join("log");
        let file = log.to_str().unwrap();
        let words = [
            "--debug",
            "--log",
            file,
            "--log-format",
            "json",
            "run",
            "-d",
            "--bundle",
            path,
            "c",
        ];
        let ran = bundle.runtime(&words).run();
        assert_eq!((ran.code(), ran.stderr.as_str()), (Some(0), ""), "{ran}");
        let text = fs::read_to_string(&log).unwrap();
        for part in [
            "\"level\":\"debug\"",
            "mount /proc\"",
            "seccomp filter flags: 2",
            "created: process ",
            "run c: ended well",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let ran = bundle.runtime(&["--debug", "exec", "c", "true"]).run();
        assert!(
            ran.stderr.contains("level=debug msg=\"running: process "),
            "{ran}"
        );
        assert_eq!(bundle.runtime(&["exec", "c", "true"]).run().stderr, "");
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
    });
}

#[test]
fn help_has_the_layout_of_the_field() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "true");
        for words in [&["--help"][..], &["create", "-h"], &["checkpoint", "--help"]] {
            let help = bundle.runtime(words).ok();
            let lines: Vec<&str> = help.lines().collect();
            assert_eq!(lines[0], "NAME:", "{help}");
            assert!(lines[1].starts_with("   tare-runtime "), "{help}");
            assert!(
                lines.contains(&"USAGE:") && lines.contains(&"GLOBAL OPTIONS:"),
                "{help}"
            );
        }
        let told = bundle.runtime(&["foo", "-h"]).fails(1);
        assert!(told.contains("No help topic for 'foo'"), "{told}");
    });
}
