//! The driver against a systemd of the test's own, on a socket pair: what it sends, and how it takes what comes.

use super::*;
use crate::dbus::{answer, header, length};
use crate::unit::Defaults;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use tare_spec_oci::Memory;

#[test]
fn versions() {
    for (text, number) in [
        ("252.38-1~deb12u1", Some(252)),
        ("v245.4-1.fc32", Some(245)),
        ("\"v245-1.fc32\"", Some(245)),
        ("257", Some(257)),
        ("systemd", None),
        ("", None),
        ("99999999999", None),
    ] {
        assert_eq!(number_of(text), number, "{text}");
    }
}

#[test]
fn endpoints_in_order() {
    let endpoints = |is_user: bool, environment: &[(&str, &str)]| {
        let variable = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Bus::of(is_user, variable).endpoints().map(|found| {
            let shown = found
                .iter()
                .map(|(endpoint, has_bus)| format!("{endpoint} {has_bus}"));
            shown.collect::<Vec<_>>().join(", ")
        })
    };
    let (session, folder) = ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR");
    let system = "DBUS_SYSTEM_BUS_ADDRESS";
    for (environment, expected) in [
        (
            &[(session, "unix:path=/a"), (folder, "/r")][..],
            "/a true, /r/systemd/private false",
        ),
        (&[(folder, "/r")], "/r/bus true, /r/systemd/private false"),
        (
            &[(session, ""), (folder, "/r")],
            "/r/bus true, /r/systemd/private false",
        ),
        (&[(session, "unix:abstract=x")], "@x true"),
        (&[(system, "unix:path=/s")], ""),
    ] {
        assert_eq!(endpoints(true, environment).unwrap(), expected);
    }
    for (environment, expected) in [
        (
            &[(folder, "/r"), (session, "unix:path=/a")][..],
            "/run/dbus/system_bus_socket true",
        ),
        (&[(system, "unix:path=/s")], "/s true"),
    ] {
        let found = endpoints(false, environment).unwrap();
        // Root alone may ask systemd itself.
        assert_eq!(found.replace(", /run/systemd/private false", ""), expected);
        assert_eq!(found != expected, geteuid().is_root());
    }
    let e = endpoints(true, &[(session, "tcp:host=x")]).unwrap_err();
    assert_eq!(e.kind(), Kind::Invalid);
    assert!(e.subject().starts_with(session), "{e}");
    let nowhere = Bus::User {
        address: Some("unix:path=/nowhere/bus".to_owned()),
        runtime_folder: None,
    };
    let e = Systemd::connect(&nowhere).unwrap_err();
    assert_eq!(e.kind(), Kind::NotFound);
    assert!(e.first_hint().unwrap().contains("XDG_RUNTIME_DIR"));
}

/// What a systemd without a bus says to each message that comes, in order: its greeting first.
fn systemd(version: &str, says: Vec<Vec<Vec<u8>>>) -> (Systemd, std::thread::JoinHandle<Vec<Message>>) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let text = |serial, text: &str| returned(serial, &[Value::text(text).boxed()]);
    let mut all = vec![vec![text(1, version)], vec![text(2, "")]];
    all.extend(says);
    let thread = std::thread::spawn(move || {
        theirs.write_all(b"DATA\r\nOK 1\r\nAGREE_UNIX_FD\r\n").unwrap();
        let mut greeting = [0; 48];
        theirs.read_exact(&mut greeting).unwrap();
        assert!(greeting.ends_with(b"BEGIN\r\n"));
        let mut heard = Vec::new();
        for replies in all {
            heard.push(next(&mut theirs));
            theirs.write_all(&replies.concat()).unwrap();
        }
        heard
    });
    let deadline = Deadline::after(Duration::from_secs(10));
    let connection = Connection::over(ours.into(), deadline).unwrap();
    (Systemd::greet(connection, false, deadline).unwrap(), thread)
}

