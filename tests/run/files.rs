//! Mounts, the read-only root, working directories and users.

use crate::shell::{NEEDS, ready, run, sh};
use tare_kit::test;

#[test]
fn binds() {
    test(NEEDS, |world| {
        ready(world);
        let folder = world.folder("share");
        let _ = world.file("share/f", "x");
        let at = |options: &str| format!("{}:/m{options}", folder.display());
        assert_eq!(
            sh(world, &["-v", &at("")], "echo more >> /m/f; cat /m/f"),
            "xmore\n"
        );
        let refused = run(world, &["-v", &at(":ro"), "busybox", "touch", "/m/g"]).run();
        assert!(refused.stderr.contains("Read-only file system"), "{refused}");
        let long = format!("type=bind,source={},target=/m,readonly", folder.display());
        assert_eq!(sh(world, &["--mount", &long], "cat /m/f"), "xmore\n");
        // A place that the image does not have is made, and gone with the container.
        assert_eq!(
            sh(
                world,
                &["-v", &format!("{}:/new/deep/place", folder.display())],
                "cat /new/deep/place/f"
            ),
            "xmore\n"
        );
        assert_eq!(sh(world, &[], "ls -d /new 2>/dev/null || echo none"), "none\n");
    });
}

#[test]
fn a_read_only_mount_is_so_all_the_way_down() {
    test(NEEDS, |world| {
        ready(world);
        let below = world.folder("share/below");
        let _ = tare_kit::Tare::program("mount")
            .args(["-t", "tmpfs", "below"])
            .args([&below])
            .ok();
        let bind = format!("{}:/m:ro", world.scratch().join("share").display());
        let out = sh(world, &["-v", &bind], "touch /m/below/x 2>&1 || true");
        let _ = tare_kit::Tare::program("umount").args([&below]).ok();
        assert!(out.contains("Read-only file system"), "{out}");
    });
}

#[test]
fn the_root_can_be_read_only_and_tmpfs_be_writable() {
    test(NEEDS, |world| {
        ready(world);
        let script = "touch /x 2>/dev/null || echo root refused; touch /t/x && echo written; touch /dev/shm/x && echo shm";
        let out = sh(world, &["--read-only", "--tmpfs", "/t:size=1m,mode=1777"], script);
        assert_eq!(out, "root refused\nwritten\nshm\n");
        let flags = sh(world, &["--tmpfs", "/t:size=1m"], "grep ' /t ' /proc/mounts");
        assert!(
            flags.contains("nosuid,nodev,noexec") && flags.contains("size=1024k"),
            "{flags}"
        );
        assert!(sh(world, &["--shm-size", "8m"], "df -k /dev/shm | tail -1").contains(" 8192 "));
    });
}

#[test]
fn what_one_container_writes_another_does_not_see() {
    test(NEEDS, |world| {
        ready(world);
        let _ = sh(world, &[], "echo changed > /etc/passwd; rm /bin/ls");
        assert_eq!(
            sh(world, &[], "head -1 /etc/passwd; ls -d /bin"),
            "root:x:0:0:root:/root:/bin/sh\n/bin\n"
        );
    });
}

#[test]
fn users_and_their_groups() {
    test(NEEDS, |world| {
        ready(world);
        let id = "id -u; id -g; id -G; echo $HOME";
        assert_eq!(sh(world, &[], id), "0\n0\n0\n/root\n");
        assert_eq!(sh(world, &["-u", "nobody"], id), "65534\n65534\n65534 100\n/\n");
        assert_eq!(sh(world, &["-u", "1234"], id), "1234\n0\n0\n/\n");
        assert_eq!(
            sh(world, &["-u", "1234:55", "--group-add", "users"], id),
            "1234\n55\n55 100\n/\n"
        );
        let status = sh(world, &["-u", "1234"], "cat /proc/self/status");
        assert!(status.contains("CapEff:\t0000000000000000") && status.contains("CapBnd:\t00000000a80425fb"));
    });
}

#[test]
fn the_working_directory_is_made_where_it_is_missing() {
    test(NEEDS, |world| {
        ready(world);
        assert_eq!(sh(world, &["-w", "/tmp"], "pwd"), "/tmp\n");
        assert_eq!(sh(world, &["-w", "/not/there"], "pwd"), "/not/there\n");
    });
}

#[test]
fn environment() {
    test(NEEDS, |world| {
        ready(world);
        let file = world.file("env", "# c\nFROM_FILE=1\nOWN\nGONE\n");
        let out = run(world, &["-e", "A=b c", "-e", "OWN", "-e", "ORIGIN", "--env-file"])
            .env("OWN", "mine")
            .args([file.to_str().expect("a path"), "busybox", "env"])
            .ok();
        let mut lines: Vec<&str> = out.lines().filter(|l| !l.starts_with("HOSTNAME=")).collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "A=b c",
                "FROM_FILE=1",
                "HOME=/root",
                "OWN=mine",
                "PATH=/usr/bin:/bin"
            ]
        );
    });
}
