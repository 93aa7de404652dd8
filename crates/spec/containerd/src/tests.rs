//! Bytes and names as containerd's own code writes them.

use super::*;
use std::time::{Duration, UNIX_EPOCH};

/// What Go's `proto.Marshal` makes of the same messages (see the test program in tests/foreign/ttrpc).
#[test]
fn bytes_are_those_of_go() {
    let time = Timestamp {
        seconds: 1_700_000_000,
        nanos: 5,
    };
    let exit = events::TaskExit {
        container_id: "c".into(),
        id: "e".into(),
        pid: 300,
        exit_status: 137,
        exited_at: Some(time),
    };
    let bytes = b"\x0a\x01c\x12\x01e\x18\xac\x02\x20\x89\x01\x2a\x08\x08\x80\xe2\xcf\xaa\x06\x10\x05";
    assert_eq!(exit.encode_to_vec(), bytes);
    assert_eq!(events::TaskExit::decode(&bytes[..]), Ok(exit));
}

#[test]
fn unknown_fields_are_skipped_and_wrong_ones_are_errors() {
    let known = b"\x0a\x01c\xfa\x3f\x02xx";
    assert_eq!(task::PidsRequest::decode(&known[..]).unwrap().id, "c");
    for wrong in [&b"\x0a\x05c"[..], b"\x0a\x01\xff", b"\x08\x01", b"\x0a"] {
        assert!(task::PidsRequest::decode(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn methods_and_services_have_their_names() {
    for name in ["State", "CloseIO", "ResizePty", "Shutdown"] {
        assert_eq!(TaskMethod::from_name(name).map(TaskMethod::name), Some(name));
    }
    for name in ["SandboxStatus", "PingSandbox", "Platform"] {
        assert_eq!(
            SandboxMethod::from_name(name).map(SandboxMethod::name),
            Some(name)
        );
    }
    assert_eq!(SandboxMethod::from_name("UpdateSandbox"), None);
    assert_eq!(TaskMethod::from_name("state"), None);
    assert_eq!(
        Service::from_name("containerd.task.v2.Task"),
        Some(Service::TaskV2)
    );
    assert_eq!(Service::from_name("containerd.task.v1.Task"), None);
}

#[test]
fn an_any_is_read_with_and_without_a_host_before_its_type() {
    let options = runc::Options {
        binary_name: "crun".into(),
        ..Default::default()
    };
    let mut any = Any::pack(&options);
    assert_eq!(any.type_url, "containerd.runc.v1.Options");
    assert_eq!(any.unpack::<runc::Options>().unwrap(), options);
    any.type_url.insert_str(0, "type.googleapis.com/");
    assert_eq!(any.unpack::<runc::Options>().unwrap(), options);
    assert!(any.unpack::<runtimeoptions::Options>().is_err());
    any.value.push(7);
    assert!(any.unpack::<runc::Options>().is_err());
}

#[test]
fn both_forms_of_standard_input_are_told_apart() {
    let options = Any::pack(&runc::Options {
        shim_cgroup: "/s".into(),
        ..Default::default()
    });
    let bootstrap = bootstrap::BootstrapParams {
        instance_id: "web".into(),
        namespace: "k8s.io".into(),
        socket_dir: Some("/run/s".into()),
        extensions: vec![bootstrap::Extension {
            value: Some(options.clone()),
        }],
        ..Default::default()
    };
    for (bytes, is_bootstrap) in [
        (options.encode_to_vec(), false),
        (bootstrap.encode_to_vec(), true),
    ] {
        let input = StartInput::parse(&bytes, "web", "k8s.io").unwrap();
        assert_eq!(input.bootstrap.is_some(), is_bootstrap);
        assert_eq!(input.find::<runc::Options>().unwrap().unwrap().shim_cgroup, "/s");
        assert_eq!(input.find::<runtimeoptions::Options>().unwrap(), None);
    }
    assert_eq!(StartInput::parse(b"", "web", "k8s.io"), Ok(StartInput::default()));
    assert!(StartInput::parse(b"{\"version\":3}", "web", "k8s.io").is_err());
}

#[test]
fn the_answer_of_start_is_json() {
    let answer = BootstrapAnswer {
        version: 3,
        address: "unix:///run/s".into(),
        protocol: "ttrpc".into(),
    };
    let text = serde_json::to_string(&answer).unwrap();
    assert_eq!(
        text,
        r#"{"version":3,"address":"unix:///run/s","protocol":"ttrpc"}"#
    );
}

#[test]
fn times_are_counted_forwards() {
    let cases = [
        (0, 0, 0, 0),
        (1, 5, 1, 5),
        (-1, 0, -1, 0),
        (-1, -500_000_000, -2, 500_000_000),
    ];
    for (seconds, nanos, want_seconds, want_nanos) in cases {
        let apart = |n: i64| Duration::from_secs(n.unsigned_abs());
        let time = if seconds < 0 {
            UNIX_EPOCH - apart(seconds)
        } else {
            UNIX_EPOCH + apart(seconds)
        };
        let part = Duration::from_nanos(u64::from(i32::unsigned_abs(nanos)));
        let time = if nanos < 0 { time - part } else { time + part };
        let stamp = Timestamp::from(time);
        assert_eq!((stamp.seconds, stamp.nanos), (want_seconds, want_nanos));
        assert_eq!(stamp.time(), (seconds >= 0).then_some(time));
    }
    let zero_of_go = Timestamp {
        seconds: -62_135_596_800,
        nanos: 0,
    };
    assert_eq!(zero_of_go.time(), None);
    assert_eq!(
        Timestamp {
            seconds: 0,
            nanos: 1_000_000_000
        }
        .time(),
        None
    );
}

#[test]
fn an_event_goes_to_its_topic() {
    let event = events::TaskExecAdded {
        container_id: "c".into(),
        exec_id: "e".into(),
    };
    let envelope = event.envelope("default", Timestamp::default());
    assert_eq!(envelope.topic, "/tasks/exec-added");
    assert_eq!(
        envelope.event.unwrap().type_url,
        "containerd.events.TaskExecAdded"
    );
}
