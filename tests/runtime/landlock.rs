//! The annotation by which a container is confined by Landlock: its first process, what exec brings in, hooks at the start.

use crate::bundle::{Bundle, NEEDS};
use serde_json::{Value, json};
use tare_kit::{Need, test};

const LANDLOCK: &[Need] = &[Need::Root, Need::Program("busybox"), Need::Landlock];

/// A bundle with a root that can be written, confined by this document.
fn confine(bundle: &mut Bundle<'_>, document: &Value) {
    bundle.set("/root/readonly", json!(false));
    bundle.set("/annotations", json!({"io.tare.landlock": document.to_string()}));
}

/// Reads and executes what there is, writes below /tmp.
fn reader() -> Value {
    json!({
        "paths": [
            {"path": "/", "access": ["read", "execute"]},
            {"path": "/tmp", "access": ["write"]},
            {"path": "/dev/null", "access": ["write"]},
        ],
        "tcp": {"bind": []},
    })
}

#[test]
fn every_process_of_the_container_is_confined() {
    test(LANDLOCK, |world| {
        let script = "exec 2>&1; id -u; echo x >/tmp/x; cat /tmp/x; echo x >/y; nc -l -p 80";
        let mut bundle = Bundle::new(world, script);
        std::fs::create_dir(bundle.path.join("rootfs/tmp")).unwrap();
        confine(&mut bundle, &reader());
        let said = "0\nx\nsh: can't create /y: Permission denied\nnc: bind: Permission denied\n";
        assert_eq!(bundle.run().stdout, said);
        bundle.set("/process/noNewPrivileges", json!(false));
        assert_eq!(bundle.run().stdout, said, "by its right, and not by no_new_privs");
        bundle.set("/process/args", json!(["sleep", "100"]));
        bundle.start();
        let exec = |options: &[&str]| {
            let words = [&["exec"], options, &["c", "sh", "-c", script]].concat();
            bundle.runtime(&words).run().stdout
        };
        assert_eq!(exec(&[]), said);
        assert_eq!(
            exec(&["--cap", "CAP_DAC_OVERRIDE", "--cap", "CAP_SYS_ADMIN"]),
            said
        );
        let with = ["--process", "/mnt/process.json"];
        let mut process = bundle.config["process"].clone();
        process["args"] = json!(["sh", "-c", script]);
        std::fs::write(with[1], process.to_string()).unwrap();
        let words = [&["exec"], &with[..], &["c"]].concat();
        assert_eq!(bundle.runtime(&words).run().stdout, said);
        // Whoever changes the container from outside is not confined by it.
        let mounts = json!([{"destination": "/data", "type": "tmpfs", "source": "tmpfs"}]);
        std::fs::write("/mnt/mounts.json", mounts.to_string()).unwrap();
        let _ = bundle.runtime(&["mounts", "add", "c", "/mnt/mounts.json"]).ok();
        let _ = bundle.runtime(&["pause", "c"]).ok();
        let _ = bundle.runtime(&["resume", "c"]).ok();
        let _ = bundle.runtime(&["kill", "c", "KILL"]).ok();
        bundle.wait_until_stopped();
        let _ = bundle.runtime(&["delete", "c"]).ok();
        bundle.assert_nothing_left();
    });
}

#[test]
fn programs_are_executed_where_it_is_allowed() {
    test(LANDLOCK, |world| {
        let mut bundle = Bundle::new(world, "cp /bin/busybox /copy; /copy true; echo $?");
        let document = json!({
            "handledAccess": ["execute"],
            "paths": [{"path": "/bin", "access": ["execute"]}],
        });
        confine(&mut bundle, &document);
        let ran = bundle.run();
        assert_eq!(ran.stdout, "126\n", "{ran}");
        bundle.set("/process/args", json!(["/copy", "true"]));
        let ran = bundle.run();
        assert_eq!(ran.code(), Some(1), "{ran}");
        assert!(ran.stderr.contains("/copy: permission denied"), "{ran}");
        assert!(
            ran.stderr
                .contains("hint: what confines it by Landlock must allow"),
            "{ran}"
        );
        bundle.assert_nothing_left();
    });
}

