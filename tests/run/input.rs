//! Bad input: one clear sentence, a hint, the right exit code, and nothing left behind.

use crate::shell::{NEEDS, assert_nothing_left, ready, run};
use tare_kit::{World, test};

/// What is typed after `tare run --rm`, the exit code, and everything that is printed.
fn refused(world: &World, words: &[&str], code: i32, printed: &str) {
    let out = run(world, words).run();
    assert_eq!(out.stderr, printed, "{out}");
    assert_eq!((out.code(), out.stdout.as_str()), (Some(code), ""), "{out}");
}

#[test]
fn images_that_are_not_there() {
    test(NEEDS, |world| {
        ready(world);
        refused(
            world,
            &["--pull", "never", "busybux"],
            125,
            "tare: find image busybux\nhint: did you mean busybox? It is here\n",
        );
        let near = run(world, &["busybux"]).fails(125);
        assert!(
            near.ends_with("hint: did you mean busybox? It is here\n"),
            "{near}"
        );
        refused(
            world,
            &["Busybox"],
            125,
            "tare: read image name \"Busybox\": the name must be lower case, it has 'B'\nhint: try busybox\n",
        );
        assert_nothing_left(world);
    });
}

#[test]
fn commands_that_are_not_there() {
    test(NEEDS, |world| {
        ready(world);
        refused(
            world,
            &["busybox", "nosuch"],
            127,
            "tare: execute nosuch: not found in /usr/bin, /bin\n",
        );
        refused(
            world,
            &["busybox", "-it", "sh"],
            127,
            "tare: execute -it: not found in /usr/bin, /bin\nhint: options of tare go before the image name\n",
        );
        let missing = run(world, &["busybox", "/no/such"]).fails(127);
        assert!(missing.starts_with("tare: execute /no/such"), "{missing}");
        assert_nothing_left(world);
    });
}

#[test]
fn commands_that_cannot_be_executed() {
    test(NEEDS, |world| {
        ready(world);
        let not_marked = run(world, &["busybox", "/etc/passwd"]).fails(126);
        assert!(
            not_marked.contains("/etc/passwd") && not_marked.contains("hint: "),
            "{not_marked}"
        );
        let folder = run(world, &["busybox", "/etc"]).fails(126);
        assert!(folder.contains("/etc"), "{folder}");
        // An ELF header of arm64 (machine 183), a script without `#!`, a script whose interpreter is not there.
        let mut elf = vec![0u8; 64];
        elf[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0");
        for (name, content, words) in [
            (
                "arm",
                elf.as_slice(),
                &["is for arm64", "this machine is amd64"][..],
            ),
            ("none", b"echo hi\n", &["#!"]),
            ("gone", b"#!/no/interpreter\n", &["/no/interpreter"]),
        ] {
            let file = world.file(name, content);
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&file, mode).expect("mark it executable");
            let bind = format!("{}:/b", file.display());
            let out = run(world, &["-v", &bind, "busybox", "/b"]).run();
            assert!(matches!(out.code(), Some(126 | 127)), "{out}");
            for word in words {
                assert!(out.stderr.contains(word), "{word:?} is not in {out}");
            }
        }
        assert_nothing_left(world);
    });
}

#[test]
fn users() {
    test(NEEDS, |world| {
        ready(world);
        let unknown = run(world, &["-u", "nosuch", "busybox", "true"]).fails(125);
        assert!(
            unknown.starts_with("tare: find user nosuch: the image's /etc/passwd has no such user\nhint: "),
            "{unknown}"
        );
        let overflow = run(world, &["-u", "4294967296", "busybox", "true"]).fails(125);
        assert!(overflow.contains("an id is at most 4294967294"), "{overflow}");
        assert_nothing_left(world);
    });
}