fn next(stream: &mut UnixStream) -> Message {
    let mut bytes = vec![0; 16];
    stream.read_exact(&mut bytes).unwrap();
    bytes.resize(length(&bytes).unwrap().unwrap(), 0);
    stream.read_exact(&mut bytes[16..]).unwrap();
    Message::parse(bytes).unwrap()
}

fn returned(serial: u32, body: &[Value]) -> Vec<u8> {
    answer(2, vec![header(5, Value::Uint32(serial))], body)
}

fn refused(serial: u32, name: &str) -> Vec<u8> {
    let fields = vec![header(4, Value::text(name)), header(5, Value::Uint32(serial))];
    answer(3, fields, &[Value::text("because")])
}

fn job(serial: u32) -> Vec<u8> {
    returned(serial, &[Value::Path("/job/7".to_owned())])
}

fn removed(job: &str, result: &str) -> Vec<u8> {
    let fields = vec![
        header(1, Value::Path(PATH.to_owned())),
        header(2, Value::text(INTERFACE)),
        header(3, Value::text("JobRemoved")),
    ];
    let body = [
        Value::Uint32(7),
        Value::Path(job.to_owned()),
        Value::text("x.scope"),
        Value::text(result),
    ];
    answer(4, fields, &body)
}

fn unit() -> Unit {
    let defaults = Defaults {
        id: "web",
        prefix: "tare",
        is_user: false,
    };
    Unit::parse("", defaults).unwrap()
}

fn start_in(systemd: &mut Systemd) -> Result<Started> {
    let memory = Memory {
        limit: Some(64),
        ..Memory::default()
    };
    let resources = Resources {
        memory: Some(memory),
        ..Resources::default()
    };
    let start = Start {
        process: Some(Process {
            pid: rustix::process::getpid(),
            pidfd: None,
        }),
        resources: &resources,
        annotations: &BTreeMap::new(),
        description: "web",
        layout: Layout::V2,
    };
    systemd.start(&unit(), &start)
}

fn methods(heard: &[Message]) -> Vec<&str> {
    heard
        .iter()
        .filter_map(|message| message.member.as_deref())
        .collect()
}

#[test]
fn a_start_waits_for_its_own_job() {
    // The end of another job, and the end of its own before the answer that names it.
    let says = vec![vec![
        removed("/job/6", "failed"),
        removed("/job/7", "done"),
        job(3),
    ]];
    let (mut systemd, thread) = systemd("252.1", says);
    assert_eq!(systemd.version(), 252);
    let started = start_in(&mut systemd).unwrap();
    assert_eq!(started.group.to_string(), "/system.slice/tare-web.scope");
    let heard = thread.join().unwrap();
    assert_eq!(methods(&heard), ["Get", "Get", "StartTransientUnit"]);
    let mut body = heard[2].body("ssa(sv)a(sa(sv))").unwrap();
    assert_eq!((body.text(), body.text()), (Ok("tare-web.scope"), Ok("replace")));
}

#[test]
fn a_failed_unit_of_the_name_is_reset_once() {
    let says = vec![
        vec![refused(3, UNIT_EXISTS)],
        vec![returned(4, &[])],
        vec![job(5), removed("/job/7", "done")],
    ];
    let (mut systemd, thread) = systemd("252", says);
    start_in(&mut systemd).unwrap();
    let expected = [
        "Get",
        "Get",
        "StartTransientUnit",
        "ResetFailedUnit",
        "StartTransientUnit",
    ];
    assert_eq!(methods(&thread.join().unwrap()), expected);
}

#[test]
fn a_running_unit_of_the_name_is_an_error() {
    let says = vec![
        vec![refused(3, UNIT_EXISTS)],
        vec![refused(4, NO_SUCH_UNIT)],
        vec![refused(5, UNIT_EXISTS)],
    ];
    let (mut systemd, thread) = systemd("252", says);
    let e = start_in(&mut systemd).unwrap_err();
    assert_eq!(e.kind(), Kind::AlreadyExists);
    assert!(e.to_string().contains(UNIT_EXISTS), "{e}");
    drop(thread.join().unwrap());
}

