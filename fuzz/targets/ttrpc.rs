//! What containerd, or whoever reaches its socket, writes to a shim: frames, requests, and the messages in them; and the same
//! as answers to a client.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::{Duration, Instant};
use tare_spec_containerd::{Message, SandboxMethod, Service, TaskMethod, sandbox, task};
use tare_ttrpc::{Call, Client, Code, Limits, Reply, Server, Status};

const LIMITS: Limits = Limits {
    in_flight: 8,
    output: 1 << 10,
};

fuzz_target!(|input: &[u8]| {
    let Some((piece, bytes)) = input.split_first() else {
        return;
    };
    let now = Instant::now();
    let whole = run(bytes, bytes.len().max(1), now, false);
    let pieces = run(bytes, usize::from(*piece).max(1), now, true);
    assert_eq!(whole, pieces);
    understood(&whole.1);
    assert_eq!(
        replies(bytes, bytes.len().max(1)),
        replies(bytes, usize::from(*piece).max(1))
    );
});

/// The same bytes as what a server says, in pieces: the ends of sixteen calls.
fn replies(bytes: &[u8], piece: usize) -> Vec<Reply> {
    let mut client = Client::new();
    for _ in 0..16 {
        let called = client.call("s", "m", b"", None, Instant::now());
        client.sent(if called.is_ok() { client.output().len() } else { 0 });
    }
    let mut found = Vec::new();
    for part in bytes.chunks(piece) {
        let mut rest = part;
        while let Some(reply) = client.next(&mut rest) {
            found.push(reply);
        }
        assert_eq!(rest, b"");
        assert!(
            client.held() <= 2 * bytes.len() + 1024,
            "{} of {}",
            client.held(),
            bytes.len()
        );
    }
    let mut left = client.end();
    left.sort_by_key(|reply| reply.stream);
    found.extend(left);
    assert_eq!(found.len(), 16);
    found
}

/// Feeds the bytes in pieces and answers every other call at once; between two pieces a successor may take over.
fn run(bytes: &[u8], piece: usize, now: Instant, successor: bool) -> (Vec<Call>, Vec<u8>) {
    let mut server = Server::new(LIMITS);
    let (mut calls, mut output) = (Vec::new(), Vec::new());
    for part in bytes.chunks(piece) {
        let mut rest = part;
        while let Some(call) = server.next(&mut rest, now) {
            payload(&call);
            if calls.len() % 2 == 0 {
                let outcome = match call.payload.len() % 2 {
                    0 => Ok(call.payload.as_slice()),
                    _ => Err(Status::new(Code::Unknown, call.method.clone())),
                };
                assert!(server.answer(call.stream, outcome));
                assert!(!server.answer(call.stream, Ok(b"")));
            }
            calls.push(call);
        }
        assert_eq!(rest, b"");
        assert!(server.in_flight() <= LIMITS.in_flight);
        output.extend_from_slice(server.output());
        server.sent(server.output().len());
        // Twice what came, and the table of calls: a header alone reserves nothing.
        assert!(
            server.held() <= 2 * bytes.len() + 1024,
            "{} of {}",
            server.held(),
            bytes.len()
        );
        if successor {
            let saved = server.save(now);
            server = Server::restore(saved.clone(), LIMITS, now).expect("it was saved");
            assert_eq!(server.save(now), saved);
        }
    }
    let over = now + Duration::from_secs(u64::MAX / 4_000_000_000);
    while server.expire(over).is_some() {}
    assert!(server.deadline().is_none_or(|d| d > over));
    output.extend_from_slice(server.output());
    (calls, output)
}

/// Reads a call's payload as what its method takes.
fn payload(call: &Call) {
    let bytes = call.payload.as_slice();
    match Service::from_name(&call.service) {
        Some(Service::Sandbox) => match SandboxMethod::from_name(&call.method) {
            Some(SandboxMethod::CreateSandbox) => again::<sandbox::CreateSandboxRequest>(bytes),
            _ => again::<sandbox::StopSandboxRequest>(bytes),
        },
        Some(_) => match TaskMethod::from_name(&call.method) {
            Some(TaskMethod::Create) => again::<task::CreateTaskRequest>(bytes),
            Some(TaskMethod::Exec) => again::<task::ExecProcessRequest>(bytes),
            Some(TaskMethod::Update) => again::<task::UpdateTaskRequest>(bytes),
            _ => again::<task::KillRequest>(bytes),
        },
        None => {}
    }
}

/// What is read can be written, and read again the same.
fn again<M: Message + Default + PartialEq>(bytes: &[u8]) {
    if let Ok(message) = M::decode(bytes) {
        assert!(M::decode(message.encode_to_vec().as_slice()) == Ok(message));
    }
}

/// Our own client reads all that the server says.
fn understood(output: &[u8]) {
    let mut client = Client::new();
    for _ in 0..16 {
        let _ = client.call("s", "m", b"", None, Instant::now());
    }
    let mut rest = output;
    while let Some(reply) = client.next(&mut rest) {
        if let Err(status) = reply.outcome {
            assert_ne!(
                (status.code, status.message.contains("an answer that is none")),
                (Code::Internal, true)
            );
        }
    }
    assert_eq!(rest, b"");
}
