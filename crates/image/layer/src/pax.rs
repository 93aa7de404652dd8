//! Extended headers (POSIX.1-2001 pax): records `length key=value\n`, and the ones that mean something here.

use crate::limits::Limits;

/// What an extended header says about the next entry. `None` where it is silent.
#[derive(Debug, Default)]
pub(crate) struct Pax {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<i64>,
    pub(crate) uid: Option<i64>,
    pub(crate) gid: Option<i64>,
    pub(crate) mtime: Option<(i64, u32)>,
    pub(crate) atime: Option<(i64, u32)>,
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) sparse: Sparse,
}

/// The records of GNU's sparse formats 0.0, 0.1 and 1.0.
#[derive(Debug, Default)]
pub(crate) struct Sparse {
    pub(crate) major: Option<Vec<u8>>,
    pub(crate) minor: Option<Vec<u8>>,
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) size: Option<i64>,
    /// Offsets and lengths in turn, of 0.0 and 0.1.
    pub(crate) map: Vec<i64>,
}

/// Why an extended header was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Malformed(&'static str),
    Limit(&'static str, usize),
}

const MALFORMED: Refusal = Refusal::Malformed("extended header is malformed");

/// Parses the records in `bytes`; the number of bytes was checked by the caller.
pub(crate) fn parse(mut bytes: &[u8], limits: &Limits) -> Result<Pax, Refusal> {
    let mut pax = Pax::default();
    while !bytes.is_empty() {
        let (key, value, rest) = record(bytes).ok_or(MALFORMED)?;
        bytes = rest;
        pax.take(key, value, limits)?;
    }
    Ok(pax)
}

/// Splits off the first record: key, value, the rest.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|&b| b == b' ')?;
    let length = usize::try_from(decimal(&bytes[..space])?).ok()?;
    let body = bytes.get(space + 1..length)?;
    let body = body.strip_suffix(b"\n")?;
    let equals = body.iter().position(|&b| b == b'=')?;
    let (key, value) = (&body[..equals], &body[equals + 1..]);
    if key.is_empty() || key.contains(&0) {
        return None;
    }
    Some((key, value, &bytes[length..]))
}

impl Pax {
    fn take(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<(), Refusal> {
        match key {
            b"path" => self.path = name(value)?,
            b"linkpath" => self.link = name(value)?,
            b"size" => self.size = integer(value)?,
            b"uid" => self.uid = integer(value)?,
            b"gid" => self.gid = integer(value)?,
            b"mtime" => self.mtime = moment(value)?,
            b"atime" => self.atime = moment(value)?,
            b"GNU.sparse.major" => self.sparse.major = Some(value.to_vec()),
            b"GNU.sparse.minor" => self.sparse.minor = Some(value.to_vec()),
            b"GNU.sparse.name" => self.sparse.name = name(value)?,
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.size = integer(value)?,
            b"GNU.sparse.offset" => self.piece(value, 0, limits)?,
            b"GNU.sparse.numbytes" => self.piece(value, 1, limits)?,
            b"GNU.sparse.map" => {
                self.sparse.map.clear();
                for number in value.split(|&b| b == b',').filter(|_| !value.is_empty()) {
                    let turn = self.sparse.map.len() % 2;
                    self.piece(number, turn, limits)?;
                }
            }
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattr(name.to_vec(), value.to_vec(), true, limits)?;
                } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
                    let name = url_decoded(name).ok_or(MALFORMED)?;
                    self.xattr(name, base64_decoded(value).ok_or(MALFORMED)?, false, limits)?;
                }
            }
        }
        Ok(())
    }

    /// One number of the sparse map: offsets at even places, lengths at odd ones.
    fn piece(&mut self, value: &[u8], turn: usize, limits: &Limits) -> Result<(), Refusal> {
        if self.sparse.map.len() % 2 != turn {
            return Err(Refusal::Malformed("sparse map is malformed"));
        }
        if self.sparse.map.len() >= limits.pieces.saturating_mul(2) {
            return Err(Refusal::Limit("pieces", limits.pieces));
        }
        self.sparse.map.push(decimal(value).ok_or(MALFORMED)?);
        Ok(())
    }

    /// Takes an attribute; star's form wins over libarchive's where both are given.
    fn xattr(&mut self, name: Vec<u8>, value: Vec<u8>, wins: bool, limits: &Limits) -> Result<(), Refusal> {
        if name.is_empty() || name.len() > 255 || name.contains(&0) {
            return Err(Refusal::Malformed("extended attribute has no valid name"));
        }
        if value.len() > limits.xattr {
            return Err(Refusal::Limit("xattr", limits.xattr));
        }
        let full = self.xattrs.len() >= limits.xattrs;
        match self.xattrs.iter_mut().find(|(known, _)| *known == name) {
            Some(known) if wins => known.1 = value,
            Some(_) => {}
            None if full => {
                return Err(Refusal::Limit("xattrs", limits.xattrs));
            }
            None => self.xattrs.push((name, value)),
        }
        Ok(())
    }
}