#[test]
fn a_job_that_fails_is_an_error_and_leaves_no_unit() {
    let says = vec![vec![job(3), removed("/job/7", "failed")], vec![returned(4, &[])]];
    let (mut systemd, thread) = systemd("252", says);
    let e = start_in(&mut systemd).unwrap_err();
    assert_eq!(e.kind(), Kind::Conflict);
    assert!(e.to_string().contains("\"failed\""), "{e}");
    assert_eq!(methods(&thread.join().unwrap())[3], "ResetFailedUnit");
}

#[test]
fn a_stop_of_what_is_gone_is_fine() {
    let says = vec![vec![refused(3, NO_SUCH_UNIT)], vec![refused(4, NO_SUCH_UNIT)]];
    let (mut systemd, thread) = systemd("252", says);
    systemd.stop(&unit()).unwrap();
    assert_eq!(
        methods(&thread.join().unwrap())[2..],
        ["StopUnit", "ResetFailedUnit"]
    );
}

#[test]
fn a_broken_or_missing_answer_is_an_error() {
    // A job that is no path; and a systemd that goes away.
    let (mut one, thread) = systemd("252", vec![vec![returned(3, &[Value::text("x")])]]);
    assert_eq!(start_in(&mut one).unwrap_err().kind(), Kind::Corrupt);
    drop(thread.join().unwrap());
    let (mut gone, thread) = systemd("252", vec![]);
    drop(thread.join().unwrap());
    assert_eq!(start_in(&mut gone).unwrap_err().kind(), Kind::Unavailable);
}

/// On a bus anybody may send a signal.
#[test]
fn on_a_bus_only_systemds_own_name_counts() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let from = |sender: &str, kind, mut fields: Vec<Value>, body: &[Value]| {
        fields.push(header(7, Value::text(sender)));
        answer(kind, fields, body)
    };
    let re = |serial| vec![header(5, Value::Uint32(serial))];
    let bus = "org.freedesktop.DBus";
    let ended = |sender, result: &str| {
        let fields = vec![
            header(1, Value::Path(PATH.to_owned())),
            header(2, Value::text(INTERFACE)),
            header(3, Value::text("JobRemoved")),
        ];
        let body = [
            Value::Uint32(7),
            Value::Path("/job/7".to_owned()),
            Value::text("x"),
            Value::text(result),
        ];
        from(sender, 4, fields, &body)
    };
    let says = [
        b"OK 1\r\nAGREE_UNIX_FD\r\n".to_vec(),
        from(bus, 2, re(1), &[Value::text(":1.50")]),
        from(bus, 2, re(2), &[]),
        from(":1.2", 2, re(3), &[Value::text("255").boxed()]),
        from(
            ":1.2",
            2,
            re(4),
            &[Value::text("/user.slice/u@1.service").boxed()],
        ),
        ended(":1.66", "done"),
        from(":1.2", 2, re(5), &[Value::Path("/job/7".to_owned())]),
        ended(":1.66", "done"),
        ended(":1.2", "timeout"),
        from(":1.2", 2, re(6), &[]),
    ];
    theirs.write_all(&says.concat()).unwrap();
    let deadline = Deadline::after(Duration::from_secs(5));
    let connection = Connection::over(ours.into(), deadline).unwrap();
    let mut systemd = Systemd::greet(connection, true, deadline).unwrap();
    assert_eq!(systemd.peer.as_deref(), Some(":1.2"));
    let group = systemd.group(&unit()).unwrap().to_string();
    assert_eq!(group, "/user.slice/u@1.service/system.slice/tare-web.scope");
    let e = start_in(&mut systemd).unwrap_err();
    assert!(e.to_string().contains("timeout"), "{e}");
}
