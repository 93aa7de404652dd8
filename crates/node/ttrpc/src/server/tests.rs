//! What a server answers to frames, right and wrong, as Go's server answers them.

use super::*;
use crate::frame::HEADER;
use crate::message::KeyValue;
use crate::{Client, MAX_MESSAGE};

fn frame(stream: u32, kind: u8, flags: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [
        &Header {
            length,
            stream,
            kind,
            flags,
        }
        .bytes(),
        message,
    ]
    .concat()
}

fn request(method: &str, timeout: i64) -> Vec<u8> {
    let request = Request {
        service: "s".into(),
        method: method.into(),
        payload: b"p".to_vec(),
        timeout,
        metadata: vec![KeyValue {
            key: "Ns".into(),
            value: "v".into(),
        }],
    };
    request.encode_to_vec()
}

fn drain(server: &mut Server, mut bytes: &[u8], now: Instant) -> Vec<Call> {
    std::iter::from_fn(|| server.next(&mut bytes, now)).collect()
}

/// Stream and outcome of everything that waits to be sent.
fn answers(server: &mut Server) -> Vec<(u32, Result<Vec<u8>, Code>)> {
    let output = server.output().to_vec();
    server.sent(output.len());
    let mut inbox = Inbox::default();
    let mut rest = output.as_slice();
    std::iter::from_fn(|| inbox.next(&mut rest))
        .map(|arrival| match arrival {
            Arrival::Frame(header, message) => {
                let response = Response::decode(&*message).unwrap();
                let failure = response.status.and_then(Status::from_wire).map(|s| s.code);
                (header.stream, failure.map_or(Ok(response.payload), Err))
            }
            Arrival::Oversize(header) => panic!("{header:?}"),
        })
        .collect()
}

#[test]
fn a_call_is_read_and_answered() {
    let now = Instant::now();
    let mut server = Server::new(Limits::default());
    let bytes = [
        frame(1, REQUEST, 0, &request("A", 0)),
        frame(3, REQUEST, 1, &request("B", 7)),
    ]
    .concat();
    let calls = drain(&mut server, &bytes, now);
    assert_eq!(calls[0].payload, b"p");
    assert_eq!((calls[0].method.as_str(), calls[0].deadline), ("A", None));
    assert_eq!((calls[0].header("ns"), calls[0].header("n")), (Some("v"), None));
    assert_eq!(calls[1].deadline, Some(now + Duration::from_nanos(7)));
    assert_eq!(server.in_flight(), 2);
    // In any order, and only once.
    assert!(server.answer(3, Ok(b"later")));
    assert!(server.answer(1, Err(Status::new(Code::NotFound, "x"))));
    assert!(!server.answer(1, Ok(b"")));
    assert!(!server.answer(5, Ok(b"")));
    assert_eq!(
        answers(&mut server),
        [(3, Ok(b"later".to_vec())), (1, Err(Code::NotFound))]
    );
    assert_eq!(server.held(), 0);
}

#[test]
fn wrong_frames_are_answered_and_the_connection_lives_on() {
    let call = request("A", 0);
    let long = Header {
        length: u32::MAX,
        stream: 9,
        kind: REQUEST,
        flags: 0,
    }
    .bytes();
    let cases: [(&str, Vec<u8>, Option<Code>); 9] = [
        ("even", frame(8, REQUEST, 0, &call), Some(Code::InvalidArgument)),
        ("zero", frame(0, REQUEST, 0, &call), Some(Code::InvalidArgument)),
        ("reused", frame(7, REQUEST, 0, &call), Some(Code::InvalidArgument)),
        (
            "smaller",
            frame(5, REQUEST, 0, &call),
            Some(Code::InvalidArgument),
        ),
        (
            "no request",
            frame(9, REQUEST, 0, b"\xff\xff"),
            Some(Code::InvalidArgument),
        ),
        (
            "client stream",
            frame(9, REQUEST, REMOTE_OPEN, &call),
            Some(Code::Unimplemented),
        ),
        (
            "data on no stream",
            frame(9, DATA, 0, b"x"),
            Some(Code::InvalidArgument),
        ),
        ("a response", frame(9, RESPONSE, 0, b""), None),
        ("unknown type", frame(9, 0x7f, 0xff, b"x"), None),
    ];
    for (what, bytes, code) in cases {
        let now = Instant::now();
        let mut server = Server::new(Limits::default());
        assert_eq!(drain(&mut server, &frame(7, REQUEST, 0, &call), now).len(), 1);
        assert_eq!(drain(&mut server, &bytes, now), [], "{what}");
        let found: Vec<Code> = answers(&mut server)
            .into_iter()
            .map(|(_, o)| o.unwrap_err())
            .collect();
        assert_eq!(found, Vec::from_iter(code), "{what}");
        // The call before is in flight still, and the next one is read.
        assert_eq!(
            drain(&mut server, &frame(11, REQUEST, 0, &call), now).len(),
            1,
            "{what}"
        );
        assert!(server.answer(7, Ok(b"")), "{what}");
    }
    let mut server = Server::new(Limits::default());
    assert_eq!(drain(&mut server, &long, Instant::now()), []);
    assert_eq!(answers(&mut server), [(9, Err(Code::ResourceExhausted))]);
    assert_eq!(server.held(), 0);
}

#[test]
fn an_oversized_request_is_refused_and_the_next_one_served() {
    let now = Instant::now();
    let mut server = Server::new(Limits::default());
    let bytes = [
        frame(1, REQUEST, 0, &vec![0; MAX_MESSAGE + 1]),
        frame(1, REQUEST, 0, &request("A", 0)),
    ]
    .concat();
    assert_eq!(drain(&mut server, &bytes, now).len(), 1);
    server.answer(1, Ok(b"x"));
    assert_eq!(
        answers(&mut server),
        [(1, Err(Code::ResourceExhausted)), (1, Ok(b"x".to_vec()))]
    );
}

