//! Our client against containerd's server.

use crate::NEEDS;
use rustix::process::Signal;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};
use tare_kit::{Running, Tare, World, test};
use tare_spec_containerd::{
    EVENTS, Event as _, FORWARD, Service, TaskMethod, Timestamp, events, forward, task,
};
use tare_ttrpc::{Client, Code, Connection};

const TASK: &str = Service::TaskV3.name();
const SOON: Option<Duration> = Some(Duration::from_secs(20));

fn peer(world: &World, socket: &Path) -> Running {
    let mut running = Tare::program(world.fixture("ttrpc").join("peer"))
        .args(["serve".as_ref(), socket.as_os_str()])
        .limit(Duration::from_secs(60))
        .start();
    assert_eq!(running.line().as_deref(), Some("ready"));
    running
}

#[test]
fn containerds_server_is_understood() {
    test(NEEDS, |world| {
        let socket = world.scratch().join("s");
        let server = peer(world, &socket);
        let stream = UnixStream::connect(&socket).expect("connect");
        let client = Client::new().header("containerd-namespace-ttrpc", "moby");
        let mut connection = Connection::over(stream, client);

        let connect = |id: &str| task::ConnectRequest { id: id.to_owned() };
        let method = TaskMethod::Connect.name();
        let answer: task::ConnectResponse = connection
            .call(TASK, method, &connect("x"), SOON)
            .expect("an answer");
        assert_eq!(
            (answer.shim_pid, answer.task_pid, answer.version.as_str()),
            (1, 2, "moby")
        );

        let call = connection.call::<task::ConnectResponse>(TASK, method, &connect("missing"), SOON);
        let error = call.expect_err("not there");
        assert_eq!(Code::of(error.kind()), Code::NotFound);
        assert_eq!(error.reason(), Some("container not created"));
        let call = connection.call::<()>("no.such.Service", "Method", &(), SOON);
        assert_eq!(
            Code::of(call.expect_err("no service").kind()),
            Code::Unimplemented
        );

        // Nobody answers before the time is over; then the answer that comes late is dropped.
        let begun = Instant::now();
        let wait = task::WaitRequest::default();
        let call =
            connection.call::<task::WaitResponse>(TASK, "Wait", &wait, Some(Duration::from_millis(200)));
        let error = call.expect_err("no answer");
        assert_eq!(Code::of(error.kind()), Code::Unavailable);
        assert!(begun.elapsed() < Duration::from_secs(5), "{error}");
        let answer: task::ConnectResponse = connection
            .call(TASK, method, &connect("x"), SOON)
            .expect("an answer");
        assert_eq!(answer.task_pid, 2);

        server.signal(Signal::KILL);
        let _ = server.finish();
        let call = connection.call::<task::ConnectResponse>(TASK, method, &connect("x"), None);
        assert_eq!(Code::of(call.expect_err("it is dead").kind()), Code::Unavailable);
        let call = Connection::connect(&socket);
        assert_eq!(Code::of(call.expect_err("it is dead").kind()), Code::Unavailable);
    });
}

#[test]
fn messages_as_long_as_may_be_and_longer() {
    test(NEEDS, |world| {
        let socket = world.scratch().join("s");
        let server = peer(world, &socket);
        let mut connection = Connection::connect(&socket).expect("connect");
        for (size, fits) in [
            (0, true),
            (1 << 20, true),
            ((4 << 20) - 200, true),
            ((4 << 20) + 1, false),
        ] {
            let kill = task::KillRequest {
                id: "k".repeat(size),
                ..task::KillRequest::default()
            };
            let sent = connection.call::<()>(TASK, "Kill", &kill, SOON);
            assert_eq!(
                sent.map_err(|e| Code::of(e.kind())).err(),
                (!fits).then_some(Code::ResourceExhausted)
            );
            if fits {
                let state = task::StateRequest {
                    id: format!("size {size}"),
                    ..task::StateRequest::default()
                };
                let answer: task::StateResponse =
                    connection.call(TASK, "State", &state, SOON).expect("an answer");
                assert_eq!(answer.bundle.len(), size);
            }
        }
        server.signal(Signal::KILL);
        let _ = server.finish();
    });
}

#[test]
fn an_event_arrives_whole() {
    test(NEEDS, |world| {
        let socket = world.scratch().join("s");
        let mut server = peer(world, &socket);
        let mut connection = Connection::connect(&socket).expect("connect");
        let time = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        let exit = events::TaskExit {
            container_id: "web".into(),
            id: "exec-1".into(),
            pid: 4711,
            exit_status: 137,
            exited_at: Some(time.into()),
        };
        let request = forward::ForwardRequest {
            envelope: Some(exit.envelope("k8s.io", Timestamp::from(time))),
        };
        connection
            .call::<()>(EVENTS, FORWARD, &request, SOON)
            .expect("taken");
        let line = server.line();
        assert_eq!(
            line.as_deref(),
            Some("k8s.io /tasks/exit 1700000000 web exec-1 4711 137 1700000000123456789")
        );
        server.signal(Signal::KILL);
        let _ = server.finish();
    });
}
