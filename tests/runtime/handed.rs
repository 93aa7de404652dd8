//! What is handed over beside the container: terminals, handles, fds, and what of the caller's it keeps.

use crate::bundle::{Bundle, NEEDS, receive};
use serde_json::{Value, json};
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use tare_kit::{Tare, test};

/// The process that a handle is of.
fn pid_of(handle: &OwnedFd) -> String {
    let path = format!("/proc/self/fdinfo/{}", handle.as_raw_fd());
    let info = fs::read_to_string(path).unwrap();
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:\t"));
    pid.unwrap_or_else(|| panic!("{info}")).to_owned()
}

#[test]
fn terminals_and_handles_go_to_sockets() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "tty; sleep 100");
        let out = world.folder("out");
        let listen = |name: &str| {
            let path = out.join(name);
            let socket = UnixListener::bind(&path).unwrap();
            (socket, path.to_str().unwrap().to_owned())
        };
        let ((consoles, console), (handles, handle)) = (listen("console"), listen("handle"));
        bundle.set("/process/terminal", json!(true));
        let path = bundle.path.to_str().unwrap().to_owned();
        let sockets = ["--console-socket", &console, "--pidfd-socket", &handle];
        let refused = bundle.runtime(&["run", "-d", "-b", &path, "c"]).fails(1);
        assert!(refused.contains("without setting console socket"), "{refused}");
        let _ = bundle
            .runtime(&[&["run", "-d", "-b", &path][..], &sockets, &["c"]].concat())
            .ok();
        let state: Value = serde_json::from_str(&bundle.runtime(&["state", "c"]).ok()).unwrap();
        let (terminal, first) = (receive(&consoles), receive(&handles));
        assert!(rustix::termios::isatty(&terminal));
        assert_eq!(pid_of(&first), state["pid"].to_string());
        let file = out.join("pid");
        let words = [
            "--pid-file",
            file.to_str().unwrap(),
            "-d",
            "-t",
            "c",
            "sleep",
            "100",
        ];
        let _ = bundle.runtime(&[&["exec"][..], &sockets, &words].concat()).ok();
        let (terminal, second) = (receive(&consoles), receive(&handles));
        assert!(rustix::termios::isatty(&terminal));
        assert_eq!(pid_of(&second), fs::read_to_string(file).unwrap());
        assert_ne!(pid_of(&second), pid_of(&first));
        drop((terminal, first, second));
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        bundle.assert_nothing_left();
    });
}

#[test]
fn sockets_of_an_activation_are_told_to_the_program() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "echo $LISTEN_FDS $LISTEN_PID $$; ls /proc/self/fd");
        let line = format!(
            "exec 3</etc/passwd 4</etc/passwd 5</etc/passwd; LISTEN_FDS=2 exec /mnt/bin/tare-runtime --root {} run -b {} c",
            bundle.home().display(),
            bundle.path.display()
        );
        let said = Tare::program("bash").args(["-c", &line]).ok();
        assert_eq!(
            said, "2 1 1\n0\n1\n2\n3\n4\n5\n",
            "two were for it, and ls has its listing as 5"
        );
    });
}

#[test]
fn what_is_kept_stays_until_it_is_deleted() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "exit 7");
        let path = bundle.path.to_str().unwrap().to_owned();
        let ran = bundle.runtime(&["run", "--keep", "-b", &path, "c"]).run();
        assert_eq!(ran.code(), Some(7), "{ran}");
        assert_eq!(bundle.status(), "stopped");
        let _ = bundle.runtime(&["delete", "c"]).ok();
        bundle.assert_nothing_left();
    });
}

#[test]
fn roots_that_are_not_pivoted_and_keyrings_that_are_the_callers() {
    test(NEEDS, |world| {
        let mut bundle = Bundle::new(world, "cat /mark; ls /..; cat /proc/keys");
        fs::write(bundle.path.join("rootfs/mark"), "inside\n").unwrap();
        bundle.set("/linux/maskedPaths", json!([]));
        let path = bundle.path.to_str().unwrap().to_owned();
        let has_keys = fs::metadata("/proc/keys").is_ok();
        // Keyrings of other tests are listed too, and those that are just gone.
        let time = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let run = |option: &[&str], number: u32| {
            let id = format!("c{}-{number}", time.as_nanos());
            let ran = bundle
                .runtime(&[&["run", "-b", &path], option, &[&id]].concat())
                .run();
            assert_eq!(ran.code(), Some(0), "{ran}");
            assert!(
                ran.stdout.starts_with("inside\nbin\ndev\nmark\nproc\nsys\n"),
                "{ran}"
            );
            ran.stdout.contains(&format!("_tare.{id}"))
        };
        assert_eq!(run(&[], 1), has_keys);
        assert_eq!(run(&["--no-pivot"], 2), has_keys);
        assert!(!run(&["--no-new-keyring"], 3));
        bundle.assert_nothing_left();
    });
}

#[test]
fn a_process_by_its_document_and_one_that_begins_frozen() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "sleep 100");
        bundle.start();
        let document = json!({
            "user": {"uid": 5, "gid": 6, "umask": 0o007},
            "cwd": "/bin",
            "args": ["/bin/sh", "-c", "id; umask; pwd; echo $A; grep NoNewPrivs /proc/self/status"],
            "env": ["A=b"],
            "noNewPrivileges": true,
        });
        let file = world.file("process.json", document.to_string());
        let said = bundle.runtime(&["exec", "-p", file.to_str().unwrap(), "c"]).ok();
        assert_eq!(said, "uid=5 gid=6\n0007\n/bin\nb\nNoNewPrivs:\t1\n");
        let _ = bundle.runtime(&["pause", "c"]).ok();
        let refused = bundle.runtime(&["exec", "c", "true"]).fails(255);
        assert!(refused.contains("paused container"), "{refused}");
        let mut frozen = bundle
            .runtime(&["exec", "--ignore-paused", "c", "sh", "-c", "echo thawed"])
            .start();
        // It is in its group, or on the way there; either way it speaks only when it is let go.
        let _ = bundle.runtime(&["resume", "c"]).ok();
        assert_eq!(frozen.line().as_deref(), Some("thawed"));
        let _ = frozen.finish();
        let _ = bundle.runtime(&["delete", "-f", "c"]).ok();
        bundle.assert_nothing_left();
    });
}
