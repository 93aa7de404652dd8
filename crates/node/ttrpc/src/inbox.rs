//! From bytes as they come to whole frames.

use crate::frame::{HEADER, Header};
use std::borrow::Cow;

/// What stands next in the bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival<'a> {
    /// A frame with its message.
    Frame(Header, Cow<'a, [u8]>),
    /// The header of a frame that is too long; its message will be skipped.
    Oversize(Header),
}

/// The frame that has begun and not ended. Holds at most what has come of one frame, and nothing between frames.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    head: [u8; HEADER],
    /// Bytes of `head` that are there.
    headed: usize,
    body: Vec<u8>,
    /// Bytes of a refused message that are still to come.
    skip: u32,
}

impl Inbox {
    /// The next whole frame; takes from `bytes` what it used. None when all of `bytes` is used.
    pub(crate) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Arrival<'a>> {
        self.pass_over(bytes);
        if self.headed < HEADER {
            let part = take(bytes, HEADER - self.headed);
            self.head[self.headed..self.headed + part.len()].copy_from_slice(part);
            self.headed += part.len();
        }
        if self.headed < HEADER {
            return None;
        }
        let header = Header::parse(self.head);
        let Some(length) = header.allowed() else {
            self.headed = 0;
            self.skip = header.length;
            self.pass_over(bytes);
            return Some(Arrival::Oversize(header));
        };
        let missing = length - self.body.len();
        let part = take(bytes, missing);
        if self.body.is_empty() && part.len() == length {
            self.headed = 0;
            return Some(Arrival::Frame(header, Cow::Borrowed(part)));
        }
        // Twice what is there at most, and never more than the frame: a header alone costs its sender more than us.
        if self.body.capacity() - self.body.len() < part.len() {
            self.body
                .reserve_exact(part.len().max(self.body.len()).min(missing));
        }
        self.body.extend_from_slice(part);
        if self.body.len() < length {
            return None;
        }
        self.headed = 0;
        Some(Arrival::Frame(header, Cow::Owned(std::mem::take(&mut self.body))))
    }

    /// True between two frames.
    pub(crate) fn at_rest(&self) -> bool {
        self.headed == 0 && self.skip == 0
    }

    /// The bytes of the frame that has begun, and how many more are to be skipped: what [`Inbox::restore`] takes.
    pub(crate) fn save(&self) -> (Vec<u8>, u32) {
        let head = self.head.get(..self.headed).unwrap_or_default();
        ([head, &self.body].concat(), self.skip)
    }

    /// An inbox in that state; none where the bytes hold more than the beginning of one frame.
    pub(crate) fn restore(bytes: &[u8], skip: u32) -> Option<Self> {
        let mut inbox = Inbox::default();
        let whole = inbox.next(&mut &*bytes).is_some();
        inbox.skip = skip;
        (!whole && (skip == 0 || bytes.is_empty())).then_some(inbox)
    }

    /// Bytes of memory held beside the struct itself.
    pub(crate) fn held(&self) -> usize {
        self.body.capacity()
    }

    fn pass_over(&mut self, bytes: &mut &[u8]) {
        let gone = take(bytes, usize::try_from(self.skip).unwrap_or(usize::MAX)).len();
        self.skip -= u32::try_from(gone).unwrap_or(self.skip);
    }
}

/// Cuts up to `most` bytes off the front.
fn take<'a>(bytes: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (front, rest) = bytes.split_at(most.min(bytes.len()));
    *bytes = rest;
    front
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::MAX_MESSAGE;

    fn frame(length: u32, stream: u32, body: &[u8]) -> Vec<u8> {
        let header = Header {
            length,
            stream,
            kind: 1,
            flags: 0,
        };
        [&header.bytes(), body].concat()
    }

    /// Streams, lengths and "was it borrowed" of all frames in these pieces; oversized ones as length 0.
    fn read(pieces: &[&[u8]]) -> Vec<(u32, usize, bool)> {
        let mut inbox = Inbox::default();
        let mut found = Vec::new();
        for mut piece in pieces.iter().copied() {
            while let Some(arrival) = inbox.next(&mut piece) {
                found.push(match arrival {
                    Arrival::Frame(h, body) => (h.stream, body.len(), matches!(body, Cow::Borrowed(_))),
                    Arrival::Oversize(h) => (h.stream, 0, false),
                });
            }
            assert_eq!(piece, b"");
        }
        found
    }

    #[test]
    fn frames_come_out_however_they_are_cut() {
        let bytes = [frame(3, 1, b"abc"), frame(0, 3, b""), frame(2, 5, b"de")].concat();
        assert_eq!(read(&[&bytes]), [(1, 3, true), (3, 0, true), (5, 2, true)]);
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            let lengths: Vec<_> = read(&[a, b]).iter().map(|(s, n, _)| (*s, *n)).collect();
            assert_eq!(lengths, [(1, 3), (3, 0), (5, 2)], "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single).len(), 3);
    }

    #[test]
    fn an_oversized_frame_is_skipped_and_the_next_is_read() {
        let long = u32::try_from(MAX_MESSAGE).unwrap() + 1;
        let head = frame(long, 7, b"");
        let body = vec![0; MAX_MESSAGE + 1];
        let next = frame(1, 9, b"x");
        assert_eq!(read(&[&head, &body, &next]), [(7, 0, false), (9, 1, true)]);
        let all = [head, body, next].concat();
        assert_eq!(read(&[&all]), [(7, 0, false), (9, 1, true)]);
        let pieces: Vec<&[u8]> = all.chunks(65_537).collect();
        assert_eq!(read(&pieces).len(), 2);
        let most = frame(u32::MAX, 7, b"");
        assert_eq!(read(&[&most, &next_of(1 << 16)]), [(7, 0, false)]);
    }

    fn next_of(length: usize) -> Vec<u8> {
        vec![1; length]
    }

    #[test]
    fn memory_follows_the_bytes_and_not_the_header() {
        let mut inbox = Inbox::default();
        let head = frame(u32::try_from(MAX_MESSAGE).unwrap(), 1, b"x");
        assert_eq!(inbox.next(&mut head.as_slice()), None);
        assert_eq!(inbox.held(), 1);
        let mut sent = 1;
        while sent < MAX_MESSAGE - 1 {
            let piece = vec![0; 4096.min(MAX_MESSAGE - 1 - sent)];
            assert_eq!(inbox.next(&mut piece.as_slice()), None);
            sent += piece.len();
            assert!(
                inbox.held() <= (2 * sent).min(MAX_MESSAGE),
                "{} for {sent}",
                inbox.held()
            );
        }
        assert!(inbox.next(&mut &[0][..]).is_some());
        assert_eq!(inbox.held(), 0);
    }
}
