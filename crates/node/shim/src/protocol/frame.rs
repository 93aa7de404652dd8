//! Framing: bytes to frames and back, without I/O.

use std::fmt;

/// The length of what stands before a payload.
pub const HEADER: usize = 5;
/// The longest payload of a data frame.
pub const MAX_DATA: usize = 64 * 1024;
/// The longest payload of a control frame.
pub const MAX_CONTROL: usize = 4 * 1024 * 1024;
/// The length of a credit's payload.
const CREDIT: usize = 5;

/// What a frame carries; the numbers are the wire's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// JSON [`Hello`](super::Hello).
    Hello,
    /// JSON [`Request`](super::Request).
    Request,
    /// JSON [`Reply`](super::Reply).
    Reply,
    /// JSON [`Notice`](super::Notice).
    Notice,
    /// A [`Credit`].
    Credit,
    /// Raw bytes of a stream.
    Data(Stream),
}

/// A stream of a container's standard input or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// From the client to the container.
    Stdin,
    /// From the container to the client; with a terminal the only one.
    Stdout,
    /// From the container to the client.
    Stderr,
}

/// Kinds and their numbers, read in both directions.
const NUMBERS: [(u8, FrameKind); 8] = [
    (1, FrameKind::Hello),
    (2, FrameKind::Request),
    (3, FrameKind::Reply),
    (4, FrameKind::Notice),
    (5, FrameKind::Credit),
    (16, FrameKind::Data(Stream::Stdin)),
    (17, FrameKind::Data(Stream::Stdout)),
    (18, FrameKind::Data(Stream::Stderr)),
];

impl FrameKind {
    fn of_number(number: u8) -> Option<FrameKind> {
        NUMBERS.iter().find(|(n, _)| *n == number).map(|(_, kind)| *kind)
    }

    fn number(self) -> u8 {
        NUMBERS
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or(0, |(n, _)| *n)
    }

    fn longest(self) -> usize {
        match self {
            FrameKind::Hello | FrameKind::Request | FrameKind::Reply | FrameKind::Notice => MAX_CONTROL,
            FrameKind::Credit => CREDIT,
            FrameKind::Data(_) => MAX_DATA,
        }
    }
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// No kind has this number.
    UnknownKind(u8),
    /// The payload is longer than its kind, or the state of the connection, allows.
    TooLong {
        /// What the frame says it is.
        kind: FrameKind,
        /// What the frame says its length is.
        length: usize,
    },
    /// A credit that is not five bytes, or for no stream.
    BadCredit,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::UnknownKind(n) => write!(f, "frame of unknown kind {n}"),
            Malformed::TooLong { kind, length } => write!(f, "{kind:?} frame of {length} bytes is too long"),
            Malformed::BadCredit => f.write_str("credit frame makes no sense"),
        }
    }
}

/// What stands at the start of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// More bytes are needed: at least this many in all.
    Incomplete(usize),
    /// A whole frame, `used` bytes long with its header.
    Frame {
        /// What it carries.
        kind: FrameKind,
        /// Its payload.
        payload: &'a [u8],
        /// Its length in the buffer.
        used: usize,
    },
}

/// Reads the frame at the start of `bytes`; control frames longer than `control_limit` are refused.
///
/// # Errors
/// [`Malformed`], as soon as the header shows it.
pub fn parse(bytes: &[u8], control_limit: usize) -> Result<Parsed<'_>, Malformed> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return match bytes.first().filter(|n| FrameKind::of_number(**n).is_none()) {
            Some(n) => Err(Malformed::UnknownKind(*n)),
            None => Ok(Parsed::Incomplete(HEADER)),
        };
    };
    let [number, l0, l1, l2, l3] = *header;
    let kind = FrameKind::of_number(number).ok_or(Malformed::UnknownKind(number))?;
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
    if length > kind.longest().min(control_limit.max(MAX_DATA)) {
        return Err(Malformed::TooLong { kind, length });
    }
    Ok(match rest.get(..length) {
        Some(payload) => Parsed::Frame {
            kind,
            payload,
            used: HEADER + length,
        },
        None => Parsed::Incomplete(HEADER + length),
    })
}

/// Appends a frame to `out`. The payload of a data frame is cut into as many frames as it needs.
pub fn push(out: &mut Vec<u8>, kind: FrameKind, payload: &[u8]) {
    let (now, later) = payload.split_at(payload.len().min(kind.longest()));
    out.push(kind.number());
    out.extend_from_slice(&u32::try_from(now.len()).unwrap_or(0).to_le_bytes());
    out.extend_from_slice(now);
    if !later.is_empty() {
        push(out, kind, later);
    }
}

