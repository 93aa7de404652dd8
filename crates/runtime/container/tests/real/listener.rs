//! A filter that asks a listener: who gets it, when, and what the process sees of its answers.

use crate::Test;
use crate::bed::Bed;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};
use std::fs;
use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use tare_container::{FilterFlags, Stage, Stdio, send_listener};
use tare_spec_oci::{ContainerProcessState, SECCOMP_FD, Seccomp, State, Status};
use tare_sys::{Notification, receive_notification, refuse_call};

pub(crate) const TESTS: &[Test] = &[
    ("listener_decides", listener_decides),
    ("listener_is_asked_in_the_set_up", listener_is_asked_in_the_set_up),
    ("listener_that_nobody_takes", listener_that_nobody_takes),
    ("listeners_that_mean_nothing", listeners_that_mean_nothing),
];

/// Receives what is asked once, and answers with an error number.
fn answer(listener: BorrowedFd<'_>, error: Errno) -> Notification {
    let asked = receive_notification(listener).unwrap();
    refuse_call(listener, asked.id, error).unwrap();
    asked
}

/// A bed with a filter that asks about some calls.
fn asking(calls: &[&str], no_new_privileges: bool) -> Bed {
    let policy = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": "/mnt/agent",
        "listenerMetadata": "who asks",
        "syscalls": [{"names": calls, "action": "SCMP_ACT_NOTIFY"}],
    });
    let seccomp: Seccomp = serde_json::from_value(policy.clone()).unwrap();
    let program = tare_seccomp::compile(&seccomp, tare_seccomp::native().unwrap()).unwrap();
    let mut bed = Bed::new();
    bed.seccomp = Some(program.as_bytes().to_vec());
    bed.filter_flags = FilterFlags::from_bits_retain(program.flags.bits());
    bed.set("/linux/seccomp", policy)
        .set("/process/noNewPrivileges", json!(no_new_privileges));
    bed
}

