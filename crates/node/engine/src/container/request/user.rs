//! As whom a process runs: numbers stay numbers, names stay names, nothing is both.

use super::invalid;
use tare_error::Result;

/// A number, or a name to be looked up in the image's own files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdOrName {
    /// An id, at most 4294967294 (the largest `uid_t` means "none").
    Id(u32),
    /// A name.
    Name(String),
}

/// `user[:group]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRequest {
    /// The user.
    pub user: IdOrName,
    /// The group, where one is named.
    pub group: Option<IdOrName>,
}

impl IdOrName {
    /// Reads one side of `user:group`. What is all digits is a number or an error, never a name (CVE-2024-40635:
    /// an id beyond 32 bits became root).
    ///
    /// # Errors
    /// `Invalid` for a number out of range, an empty word, or characters no name has.
    pub fn parse(text: &str) -> Result<IdOrName> {
        if text.is_empty() {
            return Err(invalid("user", text, "it is empty"));
        }
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return match text.parse::<u32>() {
                Ok(id) if id != u32::MAX => Ok(IdOrName::Id(id)),
                _ => Err(invalid("user", text, "an id is at most 4294967294")),
            };
        }
        let name = |c: char| !c.is_control() && !c.is_whitespace() && c != ':' && c != '/' && c != ',';
        if text.starts_with(['-', '+']) || !text.chars().all(name) {
            return Err(invalid("user", text, "that is neither an id nor a name"));
        }
        Ok(IdOrName::Name(text.to_owned()))
    }
}

impl UserRequest {
    /// Reads `name`, `uid`, `name:group`, `uid:gid` and mixtures.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn parse(text: &str) -> Result<UserRequest> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let whole =
            |e: tare_error::Error| e.hint("a user is NAME or UID, with :GROUP or :GID behind it or not");
        Ok(UserRequest {
            user: IdOrName::parse(user).map_err(whole)?,
            group: group.map(IdOrName::parse).transpose().map_err(whole)?,
        })
    }
}
