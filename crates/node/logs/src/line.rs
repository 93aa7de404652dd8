//! A record read again: a line of a log in docker's form or in the kubelet's.

use crate::folder::Stream;
use crate::moment::Moment;
use serde::Deserialize;
use std::borrow::Cow;

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was taken.
    pub time: Moment,
    /// Where the container wrote it.
    pub stream: Stream,
    /// The text, with the end of its line where that is there.
    pub text: Vec<u8>,
}

/// What a line of a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A record.
    Record(Line),
    /// Nothing that was written as one: torn, or of somebody else.
    Odd,
}

#[derive(Deserialize)]
struct Json<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// Reads a line of a file, without its end: in docker's form where it begins as that does, else in the kubelet's.
pub fn parse(line: &[u8]) -> Parsed {
    let record = if line.starts_with(b"{") {
        json(line)
    } else {
        cri(line)
    };
    record.map_or(Parsed::Odd, Parsed::Record)
}

fn json(line: &[u8]) -> Option<Line> {
    let found: Json<'_> = serde_json::from_slice(line).ok()?;
    Some(Line {
        time: Moment::parse(&found.time)?,
        stream: Stream::named(&found.stream)?,
        text: found.log.into_owned().into_bytes(),
    })
}

fn cri(line: &[u8]) -> Option<Line> {
    let mut fields = line.splitn(4, |byte| *byte == b' ');
    let mut word = || std::str::from_utf8(fields.next()?).ok();
    let (time, stream, tags) = (word()?, word()?, word()?);
    let mut text = fields.next()?.to_vec();
    // The kubelet allows more tags, one day, after a colon.
    match tags.split(':').next()? {
        "F" => text.push(b'\n'),
        "P" => {}
        _ => return None,
    }
    Some(Line {
        time: Moment::parse(time)?,
        stream: Stream::named(stream)?,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::piece::{End, Piece};

    #[test]
    fn what_is_written_is_read_again() {
        let time = Moment {
            seconds: 1_475_713_029,
            nanoseconds: 669_794_202,
        };
        for text in [&b"hello"[..], b"", b"a\"b\\\t<&>", "\u{2028}é".as_bytes()] {
            for (format, end) in [
                (Format::Json, End::Line),
                (Format::Json, End::Within),
                (Format::Cri, End::Line),
                (Format::Cri, End::Within),
            ] {
                let mut line = Vec::new();
                format.write(Piece { text, end }, Stream::Stderr, &time.to_string(), &mut line);
                assert_eq!(line.pop(), Some(b'\n'));
                let mut text = text.to_vec();
                if end == End::Line {
                    text.push(b'\n');
                }
                assert_eq!(
                    parse(&line),
                    Parsed::Record(Line {
                        time,
                        stream: Stream::Stderr,
                        text
                    })
                );
                // Torn, it is either nothing, or in CRI a shorter text: which is why a last line without its end is not read.
                line.truncate(line.len() / 2);
                if format == Format::Json {
                    assert_eq!(parse(&line), Parsed::Odd);
                }
            }
        }
    }

    #[test]
    fn others_lines_are_odd() {
        for line in [
            &b""[..],
            b"text",
            b"{}",
            b"{\"log\":\"x\"}",
            b"2016-10-06T00:17:09Z stdout X a",
            b"2016-10-06T00:17:09Z stdin F a",
            b"{\"log\":\"\",\"stream\":\"stdout\",\"time\":\"now\"}",
            b"\xff \xff \xff \xff",
        ] {
            assert_eq!(parse(line), Parsed::Odd, "{}", line.escape_ascii());
        }
        let docker =
            br#"{"log":"x\n","stream":"stdout","attrs":{"tag":"y"},"time":"2016-10-06T00:17:09.5Z"}"#;
        assert!(matches!(parse(docker), Parsed::Record(_)));
        assert!(
            matches!(parse(b"2016-10-06T00:17:09+01:00 stdout F:x a b"), Parsed::Record(line) if line.text == b"a b\n")
        );
    }
}
