//! Bytes that wait for the peer to take them.

use crate::frame::{HEADER, Header, MAX_MESSAGE};

/// Whole frames, the first of them perhaps sent in part. Empty, it holds no memory.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// Adds a frame of `length` bytes, which `write` appends. False, and nothing is added, where it is too long.
    pub(crate) fn push(
        &mut self,
        stream: u32,
        kind: u8,
        length: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let Some(header) = u32::try_from(length)
            .ok()
            .map(|length| Header {
                length,
                stream,
                kind,
                flags: 0,
            })
            .filter(|header| header.allowed().is_some())
        else {
            return false;
        };
        self.bytes.reserve(HEADER + length);
        self.bytes.extend_from_slice(&header.bytes());
        write(&mut self.bytes);
        true
    }

    /// An outbox in which these bytes wait.
    pub(crate) fn restore(bytes: Vec<u8>) -> Self {
        Outbox { bytes, sent: 0 }
    }

    /// What is to be sent.
    pub(crate) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// Forgets the first `count` bytes.
    pub(crate) fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.bytes.len() {
            *self = Outbox::default();
        } else if self.sent >= MAX_MESSAGE {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Bytes of memory held beside the struct itself.
    pub(crate) fn held(&self) -> usize {
        self.bytes.capacity()
    }
}
