//! The side that answers.

use crate::frame::{DATA, Header, REMOTE_OPEN, REQUEST, RESPONSE};
use crate::inbox::{Arrival, Inbox};
use crate::message::{Request, Response};
use crate::outbox::Outbox;
use crate::status::{Code, Status};
use prost::Message;
use std::time::{Duration, Instant};

/// What one connection may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls in flight; one more is answered `RESOURCE_EXHAUSTED`. Go's clients never say that they gave up waiting, so
    /// that this also bounds the waits that nobody waits for any more.
    pub in_flight: usize,
    /// Bytes of answers that wait to be read, above which [`Server::ready`] is false.
    pub output: usize,
}

impl Default for Limits {
    /// 4,096 calls (96 KiB when all are there), 256 KiB.
    fn default() -> Self {
        Limits {
            in_flight: 4096,
            output: 256 << 10,
        }
    }
}

/// A call that wants an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// To answer with.
    pub stream: u32,
    /// `containerd.task.v3.Task`.
    pub service: String,
    /// `Create`.
    pub method: String,
    /// The request's message, encoded.
    pub payload: Vec<u8>,
    /// Until when its client waits; none is for ever.
    pub deadline: Option<Instant>,
    /// Headers in their order: `containerd-namespace-ttrpc`, `traceparent`.
    pub metadata: Vec<(String, String)>,
}

impl Call {
    /// The request's message.
    ///
    /// # Errors
    /// `INTERNAL`, as Go's server answers: the payload is no such message.
    pub fn message<M: Message + Default>(&self) -> Result<M, Status> {
        M::decode(self.payload.as_slice())
            .map_err(|e| Status::new(Code::Internal, format!("ttrpc: error unmarshalling payload: {e}")))
    }

    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.metadata
            .iter()
            .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value.as_str()))
    }
}

/// A [`Server`] as plain data: what a successor that keeps the connection's socket must know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Bytes of a frame whose end has not come.
    pub input: Vec<u8>,
    /// Bytes of a refused frame that are to come and to be passed over.
    pub skip: u32,
    /// Bytes that wait to be written.
    pub output: Vec<u8>,
    /// The calls that want an answer, and how long their clients go on waiting; none is for ever.
    pub in_flight: Vec<(u32, Option<Duration>)>,
    /// The number of the last stream.
    pub last: u32,
}

/// One connection, as the side that answers sees it. See the crate page for how it is driven.
#[derive(Debug)]
pub struct Server {
    limits: Limits,
    inbox: Inbox,
    outbox: Outbox,
    in_flight: Vec<(u32, Option<Instant>)>,
    last: u32,
}

impl Server {
    /// A connection on which nothing has been said.
    pub fn new(limits: Limits) -> Self {
        Server {
            limits,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            in_flight: Vec::new(),
            last: 0,
        }
    }

    /// The next call in `bytes`, which came from the peer; none when they are used up. Frames that are wrong are
    /// answered on the way.
    pub fn next(&mut self, bytes: &mut &[u8], now: Instant) -> Option<Call> {
        loop {
            let outcome = match self.inbox.next(bytes)? {
                Arrival::Oversize(header) => Err((header.stream, oversize(header.length))),
                Arrival::Frame(header, message) => self.frame(header, &message, now),
            };
            match outcome {
                Ok(Some(call)) => return Some(call),
                Ok(None) => {}
                // No call in flight is meant by this: the client learns which of its frames was wrong.
                Err((stream, status)) => self.respond(stream, Err(status)),
            }
        }
    }

    /// Answers a call with a message's bytes, or with its failure. False where the call is not in flight (any more):
    /// the answer is dropped. An answer that is too long to send becomes `RESOURCE_EXHAUSTED`.
    pub fn answer(&mut self, stream: u32, outcome: Result<&[u8], Status>) -> bool {
        let Some(at) = self.in_flight.iter().position(|(s, _)| *s == stream) else {
            return false;
        };
        self.forget(at);
        self.respond(stream, outcome);
        true
    }

    /// Answers a call with a message.
    pub fn answer_message(&mut self, stream: u32, message: &impl Message) -> bool {
        self.answer(stream, Ok(&message.encode_to_vec()))
    }

    /// What is to be written to the peer.
    pub fn output(&self) -> &[u8] {
        self.outbox.waiting()
    }

    /// The first `count` bytes of [`Server::output`] were written.
    pub fn sent(&mut self, count: usize) {
        self.outbox.sent(count);
    }

    /// True while more may be read from the peer.
    pub fn ready(&self) -> bool {
        self.outbox.waiting().len() <= self.limits.output
    }

    /// How many calls want an answer.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// When the first of the calls in flight expires.
    pub fn deadline(&self) -> Option<Instant> {
        self.in_flight.iter().filter_map(|(_, deadline)| *deadline).min()
    }

