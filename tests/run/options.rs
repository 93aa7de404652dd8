//! Options whose effect is seen from inside.

use crate::shell::{NEEDS, ready, run, sh};
use tare_kit::test;

#[test]
fn namespaces_of_the_host() {
    test(NEEDS, |world| {
        ready(world);
        for (option, name) in [
            ("--pid", "pid"),
            ("--ipc", "ipc"),
            ("--uts", "uts"),
            ("--network", "net"),
            ("--cgroupns", "cgroup"),
        ] {
            let inside = sh(
                world,
                &[option, "host"],
                &format!("readlink /proc/self/ns/{name}"),
            );
            let outside = std::fs::read_link(format!("/proc/self/ns/{name}")).expect("our own namespace");
            assert_eq!(inside.trim(), outside.to_string_lossy(), "{option}");
        }
    });
}

#[test]
fn capabilities() {
    test(NEEDS, |world| {
        ready(world);
        let effective = |options: &[&str]| {
            sh(world, options, "grep CapEff /proc/self/status")
                .trim()
                .to_owned()
        };
        assert_eq!(effective(&["--cap-drop", "ALL"]), "CapEff:\t0000000000000000");
        assert_eq!(
            effective(&["--cap-drop", "ALL", "--cap-add", "cap_chown"]),
            "CapEff:\t0000000000000001"
        );
        assert_eq!(
            effective(&["--cap-add", "NET_ADMIN"]),
            "CapEff:\t00000000a80435fb"
        );
        let status = sh(
            world,
            &["--privileged"],
            "grep -E 'Seccomp:|CapEff' /proc/self/status; [ -w /proc/sys ] && echo open",
        );
        assert!(
            status.contains("Seccomp:\t0") && status.contains("open"),
            "{status}"
        );
    });
}

#[test]
fn no_new_privileges_and_profiles() {
    test(NEEDS, |world| {
        ready(world);
        let status = sh(
            world,
            &["--security-opt", "no-new-privileges"],
            "grep NoNewPrivs /proc/self/status",
        );
        assert_eq!(status, "NoNewPrivs:\t1\n");
        let profile = world.file(
            "p.json",
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}"#,
        );
        let option = format!("seccomp={}", profile.display());
        let out = run(world, &["--security-opt", &option, "busybox", "mkdir", "/x"]).run();
        assert!(out.stderr.contains("Operation not supported"), "{out}");
    });
}

#[test]
fn devices_given() {
    test(NEEDS, |world| {
        ready(world);
        let script = "ls -l /dev/mem0 | cut -c1; head -c 1 /dev/mem0 | wc -c";
        assert_eq!(
            sh(world, &["--device", "/dev/zero:/dev/mem0:r"], script),
            "c\n1\n"
        );
        let all = sh(world, &["--privileged"], "ls /dev | wc -l");
        assert!(all.trim().parse::<u32>().expect("a number") > 16, "{all}");
    });
}

#[test]
fn names_and_parameters() {
    test(NEEDS, |world| {
        ready(world);
        assert_eq!(sh(world, &["-h", "web.example"], "hostname"), "web.example\n");
        let out = sh(
            world,
            &[
                "--sysctl",
                "net.ipv4.ip_forward=1",
                "--sysctl",
                "kernel.shmmni=77",
            ],
            "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni",
        );
        assert_eq!(out, "1\n77\n");
    });
}

#[test]
fn entry_points() {
    test(NEEDS, |world| {
        ready(world);
        assert_eq!(
            run(world, &["--entrypoint", "/bin/echo", "busybox", "-n", "x"]).ok(),
            "x"
        );
        assert_eq!(
            run(world, &["--entrypoint", "", "busybox", "echo", "y"]).ok(),
            "y\n"
        );
        assert_eq!(
            run(world, &["-i", "busybox"])
                .stdin("echo from the command of the image")
                .ok(),
            "from the command of the image\n"
        );
    });
}
