//! The probes, by subject. Each does the thing itself where that leaves nothing behind.

pub(crate) mod cgroup;
pub(crate) mod child;
pub(crate) mod kernel;
pub(crate) mod machine;
pub(crate) mod mount;
pub(crate) mod security;
pub(crate) mod user;

use rustix::io::Errno;
use std::path::Path;

/// The whole text of a file of `/proc` or `/sys`, trimmed.
fn read(path: impl AsRef<Path>) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

/// An error number in words, without Rust's "(os error N)".
pub(crate) fn words(e: Errno) -> String {
    let text = std::io::Error::from(e).to_string();
    let bare = text.split(" (os error").next().unwrap_or_default();
    bare.to_lowercase()
}