/// What an agent gets: the fd and the text that came with it.
fn accept(agent: &UnixListener) -> (OwnedFd, Value) {
    let (mut stream, _): (UnixStream, _) = agent.accept().unwrap();
    let mut bytes = [0; 16];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let into = &mut [IoSliceMut::new(&mut bytes)];
    let length = recvmsg(&stream, into, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        .unwrap()
        .bytes;
    let listener = ancillary
        .drain()
        .find_map(|m| match m {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        })
        .unwrap();
    let mut text = String::from_utf8(bytes[..length].to_vec()).unwrap();
    stream.read_to_string(&mut text).unwrap();
    (listener, serde_json::from_str(&text).unwrap())
}

fn state(bed: &Bed, pid: i32) -> ContainerProcessState {
    ContainerProcessState {
        oci_version: "1.3.0".to_owned(),
        fds: vec![SECCOMP_FD.to_owned()],
        pid,
        metadata: Some("who asks".to_owned()),
        state: State {
            oci_version: "1.3.0".to_owned(),
            id: "test".to_owned(),
            status: Status::Creating,
            bundle: bed.bundle.clone(),
            pid: Some(pid),
            ..State::default()
        },
    }
}

fn listener_decides() {
    for no_new_privileges in [false, true] {
        let mut bed = asking(&["mkdir", "mkdirat"], no_new_privileges);
        let _ = fs::remove_file("/mnt/agent");
        let agent = UnixListener::bind("/mnt/agent").unwrap();
        let (mut output, theirs) = std::io::pipe().unwrap();
        let null = fs::File::open("/dev/null").unwrap();
        let stdio = Stdio::Fds {
            stdin: null.as_fd(),
            stdout: theirs.as_fd(),
            stderr: theirs.as_fd(),
        };
        let script = "/bin/busybox mkdir /one 2>&1; /bin/busybox mkdir /two 2>&1; grep -E 'CapEff|Seccomp:' /proc/self/status";
        let mut creation = bed.begin(&["sh", "-c", script], stdio).unwrap();
        drop(theirs);
        creation.wait_created().unwrap();
        let listener = creation.take_listener().unwrap();
        let pid = creation.pid().as_raw_nonzero().get();
        send_listener(Path::new("/mnt/agent"), listener.as_fd(), &state(&bed, pid)).unwrap();
        drop(listener);
        let (listener, text) = accept(&agent);
        assert_eq!(text["fds"], json!(["seccompFd"]));
        assert_eq!(
            (&text["pid"], &text["metadata"]),
            (&json!(pid), &json!("who asks"))
        );
        assert_eq!(
            text["state"],
            json!({"ociVersion": "1.3.0", "id": "test", "status": "creating", "pid": pid, "bundle": "/mnt/bundle"})
        );
        creation.wait_created().unwrap();
        assert_eq!(creation.advance().unwrap(), Stage::Created);
        let running = creation.run().unwrap();
        assert!(running.listener.is_none());
        for error in [Errno::DQUOT, Errno::NOSPC] {
            let asked = answer(listener.as_fd(), error);
            assert!(asked.pid != 0 && asked.architecture == 0xc000_003e, "x86_64");
        }
        let mut said = String::new();
        output.read_to_string(&mut said).unwrap();
        assert_eq!(running.process.wait().unwrap().exit_status(), Some(0));
        assert!(
            said.contains("'/one': Disk quota exceeded") || said.contains("/one': Quota exceeded"),
            "{said}"
        );
        assert!(said.contains("'/two': No space left on device"), "{said}");
        // The right that was kept for the load is gone.
        assert!(said.contains("CapEff:\t00000000a80425fb\n"), "{said}");
        assert!(said.contains("Seccomp:\t2\n"), "{said}");
    }
}

/// A call that the process makes itself after the load: capset.
fn listener_is_asked_in_the_set_up() {
    let mut bed = asking(&["capset"], false);
    let null = fs::File::open("/dev/null").unwrap();
    let stdio = Stdio::Fds {
        stdin: null.as_fd(),
        stdout: null.as_fd(),
        stderr: null.as_fd(),
    };
    let mut creation = bed.begin(&["true"], stdio).unwrap();
    creation.wait_created().unwrap();
    assert_eq!(creation.advance().unwrap(), Stage::SettingUp);
    let listener = creation.take_listener().unwrap();
    answer(listener.as_fd(), Errno::PERM);
    let error = creation.wait_created().unwrap_err();
    assert_eq!(error.to_string(), "set capabilities");
}

fn listener_that_nobody_takes() {
    let mut bed = asking(&["mkdir", "mkdirat"], false);
    let null = fs::File::open("/dev/null").unwrap();
    let stdio = Stdio::Fds {
        stdin: null.as_fd(),
        stdout: null.as_fd(),
        stderr: null.as_fd(),
    };
    // Nothing hangs: such calls do not exist then.
    let running = bed
        .begin(&["sh", "-c", "/bin/busybox mkdir /x; exit $?"], stdio)
        .unwrap()
        .run()
        .unwrap();
    let listener = running.listener;
    assert!(listener.is_some());
    drop(listener);
    assert_eq!(running.process.wait().unwrap().exit_status(), Some(1));
    let missing = send_listener(Path::new("/mnt/none"), null.as_fd(), &state(&bed, 1)).unwrap_err();
    let told = "give the seccomp listener to /mnt/none: failed to connect with seccomp agent";
    assert_eq!(missing.to_string(), told);
}

fn listeners_that_mean_nothing() {
    for (member, value, expected) in [
        (
            "/linux/seccomp/listenerPath",
            Value::Null,
            "use linux.seccomp.listenerMetadata: it needs linux.seccomp.listenerPath",
        ),
        (
            "/linux/seccomp/listenerPath",
            json!("relative"),
            "use linux.seccomp.listenerPath: it must be an absolute path",
        ),
    ] {
        let mut bed = asking(&["mkdir"], true);
        assert_eq!(bed.set(member, value).error(&["true"]), expected);
    }
    let mut bed = asking(&["mkdir"], true);
    bed.set("/linux/seccomp/listenerPath", Value::Null)
        .set("/linux/seccomp/listenerMetadata", Value::Null);
    assert_eq!(
        bed.error(&["true"]),
        "use linux.seccomp.listenerPath: it is missing, and a rule uses SCMP_ACT_NOTIFY"
    );
}
