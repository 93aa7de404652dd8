//! Names of containers.

use std::fmt;
use std::path::Path;
use tare_error::{Error, Kind, Result};

/// The longest id: a file name's bound (`NAME_MAX`), as each container has a folder.
const LONGEST: usize = 255;

/// A container's id: letters, digits, `_`, `+`, `-` and `.`, as runc takes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerId(String);

impl ContainerId {
    /// Reads an id.
    ///
    /// # Errors
    /// `Invalid` for an empty one, one of other characters, `.` and `..`, one of more than 255 bytes.
    pub fn parse(text: &str) -> Result<ContainerId> {
        let shown: String = text.chars().take(64).collect();
        let refuse =
            |why: &str| Err(Error::new(Kind::Invalid, "use container id", format!("{shown:?}")).because(why));
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
        match text {
            "" => refuse("it is empty"),
            "." | ".." => refuse("it is the name of a folder"),
            _ if text.len() > LONGEST => refuse("it is longer than 255 bytes"),
            _ if !text.chars().all(allowed) => refuse("only letters, digits, _, +, - and . may be in it"),
            _ => Ok(ContainerId(text.to_owned())),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<Path> for ContainerId {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_file_names_and_nothing_else() {
        for good in ["a", "a.b-c_d+e", "...", &"x".repeat(255)] {
            assert_eq!(ContainerId::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "../x",
            "a b",
            "ä",
            "a\n",
            "a\0",
            &"x".repeat(256),
        ] {
            assert_eq!(
                ContainerId::parse(bad).unwrap_err().kind(),
                Kind::Invalid,
                "{bad:?}"
            );
        }
    }
}
