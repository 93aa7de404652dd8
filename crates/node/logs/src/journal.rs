//! systemd's journal: one datagram an entry, in its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), with the fields
//! that docker and podman write.

use crate::folder::{Owner, Stream};
use crate::piece::{End, Piece};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";
/// Digits of an id's short form.
const SHORT: usize = 12;

/// The journal, with what all entries of a container have. A piece of 16 KiB at most fits a datagram always: no entry needs a
/// file to be passed instead.
#[derive(Debug)]
pub(crate) struct Journal {
    socket: Option<OwnedFd>,
    fields: Vec<u8>,
}

impl Journal {
    pub(crate) fn new(owner: &Owner, tag: &str) -> Journal {
        let short = owner.container.get(..SHORT).unwrap_or(&owner.container);
        let tag = if tag.is_empty() { short } else { tag };
        let mut fields = Vec::new();
        for (name, value) in [
            ("CONTAINER_ID", short),
            ("CONTAINER_ID_FULL", &owner.container),
            ("CONTAINER_NAME", &owner.container),
            ("CONTAINER_NAMESPACE", &owner.namespace),
            ("CONTAINER_TAG", tag),
            ("SYSLOG_IDENTIFIER", tag),
        ] {
            field(name, value.as_bytes(), &mut fields);
        }
        Journal { socket: None, fields }
    }

    /// An entry, as it is sent.
    pub(crate) fn entry(&self, piece: Piece<'_>, stream: Stream, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.fields);
        // As docker has them: informational, and an error.
        let priority: &[u8] = match stream {
            Stream::Stdout => b"6",
            Stream::Stderr => b"3",
        };
        field("PRIORITY", priority, into);
        if piece.end == End::Within {
            field("CONTAINER_PARTIAL_MESSAGE", b"true", into);
        }
        field("MESSAGE", piece.text, into);
    }

    /// Sends an entry; waits where the journal is behind.
    pub(crate) fn send(&mut self, entry: &[u8]) -> Result<(), Errno> {
        let sent = self
            .connected()
            .and_then(|socket| rustix::net::send(socket, entry, SendFlags::NOSIGNAL));
        match sent {
            Ok(_) => Ok(()),
            Err(e) => {
                // A journal that has started again has another socket.
                self.socket = None;
                Err(e)
            }
        }
    }

    /// Connects, where it is not.
    pub(crate) fn connected(&mut self) -> Result<&OwnedFd, Errno> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => {
                let socket = rustix::net::socket_with(
                    AddressFamily::UNIX,
                    SocketType::DGRAM,
                    SocketFlags::CLOEXEC,
                    None,
                )?;
                rustix::net::connect(&socket, &SocketAddrUnix::new(SOCKET)?)?;
                socket
            }
        };
        Ok(self.socket.insert(socket))
    }
}

/// A field: with its length where its value has a line's end or may be no text.
fn field(name: &str, value: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') || std::str::from_utf8(value).is_err() {
        into.push(b'\n');
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        into.extend_from_slice(&length.to_le_bytes());
    } else {
        into.push(b'=');
    }
    into.extend_from_slice(value);
    into.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_dockers_fields() {
        let owner = Owner {
            namespace: "default".into(),
            container: "0123456789abcdef".into(),
        };
        let journal = Journal::new(&owner, "");
        let mut entry = Vec::new();
        let piece = Piece {
            text: b"a=b",
            end: End::Within,
        };
        journal.entry(piece, Stream::Stderr, &mut entry);
        let expected = "CONTAINER_ID=0123456789ab\nCONTAINER_ID_FULL=0123456789abcdef\nCONTAINER_NAME=0123456789abcdef\n\
            CONTAINER_NAMESPACE=default\nCONTAINER_TAG=0123456789ab\nSYSLOG_IDENTIFIER=0123456789ab\nPRIORITY=3\n\
            CONTAINER_PARTIAL_MESSAGE=true\nMESSAGE=a=b\n";
        assert_eq!(String::from_utf8(entry).unwrap(), expected);
        let mut binary = Vec::new();
        field("MESSAGE", b"\xff\n", &mut binary);
        assert_eq!(binary, b"MESSAGE\n\x02\0\0\0\0\0\0\0\xff\n\n");
    }
}
