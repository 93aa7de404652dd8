//! Lines, and pieces of those that are too long for one record.

/// The most text that a record holds: docker's, and what the kubelet and containerd read.
pub(crate) const LONGEST: usize = 16 * 1024;

/// How a piece ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With its line.
    Line,
    /// Within its line, whose next piece follows.
    Within,
    /// With the stream, which ends without the end of a line.
    Stream,
}

/// A line without its end, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) end: End,
}

/// The first piece of what a container wrote, and how many bytes it is; none where its end has not come yet. What it is
/// follows from the bytes alone, however they arrived. `closed`: nothing follows.
pub(crate) fn first(bytes: &[u8], closed: bool) -> Option<(Piece<'_>, usize)> {
    let seen = bytes.get(..LONGEST).unwrap_or(bytes);
    if let Some(at) = seen.iter().position(|byte| *byte == b'\n') {
        let (text, end) = (seen.get(..at)?, End::Line);
        return Some((Piece { text, end }, at + 1));
    }
    let (text, end) = match bytes.len() {
        0 => return None,
        LONGEST.. => (seen.get(..whole(seen))?, End::Within),
        _ if closed => (seen, End::Stream),
        _ => return None,
    };
    Some((Piece { text, end }, text.len()))
}

/// How much there is of `bytes` without a letter that is cut: docker's log has a replacement for each half.
fn whole(bytes: &[u8]) -> usize {
    let back = bytes.iter().rev().take(4).position(|byte| *byte & 0xC0 != 0x80);
    let Some(at) = back.and_then(|back| bytes.len().checked_sub(back + 1)) else {
        return bytes.len();
    };
    let length = match bytes.get(at) {
        Some(0xC0..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF7) => 4,
        _ => 1,
    };
    if at + length > bytes.len() {
        at
    } else {
        bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_lines_or_as_much_as_a_record_holds() {
        let long = vec![b'x'; LONGEST];
        let mut longer = long.clone();
        longer.push(b'\n');
        let mut cut = vec![b'x'; LONGEST - 1];
        cut.extend("é rest".as_bytes());
        for (bytes, closed, expected) in [
            (&b""[..], true, None),
            (b"a", false, None),
            (b"a", true, Some((1, End::Stream, 1))),
            (b"\nb", false, Some((0, End::Line, 1))),
            (b"ab\nc", true, Some((2, End::Line, 3))),
            (&long[1..], false, None),
            (&long, false, Some((LONGEST, End::Within, LONGEST))),
            (&longer, true, Some((LONGEST, End::Within, LONGEST))),
            (&longer[1..], true, Some((LONGEST - 1, End::Line, LONGEST))),
            (&cut, false, Some((LONGEST - 1, End::Within, LONGEST - 1))),
            (&[0xBF; LONGEST], false, Some((LONGEST, End::Within, LONGEST))),
        ] {
            let found = first(bytes, closed).map(|(piece, taken)| (piece.text.len(), piece.end, taken));
            assert_eq!(found, expected);
        }
    }
}
