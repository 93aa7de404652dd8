//! Names of containers and of hosts.

use super::invalid;
use std::fmt;
use tare_error::Result;

/// A container's name: a letter or digit, then letters, digits, `_`, `.` and `-`; at least two characters, as docker's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Longest name.
    pub const LONGEST: usize = 128;

    /// Reads a name; one leading slash, which docker's API prints, is dropped.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn parse(text: &str) -> Result<Name> {
        let name = text.strip_prefix('/').unwrap_or(text);
        let first = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        let rest = name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
        if !first || !rest || name.len() < 2 || name.len() > Name::LONGEST {
            let rule = "a name begins with a letter or digit and goes on with letters, digits, '_', '.' and '-'; 2 to 128 characters";
            return Err(invalid("container name", text, "that is not a name").hint(rule));
        }
        Ok(Name(name.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host name: labels of letters, digits and `-` (and `_`, which the kernel takes), joined by dots; 64 bytes at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostname(String);

impl Hostname {
    /// `HOST_NAME_MAX`: what sethostname(2) takes.
    pub const LONGEST: usize = 64;

    /// Reads a host name.
    ///
    /// # Errors
    /// `Invalid` for anything that would change the meaning of `/etc/hosts` or is too long for the kernel.
    pub fn parse(text: &str) -> Result<Hostname> {
        let label = |l: &str| {
            let inside = l
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            !l.is_empty() && inside && !l.starts_with('-') && !l.ends_with('-')
        };
        if text.len() > Hostname::LONGEST || !text.split('.').all(label) {
            let rule =
                "a host name is made of letters, digits, '-', '_' and dots between; 64 characters at most";
            return Err(invalid("host name", text, "that is not a host name").hint(rule));
        }
        Ok(Hostname(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
