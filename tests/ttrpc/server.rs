//! containerd's client against our server.

use crate::NEEDS;
use crate::serve::{Seen, serve};
use std::io::Write as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;
use tare_kit::{Tare, test};

/// What `peer call` prints, line by line, where our server does as Go's.
const ANSWERS: &str = "\
namespace: ok 7 0 \"k8s.io\"
one: ok 7 1 \"\"
missing: NotFound: container not created: not found
refused: FailedPrecondition: task refused must be stopped
broken: Unknown: OCI runtime create failed: ünhappy
unimplemented: Unimplemented: no Pause in containerd.task.v3.Task
service: Unimplemented: no Method in no.such.Service
deadline: gave up
after: ok 7 1 \"\"
request 1048576: ok 
answer 1048576: ok 1048576
request 4194104: ok 
answer 4194104: ok 4194104
request 4194305: ResourceExhausted: rpc error: code = ResourceExhausted desc = message length 4194384 exceed maximum message size of 4194304
answer 4194305: ResourceExhausted: message length 4194315 exceed maximum message size of 4194304
stream: Unimplemented: method Wait of containerd.task.v3.Task: no streams here
after: ok 7 1 \"\"
many: ok 200
drip: ok 1
";

#[test]
fn containerds_client_gets_its_answers() {
    test(NEEDS, |world| {
        let peer = world.fixture("ttrpc").join("peer");
        // In one piece as a rule, and in pieces that cut headers and messages anywhere.
        for piece in [64 << 10, 4093] {
            let socket = world.scratch().join(format!("s{piece}"));
            let listener = UnixListener::bind(&socket).expect("bind");
            let server = std::thread::spawn(move || serve(&listener, piece));
            let found = Tare::program(&peer)
                .args(["call".as_ref(), socket.as_os_str()])
                .limit(Duration::from_secs(60))
                .ok();
            assert_eq!(found, ANSWERS, "{piece} bytes at a time");
            assert_eq!(
                server.join().expect("the server ends"),
                Seen { idle: 0, expired: 1 }
            );
        }
    });
}

/// A connection that ends in the middle of a frame, or says nonsense, costs the others nothing.
#[test]
fn others_are_not_disturbed() {
    test(NEEDS, |world| {
        let peer = world.fixture("ttrpc").join("peer");
        let socket = world.scratch().join("s");
        let listener = UnixListener::bind(&socket).expect("bind");
        let server = std::thread::spawn(move || serve(&listener, 4096));
        let mut half = UnixStream::connect(&socket).expect("connect");
        half.write_all(b"\0\0\x10\0\0\0\0\x01\x01\0half of it")
            .expect("write");
        let mut nonsense = UnixStream::connect(&socket).expect("connect");
        nonsense.write_all(&b"nonsense ".repeat(9999)).expect("write");
        let found = Tare::program(&peer)
            .args(["call".as_ref(), socket.as_os_str()])
            .limit(Duration::from_secs(60))
            .ok();
        assert_eq!(found, ANSWERS);
        drop((half, nonsense));
        server.join().expect("the server ends");
    });
}
