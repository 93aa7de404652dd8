//! The key by which a request may be repeated.

use super::invalid;
use std::fmt;
use tare_error::Result;

/// Names one request of somebody who may have to repeat it: whoever asks again by it gets what the first asking came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Longest key in bytes.
    pub const LONGEST: usize = 255;

    /// Reads a key: what is printable and no blank, of ASCII.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn parse(text: &str) -> Result<Key> {
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || text.len() > Key::LONGEST {
            let rule = "letters, digits and signs of ASCII without blanks; 1 to 255 of them";
            return Err(invalid("key", text, "that is not a key").hint(rule));
        }
        Ok(Key(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
