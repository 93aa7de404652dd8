//! What is written of a spool: records, as many as go into a write.

use crate::folder::Stream;
use crate::piece::{self, End, Piece};
use crate::sink::Form;

/// The most that one write holds, unless one record is more.
pub(crate) const MOST: usize = 128 * 1024;

/// What comes after a part of a spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// More of the stream, perhaps.
    More,
    /// Its end.
    Stream,
    /// A gap: what there is of a line is a line, so that what is said of the gap stands in one of its own.
    Gap,
}

impl Closing {
    pub(crate) fn number(self) -> u64 {
        match self {
            Closing::More => 0,
            Closing::Stream => 1,
            Closing::Gap => 2,
        }
    }

    pub(crate) fn of_number(number: u64) -> Closing {
        match number {
            1 => Closing::Stream,
            2 => Closing::Gap,
            _ => Closing::More,
        }
    }
}

/// Records, and how many bytes of the spool they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Composed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) taken: usize,
}

/// How much is composed: records up to so many bytes, one at least; and of the spool no more than this.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) bytes: usize,
    pub(crate) taken: usize,
}

/// Makes records of the whole pieces in `spool`. What they are follows from the bytes: whatever is limited, and whatever has
/// come since, the same part makes the same records.
pub(crate) fn compose(
    form: &Form<'_>,
    spool: &[u8],
    closing: Closing,
    stream: Stream,
    time: &str,
    limit: Limit,
) -> Composed {
    let mut composed = Composed::default();
    while composed.taken < limit.taken
        && let Some(rest) = spool.get(composed.taken..)
        && let Some((piece, taken)) = piece::first(rest, closing != Closing::More)
    {
        let end = match (piece.end, closing) {
            (End::Stream, Closing::Gap) => End::Line,
            (end, _) => end,
        };
        let before = composed.bytes.len();
        form.write(Piece { end, ..piece }, stream, time, &mut composed.bytes);
        if before > 0 && composed.bytes.len() > limit.bytes {
            composed.bytes.truncate(before);
            break;
        }
        composed.taken += taken;
        if form.is_single() || composed.bytes.len() > limit.bytes {
            break;
        }
    }
    composed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;

    const ALL: Limit = Limit {
        bytes: MOST,
        taken: usize::MAX,
    };

    #[test]
    fn a_part_makes_the_same_records_again() {
        let long = [&b"x"[..]; piece::LONGEST - 1].concat();
        let spool = [
            b"a\n",
            long.as_slice(),
            "é".as_bytes(),
            long.as_slice(),
            b"\nb\nc",
        ]
        .concat();
        let form = Form::File(Format::Json);
        for closing in [Closing::More, Closing::Stream, Closing::Gap] {
            for bytes in [1, 30, 20_000, 40_000, MOST] {
                let limit = Limit { bytes, ..ALL };
                let mut from = 0;
                loop {
                    let spool = &spool[from..];
                    let first = compose(&form, spool, closing, Stream::Stdout, "T", limit);
                    if first.taken == 0 {
                        break;
                    }
                    let limit = Limit {
                        bytes: usize::MAX,
                        taken: first.taken,
                    };
                    assert_eq!(compose(&form, spool, closing, Stream::Stdout, "T", limit), first);
                    from += first.taken;
                }
                let left = if closing == Closing::More { 1 } else { 0 };
                assert_eq!(spool.len() - from, left);
            }
        }
    }

    #[test]
    fn as_many_records_as_go_in() {
        let form = Form::File(Format::Cri);
        let composed = |spool: &str, closing, most| {
            let limit = Limit {
                bytes: most,
                taken: usize::MAX,
            };
            let composed = compose(&form, spool.as_bytes(), closing, Stream::Stdout, "T", limit);
            (
                String::from_utf8(composed.bytes)
                    .unwrap()
                    .replace("T stdout ", ""),
                composed.taken,
            )
        };
        for (spool, closing, most, bytes, taken) in [
            ("", Closing::Stream, MOST, "", 0),
            ("a\nb\nc", Closing::More, MOST, "F a\nF b\n", 4),
            ("a\nb\nc", Closing::Stream, MOST, "F a\nF b\nF c\n", 5),
            ("c", Closing::Gap, MOST, "F c\n", 1),
            ("a\nb\n", Closing::More, 1, "F a\n", 2),
            ("a\nb\n", Closing::More, 24, "F a\n", 2),
        ] {
            assert_eq!(
                composed(spool, closing, most),
                (bytes.to_owned(), taken),
                "{spool:?} {closing:?} {most}"
            );
        }
        let raw = compose(
            &Form::File(Format::Raw),
            b"c",
            Closing::Gap,
            Stream::Stdout,
            "T",
            ALL,
        );
        assert_eq!(raw.bytes, b"c\n");
    }
}
