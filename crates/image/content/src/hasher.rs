//! The digest algorithms that are taken, behind one streaming type.

use oci_spec::image::{Digest, DigestAlgorithm};
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt;
use tare_error::{Error, Kind, Result};

/// Computes a digest while bytes go by.
pub struct Hasher(Box<State>);

enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// A hasher for SHA-256: what diff ids and nearly all blobs use.
    pub fn sha256() -> Hasher {
        Hasher(Box::new(State::Sha256(Sha256::new())))
    }

    /// A hasher for the algorithm that `digest` is written in.
    ///
    /// # Errors
    /// `Unsupported` for anything but SHA-256 and SHA-512.
    pub fn like(digest: &Digest) -> Result<Hasher> {
        match digest.algorithm() {
            DigestAlgorithm::Sha256 => Ok(Hasher::sha256()),
            DigestAlgorithm::Sha512 => Ok(Hasher(Box::new(State::Sha512(Sha512::new())))),
            other => Err(Error::new(Kind::Unsupported, "check digest", digest)
                .because(format!("algorithm {other} is not one of sha256, sha512"))),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self.0.as_mut() {
            State::Sha256(h) => h.update(bytes),
            State::Sha512(h) => h.update(bytes),
        }
    }

    /// The digest of all bytes taken.
    ///
    /// # Errors
    /// None in practice: the text is made here and parsed by the type of the spec crate.
    pub fn finish(self) -> Result<Digest> {
        let text = match *self.0 {
            State::Sha256(h) => hex("sha256:", &h.finalize()),
            State::Sha512(h) => hex("sha512:", &h.finalize()),
        };
        Digest::try_from(text.as_str())
            .map_err(|e| Error::new(Kind::Internal, "write digest", &text).from_source(e))
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self.0 {
            State::Sha256(_) => "Hasher(sha256)",
            State::Sha512(_) => "Hasher(sha512)",
        })
    }
}

/// `bytes` in lower-case hexadecimal after `prefix`.
pub(crate) fn hex(prefix: &str, bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(prefix.len() + bytes.len() * 2);
    text.push_str(prefix);
    for b in bytes {
        text.push(char::from(DIGITS[usize::from(b >> 4)]));
        text.push(char::from(DIGITS[usize::from(b & 15)]));
    }
    text
}