    /// Answers a call whose deadline has come with `DEADLINE_EXCEEDED`, and says which; none when there is no more.
    pub fn expire(&mut self, now: Instant) -> Option<u32> {
        let over = |deadline: Option<Instant>| deadline.is_some_and(|d| d <= now);
        let at = self.in_flight.iter().position(|(_, deadline)| over(*deadline))?;
        let stream = self.forget(at);
        self.respond(
            stream,
            Err(Status::new(Code::DeadlineExceeded, "context deadline exceeded")),
        );
        Some(stream)
    }

    /// True where nothing is half done: no frame half read or half written, no call in flight.
    pub fn at_rest(&self) -> bool {
        self.inbox.at_rest() && self.outbox.waiting().is_empty() && self.in_flight.is_empty()
    }

    /// The state, for a successor.
    pub fn save(&self, now: Instant) -> Saved {
        let (input, skip) = self.inbox.save();
        let left = |deadline: Instant| deadline.saturating_duration_since(now);
        Saved {
            input,
            skip,
            output: self.outbox.waiting().to_vec(),
            in_flight: self
                .in_flight
                .iter()
                .map(|(stream, deadline)| (*stream, deadline.map(left)))
                .collect(),
            last: self.last,
        }
    }

    /// A server that goes on where another was saved; none where no server was ever in that state.
    pub fn restore(saved: Saved, limits: Limits, now: Instant) -> Option<Self> {
        let deadline = |left: Duration| now.checked_add(left);
        Some(Server {
            limits,
            inbox: Inbox::restore(&saved.input, saved.skip)?,
            outbox: Outbox::restore(saved.output),
            in_flight: saved
                .in_flight
                .into_iter()
                .map(|(stream, left)| (stream, left.and_then(deadline)))
                .collect(),
            last: saved.last,
        })
    }

    /// Bytes of memory held beside the struct itself: for tests and for who watches memory.
    pub fn held(&self) -> usize {
        self.inbox.held()
            + self.outbox.held()
            + self.in_flight.capacity() * size_of::<(u32, Option<Instant>)>()
    }

    /// What one frame asks, or what is wrong with it.
    fn frame(&mut self, header: Header, message: &[u8], now: Instant) -> Result<Option<Call>, (u32, Status)> {
        let stream = header.stream;
        let wrong = |text: &str| Err((stream, Status::new(Code::InvalidArgument, text)));
        if stream.is_multiple_of(2) {
            return wrong("StreamID must be odd for client initiated streams");
        }
        match header.kind {
            REQUEST if stream <= self.last => wrong("StreamID cannot be re-used and must increment"),
            REQUEST => {
                self.last = stream;
                self.request(header, message, now)
                    .map_err(|status| (stream, status))
            }
            DATA => wrong("StreamID is no longer active"),
            _ => Ok(None),
        }
    }

    fn request(&mut self, header: Header, message: &[u8], now: Instant) -> Result<Option<Call>, Status> {
        let request = Request::decode(message)
            .map_err(|e| Status::new(Code::InvalidArgument, format!("unmarshal request error: {e}")))?;
        if header.flags & REMOTE_OPEN != 0 {
            let text = format!(
                "method {} of {}: no streams here",
                request.method, request.service
            );
            return Err(Status::new(Code::Unimplemented, text));
        }
        if self.in_flight.len() >= self.limits.in_flight {
            let text = format!("{} calls wait for an answer already", self.limits.in_flight);
            return Err(Status::new(Code::ResourceExhausted, text));
        }
        let deadline = match u64::try_from(request.timeout) {
            Ok(0) => None,
            Ok(nanos) => now.checked_add(Duration::from_nanos(nanos)),
            Err(_) => Some(now),
        };
        self.in_flight.push((header.stream, deadline));
        Ok(Some(Call {
            stream: header.stream,
            service: request.service,
            method: request.method,
            payload: request.payload,
            deadline,
            metadata: request.metadata.into_iter().map(|m| (m.key, m.value)).collect(),
        }))
    }

    fn forget(&mut self, at: usize) -> u32 {
        let (stream, _) = self.in_flight.swap_remove(at);
        if self.in_flight.is_empty() {
            self.in_flight = Vec::new();
        }
        stream
    }

    fn respond(&mut self, stream: u32, outcome: Result<&[u8], Status>) {
        let response = match outcome {
            Ok(payload) => Response {
                status: None,
                payload: payload.to_vec(),
            },
            Err(status) => Response {
                status: Some(status.wire()),
                payload: Vec::new(),
            },
        };
        let length = response.encoded_len();
        if !self.push(stream, &response, length) {
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            let refusal = Response {
                status: Some(oversize(length).wire()),
                payload: Vec::new(),
            };
            self.push(stream, &refusal, refusal.encoded_len());
        }
    }

    fn push(&mut self, stream: u32, response: &Response, length: usize) -> bool {
        self.outbox
            .push(stream, RESPONSE, length, |bytes| response.encode_raw(bytes))
    }
}

/// Go's words for a message that is too long.
fn oversize(length: u32) -> Status {
    let text = format!(
        "message length {length} exceed maximum message size of {}",
        crate::MAX_MESSAGE
    );
    Status::new(Code::ResourceExhausted, text)
}

#[cfg(test)]
mod tests;