#[test]
fn hooks_at_the_start_are_confined_as_the_program_is() {
    test(LANDLOCK, |world| {
        let mut bundle = Bundle::new(world, "cat /made /tmp/made");
        std::fs::create_dir(bundle.path.join("rootfs/tmp")).unwrap();
        confine(&mut bundle, &reader());
        let hook = |script: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
        bundle.set(
            "/hooks",
            json!({
                "createContainer": hook(&format!("echo before >{}/rootfs/made", bundle.path.display())),
                "startContainer": hook("echo at >/tmp/made; echo at >/made || true"),
            }),
        );
        let ran = bundle.run();
        assert_eq!(ran.stdout, "before\nat\n", "{ran}");
        // What one prints is not the program's, though it may not open what takes everything.
        let mut document = reader();
        document["paths"].as_array_mut().unwrap().pop();
        confine(&mut bundle, &document);
        bundle.set("/hooks", json!({"startContainer": hook("echo of the hook")}));
        let ran = bundle.run();
        assert_eq!(
            (ran.code(), ran.stdout.as_str()),
            (Some(0), "before\nat\n"),
            "{ran}"
        );
        bundle.assert_nothing_left();
    });
}

#[test]
fn the_plan_tells_it() {
    test(LANDLOCK, |world| {
        let mut bundle = Bundle::new(world, "true");
        let steps = |bundle: &Bundle<'_>| {
            bundle
                .runtime(&["plan", "-b", bundle.path.to_str().unwrap()])
                .ok()
        };
        let before = steps(&bundle);
        assert!(!before.contains("Landlock"), "{before}");
        let mut document = reader();
        document["tcp"] = json!({"bind": [80], "connect": [443, 80]});
        document["scopes"] = json!(["signal"]);
        confine(&mut bundle, &document);
        let after = steps(&bundle);
        let words = |plan: &str| -> Vec<String> {
            let lines = plan
                .lines()
                .map(|line| line.trim_start_matches([' ', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']));
            lines.map(str::to_owned).collect()
        };
        let (before, after) = (words(&before), words(&after));
        let added: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
        assert_eq!(
            added,
            [
                "make a Landlock ruleset",
                "allow read, execute below /",
                "allow write below /tmp",
                "allow write below /dev/null",
                "allow to bind and connect to TCP port 80",
                "allow to connect to TCP port 443",
                "confine by Landlock",
            ]
        );
        let at = |step: &str| after.iter().position(|line| line == step).unwrap();
        assert!(at("look up the user's home") < at("make a Landlock ruleset"));
        assert!(at("confine by Landlock") < at("become user 0:0"));
    });
}

#[test]
fn what_is_wrong_is_told_and_leaves_nothing() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "true");
        for (document, told) in [
            ("{", "annotation io.tare.landlock: EOF while parsing"),
            (
                r#"{"rules": []}"#,
                "unknown field `rules`, expected one of `required`, `handledAccess`, `paths`, `tcp`, `scopes`",
            ),
            (
                r#"{"paths": [{"path": "/", "access": ["look"]}]}"#,
                "unknown access right \"look\", expected one of all, read, write,",
            ),
            (
                r#"{"paths": [{"path": "x", "access": ["read"]}]}"#,
                "path x: it must be absolute",
            ),
        ] {
            bundle.set("/annotations", json!({"io.tare.landlock": document}));
            let ran = bundle.run();
            assert_eq!(ran.code(), Some(1), "{ran}");
            assert!(ran.stderr.contains(told), "{ran}");
            bundle.assert_nothing_left();
        }
    });
}

#[test]
fn a_path_that_is_not_there_is_told_by_its_step() {
    test(LANDLOCK, |world| {
        let mut bundle = Bundle::new(world, "true");
        confine(
            &mut bundle,
            &json!({"paths": [{"path": "/usr/nosuch", "access": ["read"]}]}),
        );
        let ran = bundle.run();
        assert_eq!(ran.code(), Some(1), "{ran}");
        let told = "allow read below /usr/nosuch: no such file or directory";
        assert!(ran.stderr.contains(told), "{ran}");
        bundle.assert_nothing_left();
    });
}
