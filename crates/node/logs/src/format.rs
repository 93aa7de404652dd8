//! Records as files have them.

use crate::folder::Stream;
use crate::piece::{End, Piece};

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Docker's: a JSON object a line. The text has its line's end in it, where that is there.
    Json,
    /// The kubelet's: time, stream, `F` or, where the line goes on, `P`, text.
    Cri,
    /// The bytes.
    Raw,
}

impl Format {
    /// Adds a record.
    pub(crate) fn write(self, piece: Piece<'_>, stream: Stream, time: &str, into: &mut Vec<u8>) {
        match self {
            Format::Json => {
                into.extend_from_slice(b"{\"log\":\"");
                escape(piece.text, into);
                if piece.end == End::Line {
                    into.extend_from_slice(b"\\n");
                }
                into.extend_from_slice(b"\",\"stream\":\"");
                into.extend_from_slice(stream.name().as_bytes());
                into.extend_from_slice(b"\",\"time\":\"");
                into.extend_from_slice(time.as_bytes());
                into.extend_from_slice(b"\"}\n");
            }
            Format::Cri => {
                let tag = if piece.end == End::Within { " P " } else { " F " };
                for part in [time, " ", stream.name(), tag] {
                    into.extend_from_slice(part.as_bytes());
                }
                into.extend_from_slice(piece.text);
                into.push(b'\n');
            }
            Format::Raw => {
                into.extend_from_slice(piece.text);
                if piece.end == End::Line {
                    into.push(b'\n');
                }
            }
        }
    }
}

/// Text as docker has it in JSON: also `<`, `>`, `&` and the two line ends of Unicode are escaped, and what is not UTF-8 is
/// replaced byte by byte.
fn escape(text: &[u8], into: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        escape_text(chunk.valid(), into);
        for _ in chunk.invalid() {
            into.extend_from_slice(b"\\ufffd");
        }
    }
}

fn escape_text(text: &str, into: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| HEX.get(usize::from(value & 15)).copied().unwrap_or(b'0');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
        let (plain, more) = rest.split_at(at);
        into.extend_from_slice(plain);
        rest = match more {
            [0xE2, 0x80, last @ (0xA8 | 0xA9), after @ ..] => {
                into.extend_from_slice(b"\\u202");
                into.push(digit(*last));
                after
            }
            [byte, after @ ..] => {
                match byte {
                    b'"' | b'\\' => into.extend_from_slice(&[b'\\', *byte]),
                    b'\n' => into.extend_from_slice(b"\\n"),
                    b'\r' => into.extend_from_slice(b"\\r"),
                    0xE2 => into.push(*byte),
                    _ => into.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(*byte)]),
                }
                after
            }
            [] => more,
        };
    }
    into.extend_from_slice(rest);
}

/// Whether it is escaped, or may begin what is.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&' | 0xE2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2016-10-06T00:17:09.669794202Z";

    fn written(format: Format, text: &[u8], end: End, stream: Stream) -> String {
        let mut into = Vec::new();
        format.write(Piece { text, end }, stream, TIME, &mut into);
        String::from_utf8_lossy(&into).replace(TIME, "T")
    }

    #[test]
    fn records_are_as_docker_and_the_kubelet_have_them() {
        let json = |text: &[u8], end| written(Format::Json, text, end, Stream::Stdout);
        for (text, expected) in [
            (&b"hello"[..], r"hello\n"),
            (b"", r"\n"),
            (b"a\"b\\c\r\t\x00\x1f", r#"a\"b\\c\r\u0009\u0000\u001f\n"#),
            (b"<a&b>", r"\u003ca\u0026b\u003e\n"),
            (b"\xff\xfeok\xe2\x82", r"\ufffd\ufffdok\ufffd\ufffd\n"),
            ("é€\u{2028}\u{2029}".as_bytes(), r"é€\u2028\u2029\n"),
        ] {
            assert_eq!(
                json(text, End::Line),
                format!("{{\"log\":\"{expected}\",\"stream\":\"stdout\",\"time\":\"T\"}}\n")
            );
        }
        assert_eq!(
            json(b"x", End::Within),
            "{\"log\":\"x\",\"stream\":\"stdout\",\"time\":\"T\"}\n"
        );
        for (end, expected) in [
            (End::Line, "T stderr F x y\n"),
            (End::Within, "T stderr P x y\n"),
            (End::Stream, "T stderr F x y\n"),
        ] {
            assert_eq!(written(Format::Cri, b"x y", end, Stream::Stderr), expected);
        }
        assert_eq!(written(Format::Raw, b"x", End::Line, Stream::Stderr), "x\n");
        assert_eq!(written(Format::Raw, b"x", End::Stream, Stream::Stderr), "x");
    }
}
