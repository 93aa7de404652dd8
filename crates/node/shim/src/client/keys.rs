//! The keys by which somebody at a terminal leaves a container that lives on: docker's `--detach-keys`.

use tare_error::{Error, Kind, Result};

/// Docker's own: `ctrl-p` and then `ctrl-q`.
const USUAL: [u8; 2] = [0x10, 0x11];

/// Keys that are waited for, and how many of them were typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    keys: Vec<u8>,
    typed: usize,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys::of(USUAL.to_vec())
    }
}

impl Keys {
    /// None: whoever is attached stays so.
    pub fn none() -> Keys {
        Keys::of(Vec::new())
    }

    fn of(keys: Vec<u8>) -> Keys {
        Keys { keys, typed: 0 }
    }

    /// Reads a list such as `ctrl-p,ctrl-q` or `a,ctrl-[`: characters, and `ctrl-` with a letter or one of `@ [ \ ] ^ _`. An
    /// empty text is none.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn parse(text: &str) -> Result<Keys> {
        let wrong = |key: &str| {
            Error::new(Kind::Invalid, "read keys", format!("{text:?}"))
                .because(format!("{key:?} is no key"))
                .hint("write ctrl-p,ctrl-q, for example: characters, or ctrl- and a letter or one of @ [ \\ ] ^ _")
        };
        if text.is_empty() {
            return Ok(Keys::none());
        }
        let key = |key: &str| match key.strip_prefix("ctrl-").unwrap_or(key).as_bytes() {
            [byte] if key.len() == 1 && byte.is_ascii() => Ok(*byte),
            [byte] if byte.is_ascii_lowercase() || b"@[\\]^_".contains(byte) => Ok(byte & 0x1f),
            _ => Err(wrong(key)),
        };
        text.split(',')
            .map(key)
            .collect::<Result<Vec<u8>>>()
            .map(Keys::of)
    }

    /// Whether all were typed, one after the other.
    pub(super) fn are_typed(&self) -> bool {
        !self.keys.is_empty() && self.typed == self.keys.len()
    }

    /// Takes the keys out of what was typed; what only began like them is given back with what follows it.
    pub(super) fn filter(&mut self, bytes: &mut Vec<u8>) {
        if self.keys.is_empty() {
            return;
        }
        let typed = std::mem::take(bytes);
        for byte in typed {
            if self.are_typed() {
                return;
            }
            if self.keys.get(self.typed) != Some(&byte) {
                bytes.extend(self.keys.iter().take(self.typed));
                self.typed = 0;
            }
            match self.keys.get(self.typed) == Some(&byte) {
                true => self.typed += 1,
                false => bytes.push(byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read() {
        for (text, keys) in [
            ("ctrl-p,ctrl-q", &USUAL[..]),
            ("a", b"a"),
            ("ctrl-@,ctrl-[,x", &[0, 0x1b, b'x']),
            ("ctrl-_", &[0x1f]),
            ("", b""),
        ] {
            assert_eq!(Keys::parse(text).unwrap().keys, keys, "{text}");
        }
        for text in ["ctrl-", "ctrl-1", "ab", "a,", "ctrl-pp", "ä"] {
            assert_eq!(Keys::parse(text).unwrap_err().kind(), Kind::Invalid, "{text}");
        }
    }

    #[test]
    fn what_only_begins_like_them_goes_through() {
        // What is typed, in parts, and what the container gets.
        for (parts, passed, parted) in [
            (&["abc"][..], "abc", false),
            (&["a\x10\x11"], "a", true),
            (&["a\x10", "\x11"], "a", true),
            (&["\x10", "x"], "\x10x", false),
            (&["\x10\x10\x11"], "\x10", true),
            (&["\x10", "\x10", "x\x10\x11rest"], "\x10\x10x", true),
        ] {
            let mut keys = Keys::default();
            let mut all = Vec::new();
            for part in parts {
                let mut bytes = part.as_bytes().to_vec();
                keys.filter(&mut bytes);
                all.extend(bytes);
            }
            assert_eq!(
                (all.as_slice(), keys.are_typed()),
                (passed.as_bytes(), parted),
                "{parts:?}"
            );
        }
    }
}
