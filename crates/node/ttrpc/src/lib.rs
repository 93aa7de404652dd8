//! **What.** ttrpc, the protocol between containerd and its shims: the side that answers ([`Server`]) and the side that
//! asks ([`Client`]), each of one connection, as state machines: bytes in, calls out; answers in, bytes out.
//!
//! **Not.** No socket, thread, executor or clock in them: who owns the connection reads, writes and says what time it is
//! ([`Connection`] does that for a client that can wait).
//! No services: a call's payload is bytes, its messages are `tare-spec-containerd`'s. No streams: ttrpc 1.2 has them
//! and no shim needs them; who opens one is told `UNIMPLEMENTED`.
//!
//! **Words.** The protocol's (containerd/ttrpc, `PROTOCOL.md`). *Frame*: a header of ten bytes and up to 4 MiB.
//! *Stream*: the number that ties an answer to its call; odd, as clients begin them, and growing. *In flight*: asked and
//! not yet answered. *Status*: google.rpc's: a [`Code`] and a text.
//!
//! **Life.** One [`Server`] per accepted connection:
//!
//! ```text
//!  readable → read(2) into any buffer → while let Some(call) = server.next(&mut bytes, now) → work → server.answer(call.stream, …)
//!  writable → write(2) of server.output() → server.sent(n)
//!  timer at server.deadline() → while let Some(stream) = server.expire(now) → forget that call
//!  end of file → drop the server; the calls in flight have nobody who waits for them
//!  successor → server.save(now), and the socket stays open → Server::restore(saved, limits, now)
//! ```
//!
//! **Rules.** Answers may come in any order, from any later moment; an answer to a call that expired is dropped. While
//! [`Server::ready`] is false the peer does not read what it asked for: do not read from it either. A length that a
//! frame claims is never believed before its bytes are there, and between messages no buffer is kept. What is wrong with
//! one frame is answered on its stream and the connection lives on, exactly as Go's server does it: even or reused
//! stream numbers (`INVALID_ARGUMENT`), a request that is none (the same), more than 4 MiB (`RESOURCE_EXHAUSTED`, and the
//! bytes are skipped). Frames of unknown types are ignored.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use tare_ttrpc::{Client, Code, Limits, Server, Status};
//! let now = Instant::now();
//! let (mut client, mut server) = (Client::new(), Server::new(Limits::default()));
//! let stream = client.call("containerd.task.v3.Task", "Connect", b"", Some(Duration::from_secs(5)), now)?;
//!
//! let mut bytes = client.output();
//! while let Some(call) = server.next(&mut bytes, now) {
//!     match (call.service.as_str(), call.method.as_str()) {
//!         ("containerd.task.v3.Task", "Connect") => server.answer(call.stream, Ok(b"pid")),
//!         _ => server.answer(call.stream, Err(Status::new(Code::Unimplemented, "no such method"))),
//!     };
//! }
//! let mut bytes = server.output();
//! let reply = client.next(&mut bytes);
//! assert_eq!(reply.map(|r| (r.stream, r.outcome)), Some((stream, Ok(b"pid".to_vec()))));
//! # Ok::<(), tare_ttrpc::Status>(())
//! ```

mod client;
mod connection;
mod frame;
mod inbox;
mod message;
mod outbox;
mod server;
mod status;

pub use client::{Client, Reply};
pub use connection::Connection;
pub use frame::{HEADER, MAX_MESSAGE};
pub use server::{Call, Limits, Saved, Server};
pub use status::{Code, Detail, Status};
