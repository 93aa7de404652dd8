//! The side that asks.

use crate::frame::{REQUEST, RESPONSE};
use crate::inbox::{Arrival, Inbox};
use crate::message::{KeyValue, Request, Response};
use crate::outbox::Outbox;
use crate::status::{Code, Status};
use prost::Message;
use std::time::{Duration, Instant};

/// The end of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What [`Client::call`] returned.
    pub stream: u32,
    /// The answer's message, encoded, or how it failed.
    pub outcome: Result<Vec<u8>, Status>,
}

/// One connection, as the side that asks sees it. See the crate page for how it is driven.
#[derive(Debug, Default)]
pub struct Client {
    inbox: Inbox,
    outbox: Outbox,
    metadata: Vec<(String, String)>,
    in_flight: Vec<(u32, Option<Instant>)>,
    last: u32,
}

impl Client {
    /// A connection on which nothing has been said.
    pub fn new() -> Self {
        Client::default()
    }

    /// The same, with a header on every call (`containerd-namespace-ttrpc`).
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((name.into(), value.into()));
        self
    }

    /// Asks; the answer will come on the stream that is returned. `timeout` is told to the server, and ends the call here
    /// with [`Client::expire`]. An empty message is the payload `b""`.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`: the request is too long to send, or the connection has used up its numbers (2^31 calls).
    pub fn call(
        &mut self,
        service: &str,
        method: &str,
        payload: &[u8],
        timeout: Option<Duration>,
        now: Instant,
    ) -> Result<u32, Status> {
        let exhausted = |text: &str| Status::new(Code::ResourceExhausted, text);
        let stream = match self.last {
            0 => 1,
            last => last
                .checked_add(2)
                .ok_or_else(|| exhausted("the connection has no more streams"))?,
        };
        let nanos = |t: Duration| i64::try_from(t.as_nanos()).unwrap_or(i64::MAX).max(1);
        let request = Request {
            service: service.to_owned(),
            method: method.to_owned(),
            payload: payload.to_vec(),
            timeout: timeout.map_or(0, nanos),
            metadata: self
                .metadata
                .iter()
                .map(|(key, value)| KeyValue {
                    key: key.clone(),
                    value: value.clone(),
                })
                .collect(),
        };
        let length = request.encoded_len();
        if !self
            .outbox
            .push(stream, REQUEST, length, |bytes| request.encode_raw(bytes))
        {
            return Err(exhausted("the request is longer than 4 MiB"));
        }
        self.last = stream;
        self.in_flight
            .push((stream, timeout.and_then(|t| now.checked_add(t))));
        Ok(stream)
    }

    /// The next answer in `bytes`, which came from the peer; none when they are used up. Answers to calls that are not in
    /// flight (any more) are dropped.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Reply> {
        loop {
            let (header, outcome) = match self.inbox.next(bytes)? {
                Arrival::Oversize(header) => {
                    let text = format!("an answer of {} bytes", header.length);
                    (header, Err(Status::new(Code::ResourceExhausted, text)))
                }
                Arrival::Frame(header, message) if header.kind == RESPONSE => (header, outcome(&message)),
                Arrival::Frame(header, _) => (
                    header,
                    Err(Status::new(Code::Internal, "an answer that is no response")),
                ),
            };
            let stream = header.stream;
            if let Some(at) = self.in_flight.iter().position(|(s, _)| *s == stream) {
                self.forget(at);
                return Some(Reply { stream, outcome });
            }
        }
    }

    /// What is to be written to the peer.
    pub fn output(&self) -> &[u8] {
        self.outbox.waiting()
    }

    /// The first `count` bytes of [`Client::output`] were written.
    pub fn sent(&mut self, count: usize) {
        self.outbox.sent(count);
    }

    /// How many calls want an answer.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// When the first of the calls in flight expires.
    pub fn deadline(&self) -> Option<Instant> {
        self.in_flight.iter().filter_map(|(_, deadline)| *deadline).min()
    }

    /// Gives up a call whose deadline has come; none when there is no more.
    pub fn expire(&mut self, now: Instant) -> Option<Reply> {
        let over = |deadline: Option<Instant>| deadline.is_some_and(|d| d <= now);
        let at = self.in_flight.iter().position(|(_, deadline)| over(*deadline))?;
        Some(Reply {
            stream: self.forget(at),
            outcome: Err(Status::new(Code::DeadlineExceeded, "no answer in time")),
        })
    }

    /// Gives up all calls: the connection has ended.
    pub fn end(&mut self) -> Vec<Reply> {
        let gone = std::mem::take(&mut self.in_flight);
        gone.into_iter()
            .map(|(stream, _)| Reply {
                stream,
                outcome: Err(Status::new(Code::Unavailable, "ttrpc: closed")),
            })
            .collect()
    }

    /// Bytes of memory held beside the struct itself: for tests and for who watches memory.
    pub fn held(&self) -> usize {
        self.inbox.held()
            + self.outbox.held()
            + self.in_flight.capacity() * size_of::<(u32, Option<Instant>)>()
    }

    fn forget(&mut self, at: usize) -> u32 {
        let (stream, _) = self.in_flight.swap_remove(at);
        if self.in_flight.is_empty() {
            self.in_flight = Vec::new();
        }
        stream
    }
}

