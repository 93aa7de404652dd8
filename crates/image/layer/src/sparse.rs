//! Sparse files: GNU's old form in header blocks, and its pax forms 0.0, 0.1 (map in records) and 1.0 (map in data).

use crate::block::{self, Block};
use crate::entry::malformed;
use crate::limits::{Limits, reached};
use crate::pax;
use crate::stream::{BLOCK, Stream};
use tare_error::{Error, Result};

/// Data that stands at `offset` in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Where the data of a sparse file goes, and how long the file is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) size: u64,
    pub(crate) pieces: Vec<Piece>,
}

/// Why a map was refused; the entry's place is added by the caller.
#[derive(Debug)]
pub(crate) enum Refused {
    Malformed(&'static str),
    Limit(usize),
    Stream(Error),
}

impl Refused {
    /// The error, for the entry at byte `at`.
    pub(crate) fn at(self, at: u64) -> Error {
        match self {
            Refused::Malformed(reason) => malformed(at, reason),
            Refused::Limit(limit) => reached(format!("entry at byte {at}"), "pieces", limit),
            Refused::Stream(e) => e,
        }
    }
}

impl From<Error> for Refused {
    fn from(e: Error) -> Self {
        Refused::Stream(e)
    }
}

const MALFORMED: Refused = Refused::Malformed("sparse map is malformed");

/// The map of a sparse file, `None` for an ordinary one. Blocks of a map that stands in the data are read, and
/// `stored` becomes what is left.
pub(crate) fn find(
    stream: &mut Stream<'_>,
    block: &Block,
    records: &pax::Sparse,
    stored: &mut u64,
    limits: &Limits,
) -> Result<Option<Map>, Refused> {
    let version = (records.major.as_deref(), records.minor.as_deref());
    let (size, numbers) = if block.kind == b'S' {
        old(stream, block, limits)?
    } else {
        let numbers = match version {
            (Some(b"1"), Some(b"0")) => in_data(stream, stored, limits)?,
            (Some(b"0"), Some(b"0" | b"1")) => records.map.clone(),
            (None, None) if !records.map.is_empty() => records.map.clone(),
            _ => return Ok(None),
        };
        (records.size.unwrap_or(block.size), numbers)
    };
    let size = u64::try_from(size).map_err(|_| MALFORMED)?;
    let map = Map {
        size,
        pieces: checked(&numbers, size)?,
    };
    let data: u64 = map.pieces.iter().map(|p| p.length).sum();
    if data != *stored {
        return Err(Refused::Malformed("sparse map does not cover the data"));
    }
    Ok(Some(map))
}

/// Pieces in order, apart from each other, inside the file; so their sum cannot overflow either.
fn checked(numbers: &[i64], size: u64) -> Result<Vec<Piece>, Refused> {
    let mut pieces = Vec::with_capacity(numbers.len() / 2);
    let mut end = 0_u64;
    if !numbers.len().is_multiple_of(2) {
        return Err(MALFORMED);
    }
    for pair in numbers.chunks_exact(2) {
        let offset = u64::try_from(pair[0]).map_err(|_| MALFORMED)?;
        let length = u64::try_from(pair[1]).map_err(|_| MALFORMED)?;
        let next = offset.checked_add(length).ok_or(MALFORMED)?;
        if offset < end || next > size {
            return Err(MALFORMED);
        }
        end = next;
        if length > 0 {
            pieces.push(Piece { offset, length });
        }
    }
    Ok(pieces)
}

/// Old GNU form: four pairs in the header, then blocks of 21 while each says that another follows.
fn old(stream: &mut Stream<'_>, block: &Block, limits: &Limits) -> Result<(i64, Vec<i64>), Refused> {
    let raw = block.sparse.as_deref().ok_or(MALFORMED)?;
    let mut numbers = Vec::new();
    pairs(&raw[..96], &mut numbers, limits)?;
    let mut more = raw[96] != 0;
    while more {
        let next = stream.block()?.ok_or_else(|| stream.short())?;
        pairs(&next[..504], &mut numbers, limits)?;
        more = next[504] != 0;
    }
    Ok((block::number(&raw[97..109]).ok_or(MALFORMED)?, numbers))
}

/// Pairs of 12-byte numbers; an empty one ends the list.
fn pairs(fields: &[u8], numbers: &mut Vec<i64>, limits: &Limits) -> Result<(), Refused> {
    for pair in fields.chunks_exact(24) {
        if pair[0] == 0 {
            break;
        }
        push(block::number(&pair[..12]).ok_or(MALFORMED)?, numbers, limits)?;
        push(block::number(&pair[12..]).ok_or(MALFORMED)?, numbers, limits)?;
    }
    Ok(())
}

/// Form 1.0: the data begins with lines of decimals (count, then pairs), filled up to a whole block.
fn in_data(stream: &mut Stream<'_>, stored: &mut u64, limits: &Limits) -> Result<Vec<i64>, Refused> {
    let (mut numbers, mut wanted, mut line) = (Vec::new(), None::<u64>, Vec::new());
    loop {
        *stored = stored.checked_sub(BLOCK as u64).ok_or(MALFORMED)?;
        let block = stream.block()?.ok_or_else(|| stream.short())?;
        for &byte in &block {
            if byte != b'\n' {
                line.push(byte);
                if line.len() > 20 {
                    return Err(MALFORMED);
                }
                continue;
            }
            let number = pax::decimal(&line).ok_or(MALFORMED)?;
            line.clear();
            match wanted {
                None => wanted = Some(u64::try_from(number).map_err(|_| MALFORMED)?.saturating_mul(2)),
                Some(_) => push(number, &mut numbers, limits)?,
            }
            if wanted == Some(numbers.len() as u64) {
                return Ok(numbers);
            }
        }
    }
}

fn push(number: i64, numbers: &mut Vec<i64>, limits: &Limits) -> Result<(), Refused> {
    if numbers.len() >= limits.pieces.saturating_mul(2) {
        return Err(Refused::Limit(limits.pieces));
    }
    numbers.push(number);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case<'a> = (&'a [i64], u64, Option<Vec<Piece>>);

    #[test]
    fn maps_are_in_order_and_inside() {
        let p = |offset, length| Piece { offset, length };
        let cases: [Case<'_>; 9] = [
            (&[], 0, Some(vec![])),
            (&[0, 5, 10, 5], 15, Some(vec![p(0, 5), p(10, 5)])),
            (&[0, 5, 20, 0], 20, Some(vec![p(0, 5)])),
            (&[0, 5, 4, 5], 20, None),
            (&[10, 5, 0, 5], 20, None),
            (&[0, 21], 20, None),
            (&[-1, 5], 20, None),
            (&[0, -5], 20, None),
            (&[1, i64::MAX], u64::MAX, Some(vec![p(1, i64::MAX as u64)])),
        ];
        for (numbers, size, expected) in cases {
            assert_eq!(checked(numbers, size).ok(), expected, "{numbers:?}");
        }
        assert!(checked(&[1], 2).is_err());
    }
}
