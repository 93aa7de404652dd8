//! `tare cp`: both ways, whether the container runs or not, and against one that is hostile.

use crate::shell::{NEEDS, assert_nothing_left, ready, until_said};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use tare_kit::{Tare, World, test};

/// `tare cp -q WORDS`.
fn cp(world: &World, words: &[&str]) -> Tare {
    world.tare(["cp", "-q"]).args(words).directory(world.scratch())
}

/// A container that runs, one that has ended, one that never began; each with the same files.
fn three(world: &World) {
    let script = "mkdir -p /d/sub; echo x > /d/f; echo y > /d/sub/g; ln -s /d /link; ln -s f /d/lf; chown 7:8 /d/f; chmod 4755 /d/f";
    let stay = format!("{script}; echo up; cat");
    let _ = world
        .tare(["run", "--name", "ended", "busybox", "sh", "-c", script])
        .ok();
    let _ = world
        .tare(["run", "-d", "-i", "--name", "lives", "busybox", "sh", "-c", &stay])
        .ok();
    until_said(world, "lives", "up\n");
    let _ = world.tare(["create", "--name", "waits", "busybox", "true"]).ok();
    let copied = world.folder("copied");
    let _ = cp(world, &["-a", "ended:/d", "copied/"]).ok();
    let _ = cp(world, &["-a", "copied/d", "waits:/"]).ok();
    let _ = std::fs::remove_dir_all(copied);
    symlink("/d", world.scratch().join("link")).expect("a link");
    let _ = cp(world, &["link", "waits:/link"]).ok();
}

fn gone(world: &World) {
    let _ = world.tare(["rm", "-f", "lives", "ended", "waits"]).ok();
    assert_nothing_left(world);
}

#[test]
fn out_of_a_container_by_docker_s_rules() {
    test(NEEDS, |world| {
        ready(world);
        three(world);
        for name in ["lives", "ended", "waits"] {
            for (from, to, found) in [
                ("/d/f", "new", "new"),
                ("d/f", "there", "there/f"),
                ("/d/f", "old", "old"),
                ("/d", "new", "new/f"),
                ("/d", "there", "there/d/sub/g"),
                ("/d/.", "there", "there/sub/g"),
                ("/d/.", "new", "new/sub/g"),
                ("/link/", "there", "there/link/f"),
                ("/link/.", "there/", "there/f"),
                ("/d/sub/../f", "there/.", "there/f"),
            ] {
                let folder = world.folder("to");
                std::fs::create_dir(folder.join("there")).expect("a folder");
                std::fs::write(folder.join("old"), "old").expect("a file");
                let (from, to) = (format!("{name}:{from}"), format!("to/{to}"));
                let _ = cp(world, &[&from, &to]).ok();
                let content =
                    std::fs::read(folder.join(found)).unwrap_or_else(|e| panic!("{from} {to}: {found}: {e}"));
                assert!(content == b"x\n" || content == b"y\n", "{from} {to}");
                std::fs::remove_dir_all(folder).expect("it goes");
            }
            let folder = world.folder("to");
            std::fs::write(folder.join("file"), "x").expect("a file");
            for (from, to, why) in [
                ("/nosuch", "to", "there is no such file or directory"),
                ("/d/f/", "to", "there is no such file or directory"),
                ("/d", "to/file", "a directory cannot be copied over a file"),
                ("/d/f", "to/new/", "there is no such directory"),
                ("/d/f", "nosuch/new", "there is no such file or directory"),
                ("/d/f", "to/file/", "there is no such file or directory"),
            ] {
                let said = cp(world, &[&format!("{name}:{from}"), to]).fails(125);
                assert!(said.contains(why), "{from} {to}: {said}");
            }
            std::fs::remove_dir_all(folder).expect("it goes");
        }
        gone(world);
    });
}