fn outcome(message: &[u8]) -> Result<Vec<u8>, Status> {
    let response = Response::decode(message)
        .map_err(|e| Status::new(Code::Internal, format!("an answer that is none: {e}")))?;
    match response.status.and_then(Status::from_wire) {
        Some(status) => Err(status),
        None => Ok(response.payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{DATA, HEADER, Header, MAX_MESSAGE};

    fn response(stream: u32, kind: u8, message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap();
        [
            &Header {
                length,
                stream,
                kind,
                flags: 0,
            }
            .bytes(),
            message,
        ]
        .concat()
    }

    fn ok(payload: &[u8]) -> Vec<u8> {
        Response {
            status: Some(Status::new(Code::Ok, "").wire()),
            payload: payload.to_vec(),
        }
        .encode_to_vec()
    }

    #[test]
    fn streams_are_odd_and_answers_find_their_calls() {
        let now = Instant::now();
        let mut client = Client::new().header("k", "v");
        let mut call = || {
            client
                .call("s", "m", b"p", Some(Duration::from_nanos(3)), now)
                .unwrap()
        };
        assert_eq!([call(), call(), call()], [1, 3, 5]);
        let first = usize::from(client.output()[3]);
        let request = Request::decode(&client.output()[HEADER..HEADER + first]).unwrap();
        assert_eq!((request.timeout, request.metadata.len()), (3, 1));
        let failure = Response {
            status: Some(Status::new(Code::NotFound, "gone").wire()),
            payload: Vec::new(),
        };
        let bytes = [
            response(3, RESPONSE, &ok(b"three")),
            response(99, RESPONSE, &ok(b"nobody asked")),
            response(1, RESPONSE, &failure.encode_to_vec()),
            response(1, RESPONSE, &ok(b"twice")),
            response(5, DATA, b""),
        ]
        .concat();
        let mut rest = bytes.as_slice();
        let replies: Vec<Reply> = std::iter::from_fn(|| client.next(&mut rest)).collect();
        assert_eq!(replies.len(), 3);
        assert_eq!(
            replies[0],
            Reply {
                stream: 3,
                outcome: Ok(b"three".to_vec())
            }
        );
        assert_eq!(replies[1].outcome, Err(Status::new(Code::NotFound, "gone")));
        assert_eq!(replies[2].outcome.as_ref().unwrap_err().code, Code::Internal);
        assert_eq!((client.in_flight(), client.deadline()), (0, None));
    }

    #[test]
    fn calls_end_with_time_length_and_connection() {
        let now = Instant::now();
        let mut client = Client::new();
        let code = |r: Option<Reply>| r.and_then(|r| r.outcome.err()).map(|s| s.code);
        client
            .call("s", "m", b"", Some(Duration::from_secs(1)), now)
            .unwrap();
        assert_eq!(client.expire(now), None);
        assert_eq!(
            code(client.expire(now + Duration::from_secs(1))),
            Some(Code::DeadlineExceeded)
        );
        let long = client.call("s", "m", &vec![0; MAX_MESSAGE], None, now);
        assert_eq!(long.unwrap_err().code, Code::ResourceExhausted);
        assert_eq!(client.call("s", "m", b"", None, now), Ok(3));
        let header = Header {
            length: u32::MAX,
            stream: 3,
            kind: RESPONSE,
            flags: 0,
        }
        .bytes();
        assert_eq!(
            code(client.next(&mut header.as_slice())),
            Some(Code::ResourceExhausted)
        );
        client.call("s", "m", b"", None, now).unwrap();
        assert_eq!(code(client.end().pop()), Some(Code::Unavailable));
        client.last = u32::MAX;
        assert_eq!(
            client.call("s", "m", b"", None, now).unwrap_err().code,
            Code::ResourceExhausted
        );
        client.sent(client.output().len());
        assert_eq!(client.held(), 0);
    }
}