#[test]
fn an_answer_too_long_to_send_is_told() {
    let mut server = Server::new(Limits::default());
    let bytes = [
        frame(1, REQUEST, 0, &request("A", 0)),
        frame(3, REQUEST, 0, &request("A", 0)),
    ]
    .concat();
    drain(&mut server, &bytes, Instant::now());
    // Five bytes are the payload's own header.
    server.answer(1, Ok(&vec![0; MAX_MESSAGE - 5]));
    assert!(!server.ready());
    server.answer(3, Ok(&vec![0; MAX_MESSAGE - 4]));
    let found = answers(&mut server);
    assert!(found[0].1.is_ok());
    assert_eq!(found[1], (3, Err(Code::ResourceExhausted)));
    assert!(server.ready());
}

#[test]
fn too_many_calls_are_refused_and_the_others_go_on() {
    let now = Instant::now();
    let mut server = Server::new(Limits {
        in_flight: 2,
        ..Limits::default()
    });
    let calls: Vec<u8> = [1, 3, 5]
        .iter()
        .flat_map(|s| frame(*s, REQUEST, 0, &request("W", 0)))
        .collect();
    assert_eq!(drain(&mut server, &calls, now).len(), 2);
    assert_eq!(answers(&mut server), [(5, Err(Code::ResourceExhausted))]);
    server.answer(1, Ok(b""));
    assert_eq!(
        drain(&mut server, &frame(7, REQUEST, 0, &request("W", 0)), now).len(),
        1
    );
}

#[test]
fn calls_expire_in_time() {
    let now = Instant::now();
    let mut server = Server::new(Limits::default());
    let waits = [(1, 0), (3, 50), (5, 20), (7, -1)];
    let bytes: Vec<u8> = waits
        .iter()
        .flat_map(|(s, t)| frame(*s, REQUEST, 0, &request("W", *t)))
        .collect();
    drain(&mut server, &bytes, now);
    assert_eq!(server.deadline(), Some(now));
    assert_eq!((server.expire(now), server.expire(now)), (Some(7), None));
    assert_eq!(server.deadline(), Some(now + Duration::from_nanos(20)));
    let later = now + Duration::from_secs(1);
    let mut over: Vec<u32> = std::iter::from_fn(|| server.expire(later)).collect();
    over.sort_unstable();
    assert_eq!(over, [3, 5]);
    let codes: Vec<_> = answers(&mut server)
        .into_iter()
        .map(|(_, outcome)| outcome)
        .collect();
    assert_eq!(codes, vec![Err(Code::DeadlineExceeded); 3]);
    assert_eq!(server.deadline(), None);
    assert!(!server.answer(5, Ok(b"")));
    assert!(server.answer(1, Ok(b"")));
}

#[test]
fn output_is_sent_in_parts() {
    let mut server = Server::new(Limits::default());
    let bytes: Vec<u8> = [1, 3]
        .iter()
        .flat_map(|s| frame(*s, REQUEST, 0, &request("A", 0)))
        .collect();
    drain(&mut server, &bytes, Instant::now());
    server.answer(1, Ok(b"one"));
    let mut sent = server.output()[..HEADER + 1].to_vec();
    server.sent(HEADER + 1);
    server.answer(3, Ok(b"two"));
    while let Some(byte) = server.output().first().copied() {
        sent.push(byte);
        server.sent(1);
    }
    let mut client = Client::new();
    for _ in 0..2 {
        client.call("s", "A", b"", None, Instant::now()).unwrap();
    }
    let mut rest = sent.as_slice();
    let replies: Vec<_> = std::iter::from_fn(|| client.next(&mut rest))
        .map(|r| r.outcome)
        .collect();
    assert_eq!(replies, [Ok(b"one".to_vec()), Ok(b"two".to_vec())]);
    assert_eq!(server.held(), 0);
}

#[test]
fn a_successor_goes_on_at_any_byte() {
    let now = Instant::now();
    let long = frame(5, REQUEST, 0, &vec![0; MAX_MESSAGE + 1]);
    let bytes = [
        frame(1, REQUEST, 0, &request("W", 0)),
        frame(3, REQUEST, 0, &request("A", 9)),
        long,
        frame(5, REQUEST, 0, &request("B", 0)),
    ]
    .concat();
    let cuts = (0..130)
        .chain([5000, MAX_MESSAGE])
        .chain(bytes.len() - 40..=bytes.len());
    for cut in cuts {
        let mut server = Server::new(Limits::default());
        let (first, rest) = bytes.split_at(cut);
        let mut calls = drain(&mut server, first, now);
        let saved = server.save(now);
        assert!(saved.input.len() < 100, "{cut}");
        let mut server = Server::restore(saved.clone(), Limits::default(), now).unwrap();
        assert_eq!(server.save(now), saved);
        calls.extend(drain(&mut server, rest, now));
        let methods: Vec<&str> = calls.iter().map(|c| c.method.as_str()).collect();
        assert_eq!(methods, ["W", "A", "B"], "{cut}");
        assert_eq!(server.deadline(), Some(now + Duration::from_nanos(9)));
        server.answer(1, Ok(b"late"));
        assert_eq!(
            answers(&mut server),
            [(5, Err(Code::ResourceExhausted)), (1, Ok(b"late".to_vec()))]
        );
        assert!(!server.at_rest());
    }
    let two = Saved {
        input: bytes,
        ..Saved::default()
    };
    assert!(Server::restore(two, Limits::default(), now).is_none());
    let both = Saved {
        input: vec![0],
        skip: 1,
        ..Saved::default()
    };
    assert!(Server::restore(both, Limits::default(), now).is_none());
}