#[test]
fn into_a_container_by_docker_s_rules() {
    test(NEEDS, |world| {
        ready(world);
        three(world);
        let from = world.folder("from");
        std::fs::create_dir(from.join("sub")).expect("a folder");
        std::fs::write(from.join("sub/h"), "new\n").expect("a file");
        std::fs::write(from.join("h"), "new\n").expect("a file");
        for name in ["lives", "ended", "waits"] {
            for (what, to, found) in [
                ("from/h", "/d", "/d/h"),
                ("from/h", "/d/h2", "/d/h2"),
                ("from/h", "/link/h3", "/d/h3"),
                ("from/h", "/d/lf", "/d/f"),
                ("from", "/d", "/d/from/sub/h"),
                ("from/.", "/d/sub", "/d/sub/sub/h"),
                ("from", "/new", "/new/sub/h"),
            ] {
                let to = format!("{name}:{to}");
                let _ = cp(world, &[what, &to]).ok();
                let back = format!("{name}:{found}");
                let _ = cp(world, &[&back, "back"]).ok();
                assert_eq!(
                    std::fs::read(world.scratch().join("back")).expect("a file"),
                    b"new\n",
                    "{what} {to}"
                );
            }
            let _ = cp(world, &["-a", &format!("{name}:/d/lf"), "lf"]).ok();
            assert_eq!(
                std::fs::read_link(world.scratch().join("lf")).expect("a link"),
                Path::new("f"),
                "it stays a link"
            );
            std::fs::remove_file(world.scratch().join("lf")).expect("it goes");
            let _ = cp(world, &["-L", &format!("{name}:/d/lf"), "lf"]).ok();
            assert!(
                std::fs::symlink_metadata(world.scratch().join("lf"))
                    .expect("a file")
                    .is_file()
            );
            std::fs::remove_file(world.scratch().join("lf")).expect("it goes");
            for (what, to, why) in [
                ("from", "/d/h", "a directory cannot be copied over a file"),
                ("from/h", "/nosuch/", "there is no such directory"),
                ("from/nosuch", "/d", "there is no such file or directory"),
                ("from/h", "/nosuch/h", "there is no such file or directory"),
            ] {
                let said = cp(world, &[what, &format!("{name}:{to}")]).fails(125);
                assert!(said.contains(why), "{what} {to}: {said}");
            }
        }
        let both = cp(world, &["lives:/d", "ended:/"]).fails(125);
        assert!(
            both.contains("copying between containers is not supported"),
            "{both}"
        );
        let none = cp(world, &["/d", "/e"]).fails(125);
        assert!(
            none.contains("must specify at least one container source"),
            "{none}"
        );
        assert!(cp(world, &["nosuch:/d", "/e"]).fails(125).contains("nosuch"));
        // It lives as before, and can be started after.
        assert_eq!(world.tare(["exec", "lives", "cat", "/new/h"]).ok(), "new\n");
        let _ = world.tare(["start", "waits", "ended"]).ok();
        gone(world);
    });
}

#[test]
fn owners_and_setuid_bits_are_kept_where_that_is_asked_for() {
    test(NEEDS, |world| {
        ready(world);
        three(world);
        for name in ["lives", "ended", "waits"] {
            let from = format!("{name}:/d/f");
            for (archive, expected) in [(false, (0, 0, 0o755)), (true, (7, 8, 0o4755))] {
                let out = world.scratch().join("out");
                let _ = std::fs::remove_file(&out);
                let words = [&from, "out"];
                let words: Vec<&str> = archive.then_some("-a").into_iter().chain(words).collect();
                let _ = cp(world, &words).ok();
                let about = std::fs::metadata(out).expect("the file");
                assert_eq!(
                    (about.uid(), about.gid(), about.mode() & 0o7777),
                    expected,
                    "{name}"
                );
            }
        }
        let file = world.file("own", "x");
        std::os::unix::fs::chown(&file, Some(1234), Some(55)).expect("an owner");
        for (words, expected) in [
            (&["own", "lives:/own"][..], "0:0\n"),
            (&["-a", "own", "lives:/own"], "1234:55\n"),
        ] {
            let _ = cp(world, words).ok();
            assert_eq!(
                world.tare(["exec", "lives", "stat", "-c", "%u:%g", "/own"]).ok(),
                expected
            );
        }
        let said = world.tare(["cp", "lives:/d/f", "/dev/null/x"]).run().stderr;
        assert!(said.contains("there is no such file or directory"), "{said}");
        let said = world
            .tare(["cp", "lives:/d/f"])
            .args([world.scratch().join("said")])
            .run()
            .ok()
            .stderr;
        assert!(said.starts_with("Successfully copied 2B to "), "{said}");
        gone(world);
    });
}

