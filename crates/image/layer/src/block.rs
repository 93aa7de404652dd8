//! One 512-byte header block: fields, numbers, check sum and dialect (V7, ustar, GNU, star).

use crate::stream::BLOCK;
use std::ops::Range;

/// The fields of a header block, read once the check sum was found right.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) mode: i64,
    pub(crate) uid: i64,
    pub(crate) gid: i64,
    pub(crate) size: i64,
    pub(crate) mtime: i64,
    pub(crate) major: i64,
    pub(crate) minor: i64,
    /// Old GNU sparse fields: four pairs, the mark of a continuation, the real size.
    pub(crate) sparse: Option<Box<[u8]>>,
}

/// Parses a block that is not all zero.
///
/// # Errors
/// What is wrong, in a few words.
pub(crate) fn parse(b: &[u8; BLOCK]) -> Result<Block, &'static str> {
    let sum = number(&b[148..156]).ok_or("check sum is no number")?;
    if !sums(b).contains(&sum) {
        return Err("check sum is wrong");
    }
    let ustar = &b[257..263] == b"ustar\0";
    let star = ustar && &b[508..512] == b"tar\0";
    let gnu = &b[257..265] == b"ustar  \0";
    let mut name = text(&b[0..100]).to_vec();
    if ustar {
        let range: Range<usize> = if star { 345..476 } else { 345..500 };
        let prefix = text(&b[range]);
        if !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
    }
    let device = |range: Range<usize>| match ustar || gnu {
        true => number(&b[range]).ok_or("device number is no number"),
        false => Ok(0),
    };
    Ok(Block {
        name,
        link: text(&b[157..257]).to_vec(),
        kind: b[156],
        mode: number(&b[100..108]).ok_or("mode is no number")?,
        uid: number(&b[108..116]).ok_or("uid is no number")?,
        gid: number(&b[116..124]).ok_or("gid is no number")?,
        size: number(&b[124..136]).ok_or("size is no number")?,
        mtime: number(&b[136..148]).ok_or("mtime is no number")?,
        major: device(329..337)?,
        minor: device(337..345)?,
        sparse: (gnu && b[156] == b'S').then(|| b[386..495].into()),
    })
}

/// The unsigned and the signed sum of all bytes, the sum's own field taken as spaces; old writers used signed ones.
fn sums(b: &[u8; BLOCK]) -> [i64; 2] {
    let (mut unsigned, mut signed) = (0_i64, 0_i64);
    for (i, &byte) in b.iter().enumerate() {
        let byte = if (148..156).contains(&i) { b' ' } else { byte };
        unsigned += i64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    [unsigned, signed]
}

/// A field up to its first NUL.
pub(crate) fn text(field: &[u8]) -> &[u8] {
    field.split(|&b| b == 0).next().unwrap_or_default()
}

/// A number: octal text, or base 256 where the top bit is set (GNU; two's complement, at most 64 bits).
pub(crate) fn number(field: &[u8]) -> Option<i64> {
    match field.first() {
        None => Some(0),
        Some(first) if first & 0x80 != 0 => {
            let negative = first & 0x40 != 0;
            let mut value: i64 = if negative { -1 } else { 0 };
            for (i, &byte) in field.iter().enumerate() {
                // The top bit only marks the form; below it stands the sign.
                let byte = match (i, negative) {
                    (0, false) => byte & 0x7f,
                    _ => byte,
                };
                let shifted = value.checked_mul(256)?;
                value = shifted | i64::from(byte);
            }
            Some(value)
        }
        Some(_) => {
            let blank = |b: &u8| *b == b' ' || *b == 0;
            let start = field.iter().position(|b| !blank(b)).unwrap_or(field.len());
            let trimmed = text(&field[start..]).trim_ascii_end();
            let mut value: i64 = 0;
            for &digit in trimmed {
                if !(b'0'..=b'7').contains(&digit) {
                    return None;
                }
                value = value.checked_mul(8)?.checked_add(i64::from(digit - b'0'))?;
            }
            Some(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_in_all_forms() {
        let cases: [(&[u8], Option<i64>); 14] = [
            (b"", Some(0)),
            (b"0000644\0", Some(0o644)),
            (b" 644 \0\0\0", Some(0o644)),
            (b"\0\0\0\0", Some(0)),
            (b"77777777777\0", Some(0o77_777_777_777)),
            (b"0000648\0", None),
            (b"-1\0", None),
            (b"12\x0099", Some(0o12)),
            (b"\x80\0\0\0\0\0\0\x01", Some(1)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", Some(i64::MIN)),
            (b"\xff\xff\xff\xff\x00\0\0\0\0\0\0\0", None),
        ];
        for (field, expected) in cases {
            assert_eq!(number(field), expected, "{field:?}");
        }
    }
}
