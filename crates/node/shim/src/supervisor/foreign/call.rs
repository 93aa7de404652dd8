//! One request to a shim, on a connection of its own: a shim that answers one request with nonsense, or never, has no say about the
//! others, and the end of the connection is the shim's end.

use super::shim::Address;
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use std::time::{Duration, Instant};
use tare_error::{Error, Kind, Result};
use tare_spec_containerd::task::TaskMethod;
use tare_ttrpc::{Client, Code, Status};

/// What one read brings.
const READ: usize = 16 * 1024;

/// A request on its way.
#[derive(Debug)]
pub(super) struct Call {
    socket: OwnedFd,
    client: Client,
    limit: Option<Duration>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// The shim says so.
    Said(Status),
    /// Nobody is there, or nobody answers what was asked.
    Lost(String),
}

impl Call {
    /// Asks; `limit` is how long the answer may take.
    pub(super) fn begin(
        address: &Address,
        method: TaskMethod,
        payload: &[u8],
        limit: Option<Duration>,
    ) -> std::result::Result<Call, Failed> {
        let lost = |e: Errno| {
            Failed::Lost(match e {
                Errno::CONNREFUSED | Errno::NOENT => "it is gone".to_owned(),
                e => format!(
                    "it takes no connection: {}",
                    Error::os("connect to", &address.path, e)
                ),
            })
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(lost)?;
        let name = match address.path.strip_prefix('@') {
            Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()),
            None => SocketAddrUnix::new(&address.path),
        };
        rustix::net::connect(&socket, &name.map_err(lost)?).map_err(lost)?;
        let mut client = Client::new();
        let called = client.call(address.service(), method.name(), payload, limit, Instant::now());
        called.map_err(Failed::Said)?;
        Ok(Call {
            socket,
            client,
            limit,
        })
    }

    /// The answer, where it has come. Does not wait.
    pub(super) fn advance(&mut self) -> std::result::Result<Option<Vec<u8>>, Failed> {
        self.write()?;
        if let Some(answer) = self.read()? {
            return Ok(Some(answer));
        }
        match self.client.expire(Instant::now()) {
            Some(_) => Err(Failed::Lost(format!(
                "it has not answered within {:?}",
                self.limit.unwrap_or_default()
            ))),
            None => Ok(None),
        }
    }

    fn write(&mut self) -> std::result::Result<(), Failed> {
        while !self.client.output().is_empty() {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match rustix::net::send(&self.socket, self.client.output(), flags) {
                Ok(count) => self.client.sent(count),
                // What it has said before it went is read first.
                Err(Errno::AGAIN | Errno::PIPE | Errno::CONNRESET) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(e) => return Err(Failed::Lost(e.to_string())),
            }
        }
        Ok(())
    }

    fn read(&mut self) -> std::result::Result<Option<Vec<u8>>, Failed> {
        let mut room = [0; READ];
        loop {
            let count = match rustix::net::recv(&self.socket, &mut room, RecvFlags::DONTWAIT) {
                Ok((0, _)) | Err(Errno::CONNRESET) => {
                    return Err(Failed::Lost("it has gone without an answer".to_owned()));
                }
                Ok((count, _)) => count,
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => continue,
                Err(e) => return Err(Failed::Lost(e.to_string())),
            };
            let mut bytes = room.get(..count).unwrap_or_default();
            if let Some(reply) = self.client.next(&mut bytes) {
                return reply.outcome.map(Some).map_err(|status| match status.code {
                    // Go's words for a server that ends.
                    Code::Unavailable => Failed::Lost(status.message),
                    _ => Failed::Said(status),
                });
            }
        }
    }

    pub(super) fn flags(&self) -> EventFlags {
        match self.client.output() {
            [] => EventFlags::IN,
            _ => EventFlags::IN | EventFlags::OUT,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.client.deadline()
    }
}

impl AsFd for Call {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Failed {
    /// As an error of an operation on a container; `shim` is who was asked.
    pub(super) fn into_error(self, operation: &'static str, subject: &str, shim: &str) -> Error {
        let of = |kind, why: &str| Error::new(kind, operation, subject).because(format!("{shim}: {why}"));
        match self {
            Failed::Lost(why) => of(Kind::Unavailable, &why),
            Failed::Said(status) if status.code == Code::Unimplemented => of(
                Kind::Unsupported,
                &format!("it does not implement this ({})", status.message),
            ),
            Failed::Said(status) => of(status.code.kind(), &status.message),
        }
    }
}

/// A message of a shim's.
///
/// # Errors
/// `Corrupt` where it is none of this type.
pub(super) fn read<M: prost::Message + Default>(bytes: &[u8], shim: &str) -> Result<M> {
    M::decode(bytes).map_err(|e| {
        Error::new(Kind::Corrupt, "read the answer of", shim)
            .because("it is no message that belongs to the question")
            .from_source(e)
    })
}
