//! What a container is without options, seen from inside, held against docker 28.5.

use crate::shell::{NEEDS, ready, run, sh};
use tare_kit::test;

/// The value of `Key:` in a status file.
fn field<'a>(status: &'a str, key: &str) -> &'a str {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key} in {status}")).trim()
}

#[test]
fn capabilities_and_filter() {
    test(NEEDS, |world| {
        ready(world);
        let status = sh(world, &[], "cat /proc/self/status");
        for (key, value) in [
            ("CapEff", "00000000a80425fb"),
            ("CapPrm", "00000000a80425fb"),
            ("CapBnd", "00000000a80425fb"),
            ("CapInh", "0000000000000000"),
            ("CapAmb", "0000000000000000"),
            ("Seccomp", "2"),
            ("Seccomp_filters", "1"),
            ("NoNewPrivs", "0"),
            ("Uid", "0\t0\t0\t0"),
            ("Gid", "0\t0\t0\t0"),
        ] {
            assert_eq!(field(&status, key), value, "{key}");
        }
    });
}

#[test]
fn the_filter_refuses_what_dockers_refuses() {
    test(NEEDS, |world| {
        ready(world);
        // unshare(2) of namespaces needs CAP_SYS_ADMIN in the policy; without a filter it is the kernel that refuses,
        // but to a new user namespace the kernel would say yes.
        let out = run(world, &["busybox", "unshare", "-U", "true"]).run();
        assert_ne!(out.code(), Some(0), "{out}");
        let _ = run(
            world,
            &[
                "--security-opt",
                "seccomp=unconfined",
                "busybox",
                "unshare",
                "-U",
                "true",
            ],
        )
        .ok();
    });
}

#[test]
fn namespaces_of_its_own() {
    test(NEEDS, |world| {
        ready(world);
        let script = "for n in mnt pid net ipc uts cgroup user; do echo $n $(readlink /proc/1/ns/$n); done";
        for line in sh(world, &[], script).lines() {
            let (name, inside) = line.split_once(' ').expect("a name and a link");
            let outside = std::fs::read_link(format!("/proc/self/ns/{name}")).expect("our own namespace");
            let same = outside.to_string_lossy() == inside;
            assert_eq!(same, name == "user", "{line}");
        }
    });
}

#[test]
fn the_process_is_number_one_of_few() {
    test(NEEDS, |world| {
        ready(world);
        assert_eq!(sh(world, &[], "echo $$"), "1\n");
        assert_eq!(
            run(world, &["busybox", "ls", "/proc/self/fd"])
                .ok()
                .lines()
                .count(),
            4,
            "0, 1, 2 and the folder"
        );
    });
}

#[test]
fn mounts_and_their_flags() {
    test(NEEDS, |world| {
        ready(world);
        let info = sh(world, &[], "cat /proc/self/mountinfo");
        // Place, kind, and flags of the mount that must be there.
        for (place, kind, flags) in [
            ("/", "overlay", "rw"),
            ("/proc", "proc", "rw,nosuid,nodev,noexec"),
            ("/dev", "tmpfs", "rw,nosuid"),
            ("/dev/pts", "devpts", "rw,nosuid,noexec"),
            ("/sys", "sysfs", "ro,nosuid,nodev,noexec"),
            ("/dev/mqueue", "mqueue", "rw,nosuid,nodev,noexec"),
            ("/dev/shm", "tmpfs", "rw,nosuid,nodev,noexec"),
            ("/etc/hosts", "", "rw"),
            ("/etc/hostname", "", "rw"),
            ("/etc/resolv.conf", "", "rw"),
            ("/proc/bus", "proc", "ro,nosuid,nodev,noexec"),
            ("/proc/fs", "proc", "ro,nosuid,nodev,noexec"),
            ("/proc/irq", "proc", "ro,nosuid,nodev,noexec"),
            ("/proc/sys", "proc", "ro,nosuid,nodev,noexec"),
        ] {
            let found = info.lines().find(|line| line.split(' ').nth(4) == Some(place));
            let line = found.unwrap_or_else(|| panic!("nothing on {place} in\n{info}"));
            let has: Vec<&str> = line.split(' ').nth(5).expect("flags").split(',').collect();
            for flag in flags.split(',') {
                assert!(has.contains(&flag), "{place} is not {flag}: {line}");
            }
            let of = line.split(" - ").nth(1).expect("a kind").split(' ').next();
            assert!(kind.is_empty() || of == Some(kind), "{line}");
        }
        assert!(
            info.contains("size=65536k"),
            "/dev/shm and /dev hold 64 MiB:\n{info}"
        );
        assert!(
            !info.contains("/mnt/scratch/data/containers/ "),
            "no folder of tare's own is reachable"
        );
    });
}

