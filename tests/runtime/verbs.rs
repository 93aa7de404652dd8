//! Options of runc and crun, verb by verb, as far as they have no file of their own.

use crate::bundle::{Bundle, NEEDS};
use serde_json::{Value, json};
use std::fs;
use tare_kit::{Need, test};

#[test]
fn every_option_of_both_is_taken() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "sleep 100");
        let path = bundle.path.to_str().unwrap().to_owned();
        for (words, options) in [
            (
                &["create", "c"][..],
                "bundle config console-socket pidfd-socket pid-file no-pivot no-new-keyring preserve-fds no-subreaper",
            ),
            (
                &["run"],
                "bundle config console-socket pidfd-socket detach keep pid-file no-subreaper no-pivot no-new-keyring preserve-fds",
            ),
            (
                &["exec"],
                "console-socket pidfd-socket cwd env tty user additional-gids process detach pid-file process-label apparmor \
                 no-new-privs cap preserve-fds cgroup ignore-paused no-subreaper",
            ),
            (
                &["update"],
                "resources blkio-weight cpu-period cpu-quota cpu-burst cpu-share cpu-rt-period cpu-rt-runtime cpuset-cpus \
                 cpuset-mems memory cpu-idle memory-reservation memory-swap pids-limit l3-cache-schema mem-bw-schema \
                 kernel-memory kernel-memory-tcp",
            ),
            (&["kill"], "all"),
            (&["delete"], "force"),
            (&["list"], "format quiet"),
            (&["ps"], "format"),
            (&["events"], "interval stats"),
            (&["spec"], "bundle rootless file"),
            (
                &["state"],
                "debug log log-format log-level root systemd-cgroup cgroup-manager rootless help version usage",
            ),
        ] {
            let help = bundle.runtime(&[words[0], "--help"]).ok();
            for option in options.split_whitespace() {
                let dashes = format!("--{option}");
                let is_there = help.split([' ', ',', '\n']).any(|word| word == dashes);
                assert!(is_there, "{dashes} of {}: {help}", words[0]);
            }
        }
        fs::rename(bundle.path.join("config.json"), bundle.path.join("other.json")).unwrap();
        let words = [
            "create",
            "--no-subreaper",
            "-f",
            "other.json",
            "--log-level",
            "debug",
            "-b",
            &path,
            "c",
        ];
        let _ = bundle.runtime(&words).ok();
        let _ = bundle.runtime(&["start", "c"]).ok();
        let _ = bundle.runtime(&["exec", "--no-subreaper", "c", "true"]).ok();
        let _ = bundle.runtime(&["kill", "-a", "c", "KILL"]).ok();
        bundle.wait_until_stopped();
        let _ = bundle.runtime(&["delete", "c"]).ok();
        bundle.set("/process/args", json!(["true"]));
        let _ = bundle
            .runtime(&["run", "--no-subreaper=true", "-b", &path, "c"])
            .ok();
        let out = world.folder("out");
        let written = out.join("written.json");
        let _ = bundle.runtime(&["spec", "-f", written.to_str().unwrap()]).ok();
        assert!(fs::read_to_string(written).unwrap().contains("ociVersion"));
        let _ = bundle
            .runtime(&["spec", "--rootless", "-b", out.to_str().unwrap()])
            .ok();
        let rootless = fs::read_to_string(out.join("config.json")).unwrap();
        assert!(rootless.contains("uidMappings"), "{rootless}");
        bundle.assert_nothing_left();
    });
}

#[test]
fn checkpoint_and_restore_have_one_answer() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "true");
        for line in [
            "checkpoint c",
            "checkpoint --image-path /x --leave-running --tcp-established --ext-unix-sk --nosuch c",
            "restore -b /y --image-path /x --detach --manage-cgroups-mode soft c",
            "restore",
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            let ran = bundle.runtime(&words).run();
            assert_eq!((ran.code(), ran.stdout.as_str()), (Some(1), ""), "{ran}");
            assert_eq!(ran.stderr.lines().count(), 1, "{ran}");
            assert!(ran.stderr.contains("not supported by tare-runtime"), "{ran}");
        }
    });
}

#[test]
fn another_user_keeps_what_is_not_named() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "id; umask; sleep 100");
        bundle.set(
            "/process/user",
            json!({"uid": 1, "gid": 2, "umask": 0o077, "additionalGids": [3]}),
        );
        bundle.start();
        for (words, expected) in [
            (&[][..], "uid=1 gid=2 groups=3\n0077\n"),
            (&["-u", "5"], "uid=5 gid=2 groups=3\n0077\n"),
            (
                &["-u", "5:6", "-g", "7", "-g", "8"],
                "uid=5 gid=6 groups=3,7,8\n0077\n",
            ),
        ] {
            let words = [&["exec"], words, &["c", "sh", "-c", "id; umask"]].concat();
            assert_eq!(bundle.runtime(&words).ok(), expected, "{words:?}");
        }
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
    });
}

#[test]
fn lists_are_tables_or_json() {
    test(&[NEEDS, &[Need::Program("ps")]].concat(), |world| {
        let bundle = Bundle::new(world, "sleep 100");
        assert_eq!(bundle.runtime(&["list", "-f", "json"]).ok().trim(), "[]");
        bundle.start();
        let table = bundle.runtime(&["list"]).ok();
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines[0], ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
        assert_eq!((lines.len(), lines[1][0], lines[1][2]), (2, "c", "running"));
        let listed: Value =
            serde_json::from_str(&bundle.runtime(&["list", "--format", "json"]).ok()).unwrap();
        assert_eq!(
            (&listed[0]["id"], &listed[0]["status"]),
            (&json!("c"), &json!("running"))
        );
        assert_eq!(bundle.runtime(&["list", "--quiet"]).ok(), "c\n");
        let wrong = bundle.runtime(&["list", "-f", "yaml"]).fails(1);
        assert!(wrong.contains("neither table nor json"), "{wrong}");
        let table = bundle.runtime(&["ps", "c"]).ok();
        assert!(table.starts_with("UID") && table.contains("sleep 100"), "{table}");
        let pids: Vec<u32> =
            serde_json::from_str(&bundle.runtime(&["ps", "--format", "json", "c"]).ok()).unwrap();
        assert_eq!(pids.len(), table.lines().count() - 1);
        let wrong = bundle.runtime(&["ps", "-f", "yaml", "c"]).fails(1);
        assert!(wrong.contains("neither table nor json"), "{wrong}");
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
    });
}

#[test]
fn a_class_of_a_host_without_resctrl_is_told() {
    test(NEEDS, |world| {
        if std::path::Path::new("/sys/fs/resctrl/schemata").exists() {
            return;
        }
        let bundle = Bundle::new(world, "sleep 100");
        bundle.start();
        let told = bundle
            .runtime(&["update", "--l3-cache-schema", "L3:0=f", "c"])
            .fails(1);
        assert!(told.contains("the host has no resctrl"), "{told}");
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
    });
}