/// A path or link target; empty means that the header block's own counts.
fn name(value: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    if value.contains(&0) {
        return Err(Refusal::Malformed("name holds a NUL byte"));
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn integer(value: &[u8]) -> Result<Option<i64>, Refusal> {
    if value.is_empty() {
        return Ok(None);
    }
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let n = decimal(digits).ok_or(MALFORMED)?;
    Ok(Some(if negative { -n } else { n }))
}

/// Decimal digits, at least one.
pub(crate) fn decimal(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_i64, |n, &d| {
        let digit = d.is_ascii_digit().then(|| i64::from(d - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}

/// Seconds since 1970 with a fraction, as seconds (rounded down) and nanoseconds.
fn moment(value: &[u8]) -> Result<Option<(i64, u32)>, Refusal> {
    if value.is_empty() {
        return Ok(None);
    }
    let dot = value.iter().position(|&b| b == b'.').unwrap_or(value.len());
    let (whole, fraction) = (&value[..dot], value.get(dot + 1..).unwrap_or_default());
    let negative = whole.starts_with(b"-");
    let seconds = integer(whole)?.ok_or(MALFORMED)?;
    let mut nanos = 0_u32;
    for place in 0..9 {
        let digit = fraction.get(place).copied().unwrap_or(b'0');
        if !digit.is_ascii_digit() {
            return Err(MALFORMED);
        }
        nanos = nanos * 10 + u32::from(digit - b'0');
    }
    if fraction.iter().any(|b| !b.is_ascii_digit()) {
        return Err(MALFORMED);
    }
    Ok(Some(match (negative, nanos) {
        (true, 1..) => (seconds.saturating_sub(1), 1_000_000_000 - nanos),
        _ => (seconds, nanos),
    }))
}

fn url_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'%' {
            let hex = std::str::from_utf8(rest.get(..2)?).ok()?;
            out.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &rest[2..];
        } else {
            out.push(first);
        }
    }
    Some(out)
}

/// Base 64 (RFC 4648, padding optional).
fn base64_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for &c in text.iter().filter(|&&c| c != b'=') {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let l = Limits::default();
        let pax = parse(b"12 path=a/b\n20 mtime=-1.2500000\n6 uid=\n", &l);
        assert_eq!(pax.unwrap_err(), MALFORMED);
        let pax = parse(b"12 path=a/b\n15 mtime=-1.25\n7 uid=\n9 gid=70\n", &l).unwrap();
        assert_eq!(pax.path.unwrap(), b"a/b");
        assert_eq!(pax.mtime, Some((-2, 750_000_000)));
        assert_eq!((pax.uid, pax.gid), (None, Some(70)));
        for bad in [
            &b"0 a=b\n"[..],
            b"99 a=b\n",
            b"6 a=b",
            b"6 ab \n",
            b"5 =b\n",
            b" a=b\n",
            b"-6 a=b\n",
            b"99999999999999999999 a=b\n",
            b"10 path=\0\n",
        ] {
            assert!(parse(bad, &l).is_err(), "{bad:?}");
        }
    }

    /// A record with its length before it.
    fn made(rest: &[u8]) -> Vec<u8> {
        let length = |digits: usize| rest.len() + 2 + digits;
        let digits = if length(1) < 10 { 1 } else { 2 };
        [length(digits).to_string().as_bytes(), b" ", rest, b"\n"].concat()
    }

    #[test]
    fn attributes_in_both_dialects() {
        let l = Limits::default();
        let star = &made(b"SCHILY.xattr.user.a=x\0y\nz")[..];
        let lib = &made(b"LIBARCHIVE.xattr.user.%62=aGVsbG8")[..];
        let both = &made(b"LIBARCHIVE.xattr.user.%61=aGVsbG8")[..];
        let pax = parse(&[star, lib, both].concat(), &l);
        let pax = pax.unwrap();
        let expected: Vec<(Vec<u8>, Vec<u8>)> = vec![
            (b"user.a".to_vec(), b"x\0y\nz".to_vec()),
            (b"user.b".to_vec(), b"hello".to_vec()),
        ];
        assert_eq!(pax.xattrs, expected);
        let tiny = Limits { xattr: 4, ..l };
        assert_eq!(parse(star, &tiny).unwrap_err(), Refusal::Limit("xattr", 4));
    }
}
