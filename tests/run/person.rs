//! An ordinary user: the same command, in a user namespace of that user's.

use tare_kit::{Need, Tare, World, test};

/// What these tests need.
pub(crate) const NEEDS: &[Need] = &[Need::Root, Need::Overlay, Need::Userns, Need::Fixture("busybox")];

/// `tare WORDS` as the user.
fn tare(world: &World, words: &[&str]) -> Tare {
    world.tare_as(world.person(), words)
}

/// Loads the image, and runs it once so that warnings about the machine are told.
pub(crate) fn ready(world: &World) {
    // What umoci wrote is for root alone to read.
    let archive = world.scratch().join("busybox.tar");
    let layout = world.fixture("busybox").join("oci");
    let _ = Tare::program("tar")
        .args(["-C"])
        .args([&layout])
        .args(["-cf"])
        .args([&archive])
        .args(["."])
        .ok();
    let _ = tare(world, &["load", "-q", "--name", "busybox", "-i"])
        .args([archive])
        .ok();
    let _ = tare(world, &["run", "--rm", "busybox", "true"]).ok();
}

#[test]
fn runs_as_root_inside_and_as_the_user_outside() {
    test(NEEDS, |world| {
        ready(world);
        let out = tare(
            world,
            &[
                "run",
                "--rm",
                "busybox",
                "sh",
                "-c",
                "id -u; cat /proc/self/uid_map; touch /x && echo wrote",
            ],
        )
        .ok();
        let mut lines = out.lines();
        assert_eq!(lines.next(), Some("0"));
        let first: Vec<&str> = lines.next().expect("a map").split_whitespace().collect();
        assert_eq!(first, ["0", "1500", "1"]);
        assert_eq!(lines.next_back(), Some("wrote"));
        let other = tare(world, &["run", "--rm", "-u", "nobody", "busybox", "id", "-u"]).ok();
        assert_eq!(other, "65534\n");
    });
}

#[test]
fn the_network_is_none_or_the_hosts() {
    test(NEEDS, |world| {
        ready(world);
        let none = tare(world, &["run", "--rm", "busybox", "ls", "/sys/class/net"]).ok();
        assert_eq!(none, "lo\n");
        let host = tare(
            world,
            &[
                "run",
                "--rm",
                "--network",
                "host",
                "busybox",
                "readlink",
                "/proc/self/ns/net",
            ],
        )
        .ok();
        let outside = std::fs::read_link("/proc/self/ns/net").expect("our own namespace");
        assert_eq!(host.trim(), outside.to_string_lossy());
    });
}

#[test]
fn ends_are_told_and_nothing_is_left() {
    test(NEEDS, |world| {
        ready(world);
        let out = tare(world, &["run", "--rm", "busybox", "sh", "-c", "exit 9"]).run();
        assert_eq!((out.code(), out.stderr.as_str()), (Some(9), ""), "{out}");
        let out = tare(world, &["run", "--rm", "busybox", "nosuch"]).fails(127);
        assert!(out.contains("not found in"), "{out}");
        assert_eq!(tare(world, &["ps", "-aq"]).ok(), "");
    });
}

#[test]
fn files_keep_their_owners_from_one_command_to_the_next() {
    test(NEEDS, |world| {
        ready(world);
        let _ = tare(
            world,
            &[
                "run",
                "--name",
                "kept",
                "busybox",
                "sh",
                "-c",
                "echo x > /tmp/f; chown nobody /tmp/f",
            ],
        )
        .ok();
        assert_eq!(tare(world, &["rm", "kept"]).ok(), "kept\n");
        assert_eq!(tare(world, &["ps", "-aq"]).ok(), "");
    });
}

#[test]
fn a_container_lives_on_is_entered_and_stopped_by_other_commands() {
    test(NEEDS, |world| {
        ready(world);
        let script = "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done";
        let words = ["run", "-d", "--name", "web", "busybox", "sh", "-c", script];
        let _ = tare(world, &words).ok();
        while tare(world, &["logs", "web"]).ok() != "up\n" {}
        let own = tare(
            world,
            &["exec", "web", "sh", "-c", "id -u; readlink /proc/1/ns/user"],
        )
        .ok();
        assert!(own.starts_with("0\n"), "{own}");
        let map = "cat /proc/self/uid_map | tr -s ' '; readlink /proc/self/ns/user";
        let inside = tare(world, &["exec", "web", "sh", "-c", map]).ok();
        assert!(inside.contains(" 0 1500 1\n"), "{inside}");
        assert_eq!(
            inside.lines().next_back(),
            own.lines().next_back(),
            "one user namespace"
        );
        let other = tare(world, &["exec", "-u", "nobody", "web", "id", "-u"]).ok();
        assert_eq!(other, "65534\n");
        let _ = tare(world, &["stop", "web"]).ok();
        assert_eq!(tare(world, &["wait", "web"]).ok(), "3\n");
        let _ = tare(world, &["start", "web"]).ok();
        let _ = tare(world, &["pause", "web"]).run();
        let _ = tare(world, &["rm", "-f", "web"]).ok();
        assert_eq!(tare(world, &["ps", "-aq"]).ok(), "");
    });
}

