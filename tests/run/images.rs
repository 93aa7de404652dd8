//! `diff`, `export`, `import`, `commit`: a container's files on their way to an image.

use crate::shell::{NEEDS, assert_nothing_left, ready, sh};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use tare_kit::{Tare, World, test};

/// What the containers of these tests do to their files.
const SCRIPT: &str = "echo more >> /etc/passwd; rm /etc/group; mkdir -p /new/deep; echo x > /new/f; ln -s f /new/l; \
    ln /new/f /new/h; chown 7:8 /new/f; chmod 4755 /new/f; mkfifo /new/p; rm -rf /bin; mkdir /bin; echo y > /bin/own";

/// The same, for a list that is sorted, without the directories.
fn written(world: &World) {
    let _ = world
        .tare(["run", "--name", "web", "busybox", "sh", "-c", SCRIPT])
        .run();
}

#[test]
fn differences_are_listed() {
    test(NEEDS, |world| {
        ready(world);
        let of_bin = sh(world, &[], "ls /bin");
        written(world);
        let list = world.tare(["diff", "web"]).ok();
        let lines: Vec<&str> = list.lines().filter(|line| !line.starts_with("D /bin/")).collect();
        let expected = [
            "C /bin",
            "A /bin/own",
            "C /etc",
            "D /etc/group",
            "C /etc/passwd",
            "A /new",
            "A /new/deep",
            "A /new/f",
            "A /new/h",
            "A /new/l",
            "A /new/p",
        ];
        assert_eq!(lines, expected, "{list}");
        let gone = list.lines().filter(|line| line.starts_with("D /bin/")).count();
        assert_eq!(gone, of_bin.lines().count());
        let _ = world
            .tare(["create", "--name", "still", "-v", "/data", "busybox", "true"])
            .ok();
        assert_eq!(
            world.tare(["diff", "still"]).ok(),
            "",
            "what every container has is no difference"
        );
        assert!(world.tare(["diff", "nosuch"]).fails(125).contains("nosuch"));
        let _ = world.tare(["rm", "-v", "web", "still"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn all_files_are_exported_and_imported() {
    test(NEEDS, |world| {
        ready(world);
        let _ = world.tare(["run", "--name", "web", "-v", "data:/data", "busybox", "sh", "-c",
            "rm /etc/group; mkdir /new; echo x > /new/f; chown 7:8 /new/f; chmod 4755 /new/f; echo secret > /data/f"]).ok();
        let file = world.scratch().join("web.tar");
        let _ = world.tare(["export", "-o"]).args([&file]).args(["web"]).ok();
        let list = Tare::program("tar").args(["-tf"]).args([&file]).ok();
        assert!(
            list.lines().any(|line| line == "new/f") && !list.contains("etc/group"),
            "{list}"
        );
        assert!(!list.contains("data/f"), "a volume is not among them");
        let mut out = world.tare(["export", "web"]);
        let piped = std::fs::File::create(world.scratch().join("piped.tar")).expect("a file");
        assert!(
            out.command()
                .stdout(piped)
                .stdin(std::process::Stdio::null())
                .status()
                .expect("run")
                .success()
        );
        assert_eq!(
            std::fs::read(&file).expect("the archive"),
            std::fs::read(world.scratch().join("piped.tar")).expect("the archive")
        );
        let words = [
            "import",
            "-m",
            "made",
            "-a",
            "me",
            "-c",
            "CMD [\"cat\", \"/new/f\"]",
            "-c",
            "ENV A=1",
            "-c",
            "VOLUME /vol",
            "-c",
            "LABEL k=v",
        ];
        let id = world.tare(words).args([&file]).args(["mine:1"]).ok();
        assert!(id.starts_with("sha256:"), "{id}");
        assert_eq!(world.tare(["run", "--rm", "mine:1"]).ok(), "x\n");
        let seen = world
            .tare([
                "run",
                "--rm",
                "mine:1",
                "sh",
                "-c",
                "stat -c %u:%g:%a /new/f; echo $A; ls -d /vol; ls /etc/group || echo gone",
            ])
            .ok();
        assert_eq!(seen, "7:8:4755\n1\n/vol\ngone\n");
        let shown = world.tare(["inspect", "mine:1"]).ok();
        assert!(
            shown.contains("\"Author\": \"me\"") && shown.contains("\"/vol\""),
            "{shown}"
        );
        // Packed it is the same image's files.
        let gzip = Tare::program("gzip").args(["-k"]).args([&file]).ok();
        assert_eq!(gzip, "");
        let zipped = std::fs::read(world.scratch().join("web.tar.gz")).expect("the archive");
        let _ = world.tare(["import", "-", "zipped"]).stdin(zipped).ok();
        assert_eq!(world.tare(["run", "--rm", "zipped", "cat", "/new/f"]).ok(), "x\n");
        for (bad, why) in [("no archive", "read layer"), ("", "")] {
            let out = world.tare(["import", "-", "bad"]).stdin(bad).run();
            assert!(out.stderr.contains(why), "{out}");
        }
        let said = world.tare(["import", "-c", "RUN true", "-"]).fails(125);
        assert!(said.contains("RUN is not a valid change command"), "{said}");
        let _ = world.tare(["rm", "-v", "web"]).ok();
        let _ = world.tare(["volume", "rm", "data"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn an_image_of_a_container_runs() {
    test(NEEDS, |world| {
        ready(world);
        let options = [
            "-e",
            "A=1",
            "-w",
            "/tmp",
            "-l",
            "k=v",
            "-v",
            "/vol",
            "-v",
            "kept:/kept",
        ];
        let script = format!("{SCRIPT}; echo z > /kept/z");
        let _ = world
            .tare(["run", "--name", "web"])
            .args(options)
            .args(["busybox", "sh", "-c", &script])
            .run();
        let words = [
            "commit", "-a", "me", "-m", "what", "-c", "ENV B=2", "web", "made:1",
        ];
        let id = world.tare(words).ok();
        assert!(id.starts_with("sha256:") && id.len() == 72, "{id}");
        // Its programs went with /bin; another image of ours shows the files.
        let to = world.folder("to");
        let _ = world.tare(["create", "--name", "look", "made:1"]).ok();
        let _ = world.tare(["cp", "-aq", "look:/"]).args([&to]).ok();
        let (f, h) = (
            std::fs::metadata(to.join("new/f")).expect("f"),
            std::fs::metadata(to.join("new/h")).expect("h"),
        );
        assert_eq!(
            (f.uid(), f.gid(), f.mode() & 0o7777, f.ino()),
            (7, 8, 0o4755, h.ino())
        );
        assert!(!to.join("etc/group").exists() && !to.join("kept/z").exists());
        let bin: Vec<_> = std::fs::read_dir(to.join("bin"))
            .expect("the folder")
            .flatten()
            .collect();
        assert_eq!(bin.len(), 1, "what the new directory hides stays hidden");
        assert_eq!(
            world.tare(["diff", "look"]).ok(),
            "",
            "nothing is different in a new one"
        );
        let shown = world.tare(["inspect", "made:1"]).ok();
        for part in [
            "\"A=1\"",
            "\"B=2\"",
            "\"WorkingDir\": \"/tmp\"",
            "\"k\": \"v\"",
            "\"Author\": \"me\"",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let _ = world.tare(["rm", "-v", "web", "look"]).ok();
        let _ = world.tare(["rmi", "made:1"]).ok();
        let _ = world.tare(["volume", "rm", "kept"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn one_that_runs_stands_still_meanwhile_and_goes_on() {
    test(NEEDS, |world| {
        ready(world);
        let script = "i=0; while :; do i=$((i+1)); echo $i >> /a; echo $i >> /b; done";
        let _ = world
            .tare(["run", "-d", "--name", "web", "busybox", "sh", "-c", script])
            .ok();
        while world.tare(["exec", "web", "cat", "/b"]).run().code() != Some(0) {}
        for words in [
            &["commit", "web", "one"][..],
            &["commit", "--pause=false", "web", "two"],
            &["commit", "web", "three"],
        ] {
            let _ = world.tare(words).ok();
        }
        for image in ["one", "three"] {
            let seen = world
                .tare([
                    "run",
                    "--rm",
                    image,
                    "sh",
                    "-c",
                    "echo $(($(wc -l < /a) - $(wc -l < /b)))",
                ])
                .ok();
            assert!(seen == "0\n" || seen == "1\n", "{image}: {seen}");
        }
        // A commit that dies leaves it going on, with the next command.
        let out = world
            .tare(["commit", "web", "four"])
            .env("TARE_FAILPOINT", "kill@commit-still")
            .run();
        assert_eq!(out.signal(), Some(9), "{out}");
        let _ = world.tare(["ps"]).ok();
        let before = world.tare(["exec", "web", "tail", "-1", "/a"]).ok();
        while world.tare(["exec", "web", "tail", "-1", "/a"]).ok() == before {}
        let out = world
            .tare(["commit", "web", "four"])
            .env("TARE_FAILPOINT", "kill@commit-packed")
            .run();
        assert_eq!(out.signal(), Some(9), "{out}");
        assert!(!world.tare(["images"]).ok().contains("four"));
        // One that stood still before stays so.
        let _ = world.tare(["pause", "web"]).ok();
        let _ = world.tare(["commit", "web", "five"]).ok();
        assert!(world.tare(["ps"]).ok().contains("Paused"));
        let _ = world.tare(["rm", "-f", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn images_are_made_of_images_that_were_made() {
    test(NEEDS, |world| {
        ready(world);
        for (from, script, to) in [
            (
                "busybox",
                "echo one > /a; echo one > /b; mkdir /d; touch /d/x",
                "one",
            ),
            ("one", "echo two > /b; rm -r /d", "two"),
            ("two", "mkdir /d; echo three > /d/y; rm /a; ls /d", "three"),
        ] {
            let _ = world
                .tare(["run", "--name", "maker", from, "sh", "-c", script])
                .ok();
            let _ = world.tare(["commit", "maker", to]).ok();
            let _ = world.tare(["rm", "maker"]).ok();
        }
        let seen = world
            .tare([
                "run",
                "--rm",
                "three",
                "sh",
                "-c",
                "cat /b /d/y; ls /d; ls /a || echo gone",
            ])
            .ok();
        assert_eq!(seen, "two\nthree\ny\ngone\n");
        // A layer that two images have stays with the one that is left.
        let _ = world.tare(["rmi", "two", "one"]).ok();
        assert_eq!(world.tare(["run", "--rm", "three", "cat", "/b"]).ok(), "two\n");
        // The image inside the program too.
        let _ = world.tare(["run", "--name", "maker", "hello"]).ok();
        let _ = world.tare(["commit", "maker", "greeting"]).ok();
        let _ = world.tare(["rm", "maker"]).ok();
        assert!(!world.tare(["run", "--rm", "greeting"]).ok().is_empty());
        assert_nothing_left(world);
    });
}

/// A volume's place in an image that leads out of it: what is copied into the volume is the image's, never the machine's.
#[test]
fn a_hostile_image_s_volume_gets_nothing_of_the_machine() {
    test(NEEDS, |world| {
        ready(world);
        let outside = world.folder("outside");
        std::fs::write(outside.join("secret"), "secret").expect("a file");
        let up = "../".repeat(20);
        let script = format!(
            "ln -s {up}{} /vol; mkdir /v2; mkfifo /v2/pipe; mknod /v2/null c 1 3; ln -s /etc /v2/etc",
            outside.display()
        );
        let _ = world
            .tare(["run", "--name", "web", "busybox", "sh", "-c", &script])
            .ok();
        let _ = world.tare(["commit", "-c", "VOLUME /vol /v2", "web", "bad"]).ok();
        let seen = world
            .tare(["run", "--rm", "bad", "sh", "-c", "ls /vol; ls /v2"])
            .ok();
        assert_eq!(seen, "etc\nnull\npipe\n");
        assert_eq!(std::fs::read_dir(&outside).expect("the folder").count(), 1);
        for bad in ["VOLUME /", "VOLUME ../.."] {
            let _ = world.tare(["commit", "-c", bad, "web", "worse"]).ok();
            let said = world.tare(["run", "--rm", "worse", "true"]).fails(125);
            assert!(said.contains("the root itself cannot be mounted over"), "{said}");
        }
        assert_eq!(world.tare(["volume", "ls", "-q"]).ok(), "");
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn as_a_person() {
    test(crate::person::NEEDS, |world| {
        crate::person::ready(world);
        let person = world.person();
        let tare = |words: &[&str]| world.tare_as(person, words).directory(person.home());
        let script = "echo x > /f; chown 7:8 /f; rm /etc/group; rm -rf /tmp; mkdir /tmp; echo up; cat";
        let _ = tare(&["run", "-d", "-i", "--name", "web", "busybox", "sh", "-c", script]).ok();
        while tare(&["logs", "web"]).ok() != "up\n" {}
        for state in ["running", "stopped"] {
            let list = tare(&["diff", "web"]).ok();
            assert!(
                list.contains("A /f\n") && list.contains("D /etc/group\n"),
                "{state}: {list}"
            );
            let _ = tare(&["commit", "web", "made"]).ok();
            let seen = tare(&[
                "run",
                "--rm",
                "made",
                "sh",
                "-c",
                "stat -c %u:%g /f; ls /etc/group || echo gone",
            ])
            .ok();
            assert_eq!(seen, "7:8\ngone\n", "{state}: owners are those inside");
            let _ = tare(&["export", "-o", "web.tar", "web"]).ok();
            let about = std::fs::metadata(person.home().join("web.tar")).expect("the archive");
            assert_eq!(
                (about.uid(), about.permissions().mode() & 0o7000),
                (person.id(), 0)
            );
            let _ = tare(&["import", "web.tar", "again"]).ok();
            assert_eq!(
                tare(&["run", "--rm", "again", "stat", "-c", "%u:%g", "/f"]).ok(),
                "7:8\n"
            );
            let _ = tare(&["stop", "-t", "0", "web"]).ok();
        }
        let _ = tare(&["rm", "web"]).ok();
    });
}
