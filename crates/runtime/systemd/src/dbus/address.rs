//! Where a bus listens: the address form of the D-Bus specification, as far as Unix sockets go.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

/// No environment has an address longer than this; what is longer is refused.
const ADDRESS_MAX: usize = 4096;

/// One place to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket in the file system.
    Path(PathBuf),
    /// A socket of the abstract name space, without its leading NUL.
    Abstract(Vec<u8>),
}

impl Endpoint {
    /// The endpoints of `unix:path=/run/user/1000/bus,guid=..;unix:abstract=..`, in order of preference.
    ///
    /// # Errors
    /// A sentence where none of them is a Unix socket, or one is not spelled as the specification wants.
    pub fn parse(address: &str) -> Result<Vec<Endpoint>, &'static str> {
        if address.len() > ADDRESS_MAX {
            return Err("it is longer than 4096 bytes");
        }
        let mut found = Vec::new();
        for one in address.split(';').filter(|one| !one.is_empty()) {
            let (transport, keys) = one.split_once(':').ok_or("it has no transport (unix:path=...)")?;
            if transport != "unix" {
                continue;
            }
            for key in keys.split(',') {
                let Some((key, value)) = key.split_once('=') else {
                    return Err("a part of it is not spelled key=value");
                };
                match key {
                    "path" => found.push(Endpoint::Path(OsString::from_vec(unescape(value)?).into())),
                    "abstract" => found.push(Endpoint::Abstract(unescape(value)?)),
                    _ => {}
                }
            }
        }
        match found.is_empty() {
            true => Err("it names no Unix socket (unix:path=... or unix:abstract=...)"),
            false => Ok(found),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Path(path) => write!(f, "{}", path.as_os_str().as_bytes().escape_ascii()),
            Endpoint::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
        }
    }
}

/// `%2f` and the like.
fn unescape(text: &str) -> Result<Vec<u8>, &'static str> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit().zip(digit()).map(|(high, low)| high << 4 | low);
        let value = value.and_then(|value| u8::try_from(value).ok());
        plain.push(value.ok_or("a % in it is not followed by two hexadecimal digits")?);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let path = |path: &str| Endpoint::Path(path.into());
        for (address, expected) in [
            ("unix:path=/run/user/1000/bus", vec![path("/run/user/1000/bus")]),
            ("unix:path=/tmp/a%20b,guid=00ff", vec![path("/tmp/a b")]),
            (
                "tcp:host=localhost,port=1;unix:abstract=/tmp/dbus-x,guid=1;unix:path=/b",
                vec![Endpoint::Abstract(b"/tmp/dbus-x".to_vec()), path("/b")],
            ),
        ] {
            assert_eq!(Endpoint::parse(address).unwrap(), expected, "{address}");
        }
        for bad in [
            "",
            "unix",
            "tcp:host=x",
            "unix:path",
            "unix:path=%2",
            "unix:path=%zz",
            "autolaunch:",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
        assert!(Endpoint::parse(&"unix:path=/x;".repeat(400)).is_err());
        assert_eq!(path("/a\n\u{e4}").to_string(), r"/a\n\xc3\xa4");
    }
}