#[test]
fn what_was_created_is_started_later() {
    test(NEEDS, |world| {
        ready(world);
        let _ = tare(
            world,
            &[
                "create",
                "--name",
                "web",
                "busybox",
                "sh",
                "-c",
                "echo up; exit 4",
            ],
        )
        .ok();
        assert!(tare(world, &["ps", "-a"]).ok().contains("Created"));
        let out = tare(world, &["start", "-a", "web"]).run();
        assert_eq!((out.code(), out.stdout.as_str()), (Some(4), "up\n"), "{out}");
        let _ = tare(world, &["start", "web"]).ok();
        assert_eq!(tare(world, &["wait", "web"]).ok(), "4\n");
        let _ = tare(world, &["rm", "web"]).ok();
        assert_eq!(tare(world, &["ps", "-aq"]).ok(), "");
    });
}

#[test]
fn what_ends_is_started_again() {
    test(NEEDS, |world| {
        ready(world);
        let script = "echo up; [ -e /seen ] && sleep 1000; touch /seen; exit 3";
        let words = [
            "run",
            "-d",
            "--restart",
            "on-failure:3",
            "--name",
            "web",
            "busybox",
            "sh",
            "-c",
            script,
        ];
        let _ = tare(world, &words).ok();
        while tare(world, &["logs", "web"]).ok() != "up\nup\n" {}
        while !tare(world, &["ps"]).ok().contains(" Up ") {}
        let count = tare(world, &["inspect", "-f", "{{.RestartCount}}", "web"]).ok();
        assert_eq!(count, "1\n");
        let _ = tare(world, &["stop", "-t", "1", "web"]).ok();
        let _ = tare(world, &["rm", "web"]).ok();
        assert_eq!(tare(world, &["ps", "-aq"]).ok(), "");
    });
}

#[test]
fn limits_and_policies_are_changed() {
    test(NEEDS, |world| {
        ready(world);
        let _ = tare(world, &["run", "-d", "--name", "web", "busybox", "sleep", "1000"]).ok();
        let _ = tare(world, &["update", "--restart", "on-failure:2", "web"]).ok();
        let format = "{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}";
        assert_eq!(
            tare(world, &["inspect", "-f", format, "web"]).ok(),
            "on-failure:2\n"
        );
        // Whether a person may limit memory is the machine's to say; one that says no changes nothing.
        let limited = tare(world, &["update", "-m", "64m", "web"]).run();
        let memory = tare(world, &["inspect", "-f", "{{.HostConfig.Memory}}", "web"]).ok();
        let expected = if limited.code() == Some(0) {
            "67108864\n"
        } else {
            "0\n"
        };
        assert_eq!(memory, expected, "{limited}");
        let _ = tare(world, &["rm", "-f", "web"]).ok();
        assert_eq!(tare(world, &["ps", "-aq"]).ok(), "");
    });
}

#[test]
fn health_is_looked_after() {
    test(NEEDS, |world| {
        ready(world);
        let words = [
            "run",
            "-d",
            "--name",
            "web",
            "--health-cmd",
            "echo said",
            "--health-interval",
            "50ms",
        ];
        let _ = world
            .tare_as(world.person(), words)
            .args(["busybox", "sleep", "1000"])
            .ok();
        while !tare(world, &["ps"]).ok().contains("(healthy)") {}
        let said = tare(
            world,
            &["inspect", "-f", "{{(index .State.Health.Log 0).Output}}", "web"],
        )
        .ok();
        assert_eq!(said.trim(), "said");
        let _ = tare(world, &["rm", "-f", "web"]).ok();
        assert_eq!(tare(world, &["ps", "-aq"]).ok(), "");
    });
}

#[test]
fn a_first_process_of_ours_reaps() {
    test(NEEDS, |world| {
        ready(world);
        let script = "cat /proc/1/comm; exit 6";
        let out = tare(world, &["run", "--rm", "--init", "busybox", "sh", "-c", script]).run();
        assert_eq!((out.code(), out.stdout.as_str()), (Some(6), "init\n"), "{out}");
    });
}
