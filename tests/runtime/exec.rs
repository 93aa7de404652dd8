//! Further processes in a container.

use crate::bundle::{Bundle, NEEDS};
use tare_kit::{Tare, test};

#[test]
fn it_runs_in_the_containers_namespaces_and_groups() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "sleep 100");
        bundle.start();
        let script = "for n in pid mnt net ipc uts cgroup; do \
            [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] || echo $n; done; \
            cat /proc/self/cgroup | cut -d: -f3 | sort -u; hostname; exit 5";
        let ran = bundle.runtime(&["exec", "c", "sh", "-c", script]).run();
        assert_eq!(ran.code(), Some(5), "{ran}");
        assert_eq!(ran.stdout, "/\ntare\n", "{ran}");
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        bundle.assert_nothing_left();
    });
}

#[test]
fn it_has_the_containers_rights_and_what_is_asked_besides() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "sleep 100");
        bundle.start();
        let status = |words: &[&str], name: &str| {
            let command = ["c", "grep", name, "/proc/self/status"];
            let text = bundle.runtime(&[&["exec"], words, &command].concat()).ok();
            text.split_whitespace().last().unwrap().to_owned()
        };
        assert_eq!(status(&[], "CapEff"), "0000000020000420");
        assert_eq!(status(&["--cap", "CAP_CHOWN"], "CapEff"), "0000000020000421");
        assert_eq!(status(&["-c", "CAP_CHOWN"], "CapInh"), "0000000000000000");
        assert_eq!(status(&[], "NoNewPrivs"), "1");
        let words = [
            "exec",
            "-u",
            "5:6",
            "--cwd",
            "/bin",
            "-e",
            "A=b",
            "-g",
            "9",
            "c",
            "sh",
            "-c",
            "id; pwd; echo $A",
        ];
        assert_eq!(bundle.runtime(&words).ok(), "uid=5 gid=6 groups=9\n/bin\nb\n");
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
    });
}

#[test]
fn what_cannot_run_is_told_and_leaves_the_container_alone() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "sleep 100");
        bundle.start();
        let told = bundle.runtime(&["exec", "c", "nosuch"]).fails(255);
        assert!(told.contains("executable file not found in $PATH"), "{told}");
        let _ = bundle.runtime(&["pause", "c"]).ok();
        let told = bundle.runtime(&["exec", "c", "true"]).fails(255);
        assert!(told.contains("cannot exec in a paused container"), "{told}");
        let _ = bundle.runtime(&["resume", "c"]).ok();
        let _ = bundle.runtime(&["exec", "c", "true"]).ok();
        let _ = bundle.runtime(&["kill", "c", "KILL"]).ok();
        bundle.wait_until_stopped();
        let told = bundle.runtime(&["exec", "c", "true"]).fails(255);
        assert!(told.contains("cannot exec in a stopped container"), "{told}");
        let _ = bundle.runtime(&["delete", "c"]).ok();
    });
}

#[test]
fn a_terminal_of_the_containers_own() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "sleep 100");
        bundle.start();
        let ran = bundle
            .runtime(&["exec", "-t", "c", "sh", "-c", "tty; exit 4"])
            .run();
        assert_eq!(
            (ran.code(), ran.stdout.as_str()),
            (Some(4), "/dev/pts/0\n"),
            "{ran}"
        );
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
    });
}

#[test]
fn home_is_the_users_and_the_last_of_a_variable_counts() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "echo $HOME; env | grep -c ^A=; echo $A");
        let etc = bundle.path.join("rootfs/etc");
        std::fs::create_dir_all(&etc).unwrap();
        std::fs::write(
            etc.join("passwd"),
            "root:x:0:0::/root:\nfive:x:5:5::/home/five:\n",
        )
        .unwrap();
        bundle.set(
            "/process/env",
            serde_json::json!(["A=1", "PATH=/bin", "A=2", "HOME="]),
        );
        assert_eq!(bundle.run().stdout, "/root\n1\n2\n");
        bundle.set("/process/args", serde_json::json!(["sleep", "100"]));
        bundle.start();
        let home = |words: &[&str]| {
            let command = ["c", "sh", "-c", "echo $HOME $A"];
            bundle.runtime(&[&["exec"], words, &command].concat()).ok()
        };
        assert_eq!(home(&[]), "/root 2\n");
        assert_eq!(home(&["-u", "5", "-e", "A=3"]), "/home/five 3\n");
        assert_eq!(home(&["-u", "7"]), "/ 2\n");
        assert_eq!(home(&["-u", "5", "-e", "HOME=/elsewhere"]), "/elsewhere 2\n");
        // A list that is no file holds nobody up.
        std::fs::remove_file(etc.join("passwd")).unwrap();
        let _ = Tare::program("mkfifo").args([etc.join("passwd")]).ok();
        assert_eq!(home(&["-u", "5"]), "/ 2\n");
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
    });
}

#[test]
fn it_runs_in_groups_below_those_of_the_container() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "sleep 100");
        bundle.start();
        let own = |tree: &str| std::path::Path::new("/sys/fs/cgroup").join(tree).join("tare/c");
        let exec =
            |place: &str| bundle.runtime(&["exec", "--cgroup", place, "c", "cat", "/proc/self/cgroup"]);
        for (place, told) in [
            ("..", "bad sub cgroup path"),
            (
                "nosuch",
                " adding pid to /tare/c/nosuch: no such file or directory",
            ),
            (
                "memory:nosuch",
                match own("memory").is_dir() {
                    true => " adding pid to /tare/c/nosuch: no such file or directory",
                    // Version 2 has one hierarchy, of all controllers.
                    false => "unknown controller memory",
                },
            ),
            ("whaaat:/", "unknown controller whaaat"),
            (",memory:x", "the name of a controller is empty"),
        ] {
            let refused = exec(place).fails(255);
            assert!(refused.contains(told), "{place}: {refused}");
        }
        if own("memory").is_dir() && own("pids").is_dir() {
            std::fs::create_dir(own("memory").join("sub")).unwrap();
            let group_in = |said: &str, tree: &str| {
                let line = said.lines().find(|line| line.split(':').nth(1) == Some(tree));
                line.unwrap().rsplit(':').next().unwrap().to_owned()
            };
            let said = exec("memory:/sub").ok();
            assert_eq!(
                (group_in(&said, "memory"), group_in(&said, "pids")),
                ("/sub".to_owned(), "/".to_owned())
            );
            // A group that is there in some hierarchies is none: in the others it would be the caller's.
            let refused = exec("sub").fails(255);
            assert!(refused.contains("no such file or directory"), "{refused}");
            let words = [
                "exec",
                "--cgroup",
                "memory:sub",
                "--cgroup",
                "pids:/",
                "c",
                "cat",
                "/proc/self/cgroup",
            ];
            assert_eq!(group_in(&bundle.runtime(&words).ok(), "memory"), "/sub");
            let words = [
                "exec",
                "--cgroup",
                "memory:sub",
                "--cgroup",
                "memory:/",
                "c",
                "true",
            ];
            let refused = bundle.runtime(&words).fails(255);
            assert!(refused.contains("specified multiple times"), "{refused}");
        }
        assert_eq!(exec("/").run().code(), Some(0));
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        bundle.assert_nothing_left();
    });
}
