//! The header before every message.
//!
//! ```text
//!  0        4        8    9     10
//!  | length | stream | type | flags | length bytes of message
//!   u32 BE   u32 BE    u8     u8
//! ```

/// Bytes of a header.
pub const HEADER: usize = 10;

/// The longest message: 4 MiB, header not counted. Longer ones are refused and must not be sent.
pub const MAX_MESSAGE: usize = 4 << 20;

/// What a frame is; other types are ignored, for what may come.
pub(crate) const REQUEST: u8 = 1;
pub(crate) const RESPONSE: u8 = 2;
pub(crate) const DATA: u8 = 3;

/// The client goes on to send data on the stream that its request opens.
pub(crate) const REMOTE_OPEN: u8 = 2;

/// A header, read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes that follow.
    pub(crate) length: u32,
    /// Which call the message belongs to.
    pub(crate) stream: u32,
    /// [`REQUEST`], [`RESPONSE`], [`DATA`] or unknown.
    pub(crate) kind: u8,
    /// Depends on the kind.
    pub(crate) flags: u8,
}

impl Header {
    pub(crate) fn parse(bytes: [u8; HEADER]) -> Self {
        let [a, b, c, d, e, f, g, h, kind, flags] = bytes;
        Header {
            length: u32::from_be_bytes([a, b, c, d]),
            stream: u32::from_be_bytes([e, f, g, h]),
            kind,
            flags,
        }
    }

    pub(crate) fn bytes(self) -> [u8; HEADER] {
        let [a, b, c, d] = self.length.to_be_bytes();
        let [e, f, g, h] = self.stream.to_be_bytes();
        [a, b, c, d, e, f, g, h, self.kind, self.flags]
    }

    /// The length, where it is one that may be.
    pub(crate) fn allowed(self) -> Option<usize> {
        usize::try_from(self.length).ok().filter(|n| *n <= MAX_MESSAGE)
    }
}