/// Room for more bytes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// Which stream.
    pub stream: Stream,
    /// How many bytes more its sender may send.
    pub bytes: u32,
}

impl Credit {
    /// Reads a credit's payload.
    ///
    /// # Errors
    /// [`Malformed::BadCredit`].
    pub fn parse(payload: &[u8]) -> Result<Credit, Malformed> {
        let [number, b0, b1, b2, b3] = *payload else {
            return Err(Malformed::BadCredit);
        };
        let Some(FrameKind::Data(stream)) = FrameKind::of_number(number) else {
            return Err(Malformed::BadCredit);
        };
        Ok(Credit {
            stream,
            bytes: u32::from_le_bytes([b0, b1, b2, b3]),
        })
    }

    /// The payload of this credit.
    pub fn payload(self) -> [u8; CREDIT] {
        let [b0, b1, b2, b3] = self.bytes.to_le_bytes();
        [FrameKind::Data(self.stream).number(), b0, b1, b2, b3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back_as_it_went() {
        for (_, kind) in NUMBERS {
            let mut bytes = Vec::new();
            push(&mut bytes, kind, b"abcde");
            let expected = Parsed::Frame {
                kind,
                payload: b"abcde",
                used: 10,
            };
            assert_eq!(parse(&bytes, MAX_CONTROL), Ok(expected));
        }
    }

    #[test]
    fn a_frame_cut_anywhere_is_incomplete_never_wrong() {
        let mut bytes = Vec::new();
        push(&mut bytes, FrameKind::Request, b"{\"id\":1}");
        for cut in 0..bytes.len() {
            let parsed = parse(&bytes[..cut], MAX_CONTROL).unwrap();
            assert!(
                matches!(parsed, Parsed::Incomplete(n) if n > cut),
                "{cut}: {parsed:?}"
            );
        }
    }

    #[test]
    fn bad_headers_are_refused_before_their_payload() {
        let long = |kind: u8, length: u32| {
            let mut bytes = vec![kind];
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes
        };
        let table = [
            (vec![0], Malformed::UnknownKind(0)),
            (vec![99, 1, 2], Malformed::UnknownKind(99)),
            (
                long(17, 65537),
                Malformed::TooLong {
                    kind: FrameKind::Data(Stream::Stdout),
                    length: 65537,
                },
            ),
            (
                long(5, 6),
                Malformed::TooLong {
                    kind: FrameKind::Credit,
                    length: 6,
                },
            ),
            (
                long(2, u32::MAX),
                Malformed::TooLong {
                    kind: FrameKind::Request,
                    length: 0xffff_ffff,
                },
            ),
        ];
        for (bytes, expected) in table {
            assert_eq!(parse(&bytes, MAX_CONTROL), Err(expected));
        }
        assert!(parse(&long(2, 100_000), MAX_DATA).is_err());
        assert!(parse(&long(2, 100_000), MAX_CONTROL).is_ok());
    }

    #[test]
    fn long_data_is_cut_into_frames() {
        let data = vec![7; MAX_DATA + 1];
        let mut bytes = Vec::new();
        push(&mut bytes, FrameKind::Data(Stream::Stdout), &data);
        let Parsed::Frame { payload, used, .. } = parse(&bytes, MAX_CONTROL).unwrap() else {
            panic!("no frame");
        };
        assert_eq!(payload.len(), MAX_DATA);
        let Parsed::Frame { payload, .. } = parse(&bytes[used..], MAX_CONTROL).unwrap() else {
            panic!("no second frame");
        };
        assert_eq!(payload, [7]);
    }

    #[test]
    fn credits_come_back_and_nonsense_does_not() {
        let credit = Credit {
            stream: Stream::Stderr,
            bytes: 0x0102_0304,
        };
        assert_eq!(Credit::parse(&credit.payload()), Ok(credit));
        assert_eq!(Credit::parse(&[1, 0, 0, 0, 0]), Err(Malformed::BadCredit));
        assert_eq!(Credit::parse(&[17, 0, 0, 0]), Err(Malformed::BadCredit));
    }

    #[test]
    fn any_bytes_are_answered_without_a_panic() {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..20_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let bytes = seed.to_le_bytes();
            let _ = parse(&bytes[..usize::from(bytes[7] % 9).min(8)], MAX_CONTROL);
            let _ = Credit::parse(&bytes[..5]);
        }
    }
}