#[test]
fn archives_through_pipes() {
    test(NEEDS, |world| {
        ready(world);
        three(world);
        for name in ["lives", "ended", "waits"] {
            let mut out = cp(world, &[&format!("{name}:/d"), "-"]);
            let file = std::fs::File::create(world.scratch().join("d.tar")).expect("a file");
            let done = out
                .command()
                .stdout(file)
                .stdin(std::process::Stdio::null())
                .status()
                .expect("run");
            assert!(done.success());
            let list = Tare::program("tar")
                .args(["-tf"])
                .args([world.scratch().join("d.tar")])
                .ok();
            let mut lines: Vec<&str> = list.lines().collect();
            lines.sort_unstable();
            assert_eq!(lines, ["d/", "d/f", "d/lf", "d/sub/", "d/sub/g"], "{name}");
            let archive = std::fs::read(world.scratch().join("d.tar")).expect("the archive");
            let _ = cp(world, &["-", &format!("{name}:/tmp")])
                .stdin(archive.clone())
                .ok();
            let _ = cp(world, &[&format!("{name}:/tmp/d/sub/g"), "g"]).ok();
            assert_eq!(
                std::fs::read(world.scratch().join("g")).expect("the file"),
                b"y\n"
            );
            let said = cp(world, &["-", &format!("{name}:/d/f")])
                .stdin(archive)
                .fails(125);
            assert!(said.contains("must be a directory"), "{said}");
            let said = cp(world, &["-", &format!("{name}:/tmp")])
                .stdin("no archive")
                .fails(125);
            assert!(said.contains("read layer"), "{said}");
        }
        gone(world);
    });
}

#[test]
fn volumes_are_seen_in_one_that_does_not_run() {
    test(NEEDS, |world| {
        ready(world);
        let share = world.folder("share");
        let bind = format!("{}:/m", share.display());
        let binds = ["-v", "data:/data", "-v", &bind, "-v", "data:/ro:ro"];
        let _ = world
            .tare(["create", "--name", "waits"])
            .args(binds)
            .args(["busybox", "true"])
            .ok();
        let _ = world.file("f", "x");
        for to in ["waits:/data/f", "waits:/m/f"] {
            let _ = cp(world, &["f", to]).ok();
        }
        assert_eq!(std::fs::read(share.join("f")).expect("the file"), b"x");
        let path = world.data_root().join("volumes/data/_data/f");
        assert_eq!(std::fs::read(path).expect("the file"), b"x");
        assert!(cp(world, &["f", "waits:/ro/g"]).fails(125).contains("read-only"));
        let _ = world
            .tare([
                "create",
                "--name",
                "firm",
                "--read-only",
                "-v",
                "data:/data",
                "busybox",
                "true",
            ])
            .ok();
        assert!(cp(world, &["f", "firm:/g"]).fails(125).contains("read-only"));
        let _ = cp(world, &["f", "firm:/data/g"]).ok();
        let _ = cp(world, &["firm:/etc/passwd", "passwd"]).ok();
        let _ = world.tare(["rm", "waits", "firm"]).ok();
        let _ = world.tare(["volume", "rm", "data"]).ok();
        assert_nothing_left(world);
    });
}

