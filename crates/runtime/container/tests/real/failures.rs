//! What goes wrong is told by step, subject and reason, and leaves no process behind.

use crate::Test;
use crate::bed::Bed;
use rustix::io::Errno;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tare_error::{Error, Kind, Report};

pub(crate) const TESTS: &[Test] = &[
    ("mounts_that_cannot_be_made", mounts_that_cannot_be_made),
    (
        "commands_that_cannot_be_executed",
        commands_that_cannot_be_executed,
    ),
    ("limits_beyond_rights", limits_beyond_rights),
    (
        "attach_that_fails_leaves_nothing",
        attach_that_fails_leaves_nothing,
    ),
    ("process_killed_in_set_up", process_killed_in_set_up),
    ("threads_are_refused", threads_are_refused),
];

/// No child is left, not even a dead one.
fn assert_no_child() {
    let waited = rustix::process::waitpid(None, rustix::process::WaitOptions::NOHANG);
    assert_eq!(waited.unwrap_err(), Errno::CHILD);
}

fn mounts_that_cannot_be_made() {
    fs::create_dir_all("/mnt/data").unwrap();
    fs::write("/mnt/file", "").unwrap();
    for (kind, source, at, options, expected) in [
        (
            "bind",
            "/mnt/data/no/such",
            "/x",
            "bind",
            "open /mnt/data/no/such for /x: /mnt/data/no does not exist",
        ),
        (
            "bind",
            "/mnt/file/below",
            "/x",
            "bind",
            "open /mnt/file/below for /x: /mnt/file/below does not exist",
        ),
        (
            "bind",
            "/mnt/file",
            "/etc",
            "bind",
            "bind mount /etc: not a directory: a file cannot be mounted onto a directory\nhint: mount it onto a file, or mount the directory that holds it",
        ),
        (
            "bind",
            "/mnt/data",
            "/etc/passwd",
            "bind",
            "bind mount /etc/passwd: not a directory: a directory cannot be mounted onto a file\nhint: mount it onto a directory, or mount one file of it",
        ),
        (
            "tmpfs",
            "tmpfs",
            "/x",
            "size=much",
            "mount /x: invalid argument\nhint: the file system refused \"size\"",
        ),
        ("nosuchfs", "x", "/x", "", "mount /x: no such device"),
        (
            "tmpfs",
            "tmpfs",
            "/x/../y",
            "",
            "use /x/../y: a path inside the container may hold neither \"..\" nor a NUL byte",
        ),
        (
            "",
            "",
            "/x",
            "ro",
            "mount /x: it has neither a type nor the option bind",
        ),
    ] {
        let mut bed = Bed::new();
        let error = bed.mount(kind, source, at, options).error(&["true"]);
        assert_eq!(error, expected);
        assert_no_child();
    }
}

fn commands_that_cannot_be_executed() {
    let mut bed = Bed::new();
    let bin = bed.bundle.join("rootfs/bin");
    let put = |name: &str, content: &[u8], mode: u32| {
        fs::write(bin.join(name), content).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    let mut foreign = fs::read("/bin/busybox").unwrap();
    foreign[18] = 183;
    put("foreign", &foreign, 0o755);
    put("plain", b"#!/bin/sh\n", 0o644);
    put("lost", b"#!/usr/bin/python3 -u\n", 0o755);
    put("text", b"echo hello\n", 0o755);
    put("empty", b"", 0o755);
    fs::copy("/bin/ls", bin.join("dynamic")).unwrap();
    for (command, kind, expected) in [
        (
            "nosuch",
            Kind::CommandNotFound,
            "execute nosuch: not found in /usr/local/sbin, /usr/local/bin, /usr/sbin, /usr/bin, /sbin, /bin",
        ),
        (
            "/opt/nosuch",
            Kind::CommandNotFound,
            "execute /opt/nosuch: no such file in the container",
        ),
        (
            "foreign",
            Kind::CommandNotExecutable,
            "execute /bin/foreign: it is for arm64, this machine is amd64",
        ),
        (
            "plain",
            Kind::CommandNotExecutable,
            "execute /bin/plain: permission denied",
        ),
        (
            "/etc",
            Kind::CommandNotExecutable,
            "execute /etc: permission denied",
        ),
        (
            "lost",
            Kind::CommandNotExecutable,
            "execute /bin/lost: its interpreter /usr/bin/python3 is missing: no such file or directory",
        ),
        (
            "text",
            Kind::CommandNotExecutable,
            "execute /bin/text: it is neither a program nor a script that begins with #!",
        ),
        (
            "empty",
            Kind::CommandNotExecutable,
            "execute /bin/empty: the file is empty",
        ),
        (
            "dynamic",
            Kind::CommandNotExecutable,
            "execute /bin/dynamic: its loader /lib64/ld-linux-x86-64.so.2 is missing: no such file or directory",
        ),
    ] {
        let error = bed.try_run(&[command]).unwrap_err();
        assert_eq!(
            (error.kind(), Report::new(&error).to_string().as_str()),
            (kind, expected)
        );
        assert_no_child();
    }
}

fn limits_beyond_rights() {
    let mut bed = Bed::new();
    let rights = tare_process::parse_capabilities(&["SYS_RESOURCE".to_owned()]).0;
    let held = rustix::thread::capabilities(None).unwrap();
    tare_process::set_thread_capabilities(held.effective - rights, held.permitted - rights, held.inheritable)
        .unwrap();
    bed.set(
        "/process/rlimits",
        json!([{"type": "RLIMIT_NOFILE", "soft": 10_000_000, "hard": 10_000_000}]),
    );
    let error = bed.error(&["true"]);
    assert_eq!(
        error,
        "set limit RLIMIT_NOFILE: operation not permitted\nhint: raising a hard limit needs CAP_SYS_RESOURCE"
    );
    let error = bed
        .set(
            "/process/rlimits",
            json!([{"type": "RLIMIT_X", "soft": 1, "hard": 1}]),
        )
        .error(&["true"]);
    assert_eq!(error, "set limit RLIMIT_X: no limit has this name");
}

fn attach_that_fails_leaves_nothing() {
    let mut bed = Bed::new();
    let error = bed
        .begin_attaching(|_| Err(Error::new(Kind::Denied, "attach", "group")))
        .unwrap_err();
    assert_eq!(error.to_string(), "attach group");
    assert_no_child();
}

fn process_killed_in_set_up() {
    let mut bed = Bed::new();
    let mut creation = bed
        .begin_attaching(|pid| {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            Ok(())
        })
        .unwrap();
    let error = creation.wait_created().unwrap_err();
    assert_eq!(
        error.to_string(),
        "set up the container: its process was ended by signal 9"
    );
    assert_no_child();
}

fn threads_are_refused() {
    let mut bed = Bed::new();
    let (stop, wait) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || wait.recv());
    let error = bed.error(&["true"]);
    drop(stop);
    let _ = other.join();
    assert_eq!(
        error,
        "make a process for test: the calling process has several threads"
    );
}