#[test]
fn sizes_and_limits() {
    test(NEEDS, |world| {
        ready(world);
        refused(
            world,
            &["-m", "64x", "busybox", "true"],
            125,
            "tare: read option --memory: read size \"64x\": \"x\" is not a unit\n\
             hint: a size is a number and a unit: b, k, m, g, t or p, as in 64m or 1.5g\n",
        );
        refused(
            world,
            &["-m", "5m", "busybox", "true"],
            125,
            "tare: read option --memory: read memory limit \"5m\": that is too little for a container to start\n\
             hint: the least is 6m\n",
        );
        let swap = run(world, &["-m", "64m", "--memory-swap", "32m", "busybox", "true"]).fails(125);
        assert!(swap.contains("less than the memory limit of 64 MiB"), "{swap}");
        let set = run(world, &["--cpuset-cpus", "4000", "busybox", "true"]).fails(125);
        assert!(set.contains("this machine has the processors 0 to"), "{set}");
        assert_nothing_left(world);
    });
}

#[test]
fn mounts() {
    test(NEEDS, |world| {
        ready(world);
        let file = world.file("f", "x");
        let missing = format!("{}/no/such:/m", world.scratch().display());
        refused(
            world,
            &["-v", &missing, "busybox", "true"],
            125,
            "tare: mount /mnt/scratch/no/such: there is no /mnt/scratch/no\n\
             hint: tare makes no directory for a mount: make it first\n",
        );
        let over = format!("{}:/etc", file.display());
        refused(
            world,
            &["-v", &over, "busybox", "true"],
            125,
            "tare: mount /mnt/scratch/f: /mnt/scratch/f is a file, /etc in the image is a directory\n\
             hint: mount a file on a file and a directory on a directory\n",
        );
        let volume = run(world, &["-v", "a/b:/data", "busybox", "true"]).fails(125);
        assert!(
            volume.contains("includes invalid characters for a local volume name"),
            "{volume}"
        );
        let device = run(world, &["--device", "/dev/nosuch", "busybox", "true"]).fails(125);
        assert!(device.contains("/dev/nosuch"), "{device}");
        assert_nothing_left(world);
    });
}

#[test]
fn what_is_not_there_yet_or_not_allowed() {
    test(NEEDS, |world| {
        ready(world);
        for (words, part) in [
            (
                &["--network", "bridge"][..],
                "networks beyond loopback are not there yet",
            ),
            (
                &["--userns", "auto"],
                "a user namespace per container is not there yet",
            ),
            (
                &["--pid", "container:x"],
                "joining another container is not there yet",
            ),
            (
                &["--sysctl", "kernel.core_pattern=|/x"],
                "it belongs to the whole machine",
            ),
            (
                &["--network", "host", "--sysctl", "net.ipv4.ip_forward=1"],
                "for the whole machine",
            ),
            (&["--security-opt", "apparmor=nosuch"], "AppArmor"),
            (&["--security-opt", "label=type:x"], "SELinux"),
            (&["--cap-add", "NOSUCH"], "there is no such one"),
            (&["--uts", "host", "-h", "x"], "host name"),
            (
                &["--pull", "never", "--platform", "linux/arm64"],
                "hint: busybox is here for linux/amd64",
            ),
            (&["--platform", "linux/nosuch"], "nosuch"),
        ] {
            let out = run(world, words).args(["busybox", "true"]).fails(125);
            assert!(
                out.starts_with("tare: ") && out.contains(part),
                "{words:?}: {out}"
            );
        }
        assert_nothing_left(world);
    });
}

#[test]
fn the_command_line() {
    test(NEEDS, |world| {
        for (words, printed) in [
            (
                &["rnu", "busybox"][..],
                "tare: rnu: there is no such command\nhint: did you mean run?\n",
            ),
            (
                &["run", "--memry", "1m", "x"],
                "tare: --memry: there is no such option\nhint: did you mean --memory?\n",
            ),
        ] {
            assert_eq!(world.tare(words).fails(125), printed);
        }
        let chain = world.tare(["-v", "run", "-m", "64x", "x"]).fails(125);
        assert!(chain.contains("  0: read option --memory [Invalid]"), "{chain}");
    });
}

#[test]
fn an_image_without_a_command() {
    test(NEEDS, |world| {
        ready(world);
        refused(
            world,
            &["--entrypoint", "", "busybox"],
            125,
            "tare: run busybox: the image names no command and none was given\nhint: give one: tare run busybox COMMAND\n",
        );
    });
}
