//! Random ids: 64 lower-case hexadecimal digits, of which people type the first 12.

use std::fmt;
use tare_error::{Context, Error, Kind, Result};

/// The id of a container or another object of ours: 32 random bytes as 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(String);

impl Id {
    /// Digits of a whole id.
    pub const LENGTH: usize = 64;
    /// Digits of the form shown to people.
    pub const SHORT: usize = 12;

    /// A new id from `getrandom(2)`.
    ///
    /// The short form is never all decimal digits, so that it cannot be taken for a number (docker does the same).
    ///
    /// # Errors
    /// The kernel's, `ENOSYS` before Linux 3.17.
    pub fn random() -> Result<Id> {
        loop {
            let id = Id(hex(&random_bytes::<32>()?));
            if !id.short().bytes().all(|b| b.is_ascii_digit()) {
                return Ok(id);
            }
        }
    }

    /// Reads a whole id.
    ///
    /// # Errors
    /// `Invalid` for anything but 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Id> {
        let digits = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == Id::LENGTH && text.bytes().all(digits) {
            return Ok(Id(text.to_owned()));
        }
        Err(Error::new(Kind::Invalid, "read id", text.escape_debug()).because("not 64 hexadecimal digits"))
    }

    /// The first 12 digits.
    pub fn short(&self) -> &str {
        &self.0[..Id::SHORT]
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

impl AsRef<str> for Id {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// `N` random bytes from the kernel; a request of up to 256 bytes is never cut short (getrandom(2)).
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    const { assert!(N <= 256) };
    let mut bytes = [0u8; N];
    loop {
        match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            done => {
                done.op("read", "random bytes")?;
                return Ok(bytes);
            }
        }
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_are_whole_and_differ() {
        let (a, b) = (Id::random().unwrap(), Id::random().unwrap());
        assert_ne!(a, b);
        assert_eq!(Id::parse(a.as_str()).unwrap(), a);
        assert_eq!(a.short().len(), 12);
    }

    #[test]
    fn only_64_lower_case_hex_digits_are_an_id() {
        let good = "0123456789abcdef".repeat(4);
        assert!(Id::parse(&good).is_ok());
        for bad in [
            &good[1..],
            &good.to_uppercase(),
            &format!("{good}0"),
            "",
            "../../etc",
            &good.replace('a', "é"),
        ] {
            assert!(Id::parse(bad).is_err(), "{bad}");
        }
    }
}
