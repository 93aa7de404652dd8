//! A client that waits: for the engine, which drives shims that are not ours, and for tests.

use crate::client::{Client, Reply};
use crate::status::Status;
use prost::Message;
use std::fmt;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};
use tare_error::{Context as _, Error, Kind, Result};

/// Bytes that are read at a time.
const PIECE: usize = 16 << 10;

/// One connection to a server, with one call at a time on it.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    client: Client,
}

impl Connection {
    /// Connects to a socket.
    ///
    /// # Errors
    /// The kernel's: nothing is there (`NotFound`), nobody listens (`Unavailable`).
    pub fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).op("connect to", socket.display())?;
        Ok(Connection::over(stream, Client::new()))
    }

    /// On a connection that is there; the client may have headers, and must not have been used.
    pub fn over(stream: UnixStream, client: Client) -> Self {
        Connection { stream, client }
    }

    /// Asks, and waits for the answer: no longer than `timeout`, if there is one. An answer that comes later is dropped, and
    /// the connection can still be used.
    ///
    /// # Errors
    /// The server's, by its code's kind; `Unavailable` where the connection has ended or the time is over.
    pub fn call<A: Message + Default>(
        &mut self,
        service: &str,
        method: &str,
        request: &impl Message,
        timeout: Option<Duration>,
    ) -> Result<A> {
        let name = Name(service, method);
        let failed = |status: Status| status.into_error("call", name);
        let payload = request.encode_to_vec();
        let stream = self
            .client
            .call(service, method, &payload, timeout, Instant::now())
            .map_err(failed)?;
        let answer = loop {
            let reply = match self.step(name)? {
                Some(reply) => Some(reply),
                None => self.client.expire(Instant::now()),
            };
            match reply {
                Some(reply) if reply.stream == stream => break reply.outcome.map_err(failed)?,
                _ => {}
            }
        };
        A::decode(answer.as_slice())
            .map_err(|e| Error::new(Kind::Corrupt, "read the answer of", name).from_source(e))
    }

    /// Writes what waits to be written, then reads once; none where that took the time there is, or brought no answer.
    fn step(&mut self, name: Name<'_>) -> Result<Option<Reply>> {
        while !self.client.output().is_empty() {
            let Some(left) = self.left() else { return Ok(None) };
            self.stream.set_write_timeout(left).op("call", name)?;
            match self.stream.write(self.client.output()) {
                Ok(count) => self.client.sent(count),
                Err(e) if is_time(&e) => {}
                Err(e) => return Err(self.ended(name).from_source(e)),
            }
        }
        let Some(left) = self.left() else { return Ok(None) };
        self.stream.set_read_timeout(left).op("call", name)?;
        let mut piece = [0; PIECE];
        let mut bytes = match self.stream.read(&mut piece) {
            Ok(0) => return Err(self.ended(name).because("the connection has ended")),
            Ok(count) => piece.get(..count).unwrap_or_default(),
            Err(e) if is_time(&e) => return Ok(None),
            Err(e) => return Err(self.ended(name).from_source(e)),
        };
        // One call at a time: what else is in these bytes answers calls that expired.
        let mut found = None;
        while let Some(reply) = self.client.next(&mut bytes) {
            found = Some(reply);
        }
        Ok(found)
    }

    /// Gives up all calls: whatever the kernel says of it, nothing more comes on this connection.
    fn ended(&mut self, name: Name<'_>) -> Error {
        self.client.end();
        Error::new(Kind::Unavailable, "call", name)
    }

    /// How long to wait: none inside for ever; none outside where the time is over.
    fn left(&self) -> Option<Option<Duration>> {
        let Some(deadline) = self.client.deadline() else {
            return Some(None);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(Some(left))
    }
}

/// True where a read or write was given up for its time, or by a signal.
fn is_time(e: &std::io::Error) -> bool {
    matches!(
        e.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// A service and a method, as a person reads them.
#[derive(Clone, Copy)]
struct Name<'a>(&'a str, &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}
