//! What a test sees is its own, and the host stays as it was.

use std::fs;
use std::path::Path;
use tare_kit::{Need, Tare, test};

#[test]
fn the_world_is_private() {
    test(&[Need::Root], |world| {
        let links = fs::read_to_string("/proc/net/dev").unwrap();
        assert_eq!(links.lines().count(), 3, "loopback alone: {links}");
        let up = fs::read_to_string("/sys/class/net/lo/flags").unwrap();
        assert_eq!(up.trim(), "0x9", "loopback is up");
        assert_eq!(
            fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim(),
            "kit"
        );
        assert_eq!(
            fs::read_dir("/run").unwrap().count(),
            1,
            "/run has the ordinary user's folder alone"
        );
        assert_eq!(world.scratch(), Path::new("/mnt/scratch"));
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
        for line in groups.lines() {
            let path = line.rsplit(':').next().unwrap();
            assert!(
                path == "/" || path == "/init",
                "the test's group is the root it sees: {line}"
            );
        }
    });
}

#[test]
fn groups_can_be_made_and_joined() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        for controller in ["memory", "pids", "cpu", "cpuset", "devices"] {
            let group = Path::new("/sys/fs/cgroup").join(controller).join("tare");
            fs::create_dir(&group).unwrap();
            if controller == "memory" {
                fs::write(group.join("memory.limit_in_bytes"), "16777216").unwrap();
            }
            fs::remove_dir(&group).unwrap();
        }
    });
}

#[test]
fn the_ordinary_user_is_one() {
    test(&[Need::Root, Need::Userns], |world| {
        let person = world.person();
        let id = person.run(world, "id").ok();
        assert!(
            id.starts_with("uid=1500(tester) gid=1500(tester) groups=1500(tester)"),
            "{id}"
        );
        let status = person.run(world, "cat").args(["/proc/self/status"]).ok();
        assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
        // Maps of its subordinate ids, by the host's own helpers.
        let map = person
            .run(world, "unshare")
            .args(["--map-auto", "--map-root-user", "cat", "/proc/self/uid_map"])
            .ok();
        assert!(map.contains("1000000"), "{map}");
    });
}

#[test]
fn commands_report_how_they_ended() {
    test(&[Need::Root], |_world| {
        let sh = |script: &str| Tare::program("sh").args(["-c", script]);
        assert_eq!(sh("cat; echo out").stdin("in ").ok(), "in out\n");
        assert_eq!(sh("echo err >&2; exit 7").fails(7), "err\n");
        assert_eq!(sh("kill -9 $$").run().signal(), Some(9));
        let mut running = sh("echo one; read x; echo got $x").start();
        assert_eq!(running.line().as_deref(), Some("one"));
        std::io::Write::write_all(running.stdin.as_mut().unwrap(), b"two\n").unwrap();
        let (status, rest) = running.finish();
        assert_eq!((status.code(), rest.as_str()), (Some(0), "got two\n"));
    });
}