#[test]
fn the_cgroup_is_seen_read_only_and_as_the_root() {
    test(NEEDS, |world| {
        ready(world);
        let out = sh(
            world,
            &[],
            "cat /proc/self/cgroup; mkdir /sys/fs/cgroup/x 2>/dev/null || echo refused",
        );
        for line in out.lines().filter(|l| l.contains(':')) {
            assert!(
                line.ends_with(":/"),
                "the group is not the root of its namespace: {line}"
            );
        }
        assert!(out.ends_with("refused\n"), "{out}");
    });
}

#[test]
fn hidden_and_read_only_paths() {
    test(NEEDS, |world| {
        ready(world);
        let script = "for p in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts; do \
                          [ -e $p ] && echo $p $(head -c 1 $p | wc -c); done; \
                      ls /sys/firmware | wc -l; \
                      echo x 2>/dev/null > /proc/sys/kernel/core_pattern || echo sys refused; \
                      echo b 2>/dev/null > /proc/sysrq-trigger || echo sysrq refused";
        let out = sh(world, &[], script);
        for line in out.lines().filter(|l| l.starts_with('/')) {
            assert!(line.ends_with(" 0"), "{line}");
        }
        assert!(out.contains("\n0\n") && out.contains("sys refused"), "{out}");
        let open = sh(
            world,
            &["--security-opt", "systempaths=unconfined"],
            "head -c 1 /proc/timer_list | wc -c",
        );
        assert_eq!(open, "1\n");
    });
}

#[test]
fn devices() {
    test(NEEDS, |world| {
        ready(world);
        let list = sh(world, &[], "ls /dev | sort | tr '\\n' ' '");
        let expected = "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
        assert_eq!(list.trim(), expected);
        // The node can be made (capability mknod) and not be opened: the group denies it.
        let made = sh(
            world,
            &[],
            "mknod /tmp/mem c 1 1 && { cat /tmp/mem 2>&1 >/dev/null || echo refused; }",
        );
        assert!(
            made.ends_with("refused\n") && made.contains("not permitted"),
            "{made}"
        );
    });
}

#[test]
fn the_network_is_loopback_alone() {
    test(NEEDS, |world| {
        ready(world);
        let out = sh(
            world,
            &[],
            "ls /sys/class/net; cat /sys/class/net/lo/flags; cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
        );
        assert_eq!(
            out, "lo\n0x9\n0\n",
            "lo is up (1) and loopback (8), and low ports are free"
        );
    });
}

#[test]
fn names() {
    test(NEEDS, |world| {
        ready(world);
        let out = sh(
            world,
            &[],
            "hostname; cat /etc/hostname; echo $HOSTNAME; cat /etc/hosts",
        );
        let mut lines = out.lines();
        let name = lines.next().expect("a host name");
        assert!(
            name.len() == 12 && name.bytes().all(|b| b.is_ascii_hexdigit()),
            "{name}"
        );
        assert_eq!((lines.next(), lines.next()), (Some(name), Some(name)));
        assert!(out.contains("127.0.0.1\tlocalhost") && out.ends_with(&format!("127.0.1.1\t{name}\n")));
    });
}

#[test]
fn the_image_inside_the_program_describes_itself() {
    test(&[tare_kit::Need::Root, tare_kit::Need::Overlay], |world| {
        let page = world.tare(["run", "--rm", "hello"]).ok();
        for part in [
            "process       1, as user 0",
            "14 of 41",
            "1 filter (mode 2)",
            "overlay, writable",
            "layer  ",
            "top    ",
            " ms from `tare run` to here",
        ] {
            assert!(page.contains(part), "{part:?} is not in\n{page}");
        }
        // The second run finds it here.
        assert!(world.tare(["images"]).ok().contains("hello"));
        let again = world.tare(["run", "--rm", "hello"]).ok();
        assert!(again.contains("14 of 41"));
    });
}