/// A container whose files are all meant to harm: nothing outside is read or written, nothing waits, nothing has no end.
#[test]
fn a_hostile_container_is_copied_from_and_to() {
    test(NEEDS, |world| {
        ready(world);
        let outside = world.folder("outside");
        std::fs::write(outside.join("secret"), "secret").expect("a file");
        let away = format!("/{}{}", "../".repeat(20), outside.display());
        let script = format!(
            "mkdir /h /deep; cd /h; ln -s {away} away; ln -s {away}/secret secret; mkfifo pipe; mknod null c 1 3; \
             mkdir -p p; cd p; ln -s /proc/self/root root; ln -s /proc/1/root/etc etc; cd ..; \
             ln -s loop loop; echo ok > ok; echo up; cat"
        );
        let _ = world
            .tare([
                "run", "-d", "-i", "--name", "lives", "busybox", "sh", "-c", &script,
            ])
            .ok();
        until_said(world, "lives", "up\n");
        for state in ["running", "stopped"] {
            let to = world.folder("to");
            let said = cp(world, &["lives:/h", "to"]).run().ok().stderr;
            // The first round writes a file in the place of the device.
            let expected = state == "running";
            assert_eq!(
                said.contains("1 devices or sockets were left out"),
                expected,
                "{state}: {said}"
            );
            assert_eq!(std::fs::read(to.join("h/ok")).expect("a file"), b"ok\n");
            assert!(
                std::fs::symlink_metadata(to.join("h/away"))
                    .expect("a link")
                    .is_symlink()
            );
            assert_eq!(!to.join("h/null").exists(), expected);
            std::fs::remove_dir_all(&to).expect("it goes");
            for path in [
                "/h/away/secret",
                "/h/away/",
                "/h/p/root/etc/passwd",
                "/h/loop/",
                "/h/p/etc/passwd",
            ] {
                let said = cp(world, &[&format!("lives:{path}"), "got"]).run();
                let got = std::fs::read(world.scratch().join("got")).unwrap_or_default();
                assert!(
                    said.code() == Some(125) && got.is_empty(),
                    "{state}: {path}: {said}"
                );
            }
            let _ = world.file("new", "new");
            for path in [
                "/h/away/new",
                "/h/away",
                "/h/away/",
                "/h/secret",
                "/h/pipe",
                "/h/null",
            ] {
                // Whether it lands inside or nowhere is one; outside nothing does, and nobody waits.
                let _ = cp(world, &["new", &format!("lives:{path}")]).run();
                assert_eq!(
                    std::fs::read(outside.join("secret")).expect("the file"),
                    b"secret",
                    "{path}"
                );
                assert_eq!(
                    std::fs::read_dir(&outside).expect("the folder").count(),
                    1,
                    "{state}: {path}"
                );
            }
            let null = std::fs::metadata("/dev/null").expect("it is there");
            assert!(!null.is_file());
            let _ = world.tare(["stop", "-t", "0", "lives"]).ok();
        }
        let _ = world.tare(["rm", "lives"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn what_has_no_end_is_refused_and_kernel_s_files_are_not_read() {
    test(NEEDS, |world| {
        ready(world);
        let script = "truncate -s 900G /huge; mkdir /d; cd /d; for i in $(seq 600); do mkdir d && cd d || break; done; echo up; cat";
        let _ = world
            .tare([
                "run", "-d", "-i", "--name", "lives", "busybox", "sh", "-c", script,
            ])
            .ok();
        until_said(world, "lives", "up\n");
        let said = cp(world, &["lives:/huge", "huge"]).fails(125);
        assert!(said.contains("limit bytes"), "{said}");
        let said = cp(world, &["lives:/d", "deep"]).fails(125);
        assert!(said.contains("limit depth"), "{said}");
        let _ = Tare::program("rm")
            .args(["-rf"])
            .args([world.scratch().join("deep")])
            .ok();
        let to = world.folder("to");
        let _ = cp(world, &["lives:/proc", "to"]).ok();
        assert_eq!(std::fs::read_dir(to.join("proc")).expect("the folder").count(), 0);
        let _ = world.file("f", "x");
        assert_eq!(
            cp(world, &["f", "lives:/proc/sys/kernel/f"]).run().code(),
            Some(125)
        );
        assert_eq!(cp(world, &["f", "lives:/proc/self/comm"]).run().code(), Some(125));
        let _ = world.tare(["rm", "-f", "lives"]).ok();
        assert_nothing_left(world);
    });
}

/// The container puts now a directory, now a link to the machine's files in the place that is copied to and from.
#[test]
fn a_race_is_never_won() {
    test(NEEDS, |world| {
        ready(world);
        let outside = world.folder("outside");
        std::fs::write(outside.join("f"), "secret").expect("a file");
        let away = outside.display();
        // Where the links would lead if they were followed here; inside it is another directory.
        let script = format!(
            "mkdir -p {away}; echo inside > {away}/f; echo up; while :; do \
               mkdir -p /t/d; echo inside > /t/d/f; mv /t /u; ln -s {away} /t; rm /t; mv /u /t; \
               rm -rf /t/d; ln -s {away} /t/d; rm -f /t/d; done"
        );
        let _ = world
            .tare(["run", "-d", "--name", "lives", "busybox", "sh", "-c", &script])
            .ok();
        until_said(world, "lives", "up\n");
        let from = world.folder("from/d");
        std::fs::write(from.join("f"), "written").expect("a file");
        std::fs::write(from.join("g"), "written").expect("a file");
        let mut landed = 0;
        for round in 0..60 {
            for (what, to) in [("from/d", "/t"), ("from/d/.", "/t/d"), ("from/d/f", "/t/d/f")] {
                landed += usize::from(cp(world, &[what, &format!("lives:{to}")]).run().code() == Some(0));
            }
            let to = world.folder("to");
            for what in ["/t", "/t/d/f", "/t/d/.", "/t/."] {
                let _ = cp(world, &[&format!("lives:{what}"), "to"]).run();
            }
            let grep = Tare::program("grep").args(["-r", "secret"]).args([&to]).run();
            assert_eq!(grep.code(), Some(1), "round {round}: {grep}");
            std::fs::remove_dir_all(&to).expect("it goes");
            assert_eq!(
                std::fs::read(outside.join("f")).expect("the file"),
                b"secret",
                "round {round}"
            );
            assert_eq!(
                std::fs::read_dir(&outside).expect("the folder").count(),
                1,
                "round {round}"
            );
        }
        assert!(landed > 0, "some of it must have found its place");
        let _ = world.tare(["rm", "-f", "lives"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn killed_in_the_middle_the_container_is_as_before() {
    test(NEEDS, |world| {
        ready(world);
        let _ = world.tare(["create", "--name", "waits", "busybox", "true"]).ok();
        let mut copying = world.tare(["cp", "-", "waits:/tmp"]).start();
        let mut header = vec![0; 512];
        header[..4].copy_from_slice(b"half");
        std::io::Write::write_all(copying.stdin.as_mut().expect("a pipe"), &header[..100]).expect("write");
        // Whoever wants to start it waits for its turn.
        let pod = world.run_root().join("pods");
        while std::fs::read_dir(&pod).is_ok_and(|mut entries| entries.next().is_none()) {}
        copying.signal(rustix::process::Signal::KILL);
        drop(copying);
        assert!(world.tare(["ps", "-a"]).ok().contains("waits"));
        let _ = world.tare(["start", "-a", "waits"]).ok();
        let _ = world.tare(["rm", "waits"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn as_a_person() {
    test(crate::person::NEEDS, |world| {
        crate::person::ready(world);
        let person = world.person();
        let tare = |words: &[&str]| world.tare_as(person, words).directory(person.home());
        let script = "mkdir /d; echo x > /d/f; chown 7 /d/f; echo up; cat";
        let _ = tare(&[
            "run", "-d", "-i", "--name", "lives", "busybox", "sh", "-c", script,
        ])
        .ok();
        while tare(&["logs", "lives"]).ok() != "up\n" {}
        let _ = tare(&[
            "run",
            "-d",
            "-i",
            "--name",
            "nobody",
            "-u",
            "nobody",
            "-w",
            "/tmp",
            "busybox",
            "sh",
            "-c",
            "echo x > f; echo up; cat",
        ])
        .ok();
        while tare(&["logs", "nobody"]).ok() != "up\n" {}
        for state in ["running", "stopped"] {
            let _ = tare(&["cp", "-q", "lives:/d", "."]).ok();
            let about = std::fs::metadata(person.home().join("d/f")).expect("the file");
            assert_eq!(about.uid(), person.id(), "{state}: it is that person's");
            let _ = tare(&["cp", "-q", "d/f", "lives:/d/own"]).ok();
            let _ = tare(&["cp", "-q", "lives:/d/own", "back"]).ok();
            let _ = tare(&["cp", "-q", "nobody:/tmp/f", "theirs"]).ok();
            let mode = std::fs::metadata(person.home().join("theirs"))
                .expect("the file")
                .permissions()
                .mode();
            assert_eq!(mode & 0o7000, 0);
            if state == "running" {
                assert_eq!(tare(&["exec", "lives", "stat", "-c", "%u", "/d/own"]).ok(), "0\n");
            }
            std::fs::remove_dir_all(person.home().join("d")).expect("it goes");
            let _ = tare(&["stop", "-t", "0", "lives", "nobody"]).ok();
        }
        // Somebody else's files are not theirs to read.
        let secret = world.file("secret", "secret");
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("a mode");
        let said = tare(&["cp", &secret.display().to_string(), "lives:/d/secret"]).fails(125);
        assert!(said.contains("permission denied"), "{said}");
        let _ = tare(&["rm", "-f", "lives", "nobody"]).ok();
    });
}
