//! Messages: headers and attributes in the kernel's layout (`netlink(7)`), built and read without trust in lengths.

/// Everything is padded to this.
const ALIGNMENT: usize = 4;
/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Bytes of `struct rtattr`.
const ATTRIBUTE: usize = 4;

/// A message being built.
#[derive(Debug)]
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// Starts a message with its fixed part.
    pub(crate) fn new(kind: u16, flags: u16, sequence: u32, fixed: &[u8]) -> Message {
        let mut bytes = vec![0; ALIGNMENT];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(fixed);
        Message { bytes }
    }

    /// Adds an attribute; one that does not fit is the kernel's to refuse.
    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Message {
        let length = u16::try_from(ATTRIBUTE + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
        self
    }

    /// The whole message.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes
    }
}

/// A message that was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) kind: u16,
    pub(crate) sequence: u32,
    pub(crate) body: &'a [u8],
}

/// The messages of one datagram; it ends where a length is not true.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Received<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
        let message = bytes.get(..length).filter(|m| m.len() >= HEADER)?;
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or(&[]);
        Some(Received {
            kind: u16::from_ne_bytes(*message.get(4..)?.first_chunk()?),
            sequence: u32::from_ne_bytes(*message.get(8..)?.first_chunk()?),
            body: message.get(HEADER..)?,
        })
    })
}

/// The attributes after the fixed part of a message.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
        let value = bytes.get(ATTRIBUTE..length)?;
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_read() {
        let bytes = Message::new(16, 5, 7, &[1, 2, 3, 4])
            .attribute(3, b"eth0\0")
            .attribute(9, &[])
            .finish();
        assert_eq!(bytes.len(), 16 + 4 + 12 + 4);
        let twice = [bytes.clone(), bytes].concat();
        let found: Vec<Received<'_>> = messages(&twice).collect();
        assert_eq!(found.len(), 2);
        for message in found {
            assert_eq!((message.kind, message.sequence), (16, 7));
            assert_eq!(message.body[..4], [1, 2, 3, 4]);
            let attributes: Vec<(u16, &[u8])> = attributes(&message.body[4..]).collect();
            assert_eq!(attributes, [(3, &b"eth0\0"[..]), (9, &[])]);
        }
    }

    #[test]
    fn lengths_that_lie_end_the_reading() {
        for bytes in [
            &[][..],
            &[1, 0],
            &[0; 16],
            &[15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(messages(bytes).count(), 0, "{bytes:?}");
        }
        for bytes in [&[][..], &[8], &[3, 0, 1, 0], &[9, 0, 1, 0, 0, 0]] {
            assert_eq!(attributes(bytes).count(), 0, "{bytes:?}");
        }
    }
}
