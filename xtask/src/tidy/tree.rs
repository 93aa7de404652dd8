//! The files of the tree, as the rules look at them.

use super::lexer::code_of;
use std::path::Path;
use std::process::Command;

/// One file.
#[derive(Debug)]
pub(super) struct Source {
    /// Path below the top of the tree.
    pub(super) path: String,
    /// What it says.
    pub(super) text: String,
    /// Rust only: the same without comments and literals.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let code = if is_rust(path) {
            code_of(text)
        } else {
            String::new()
        };
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
        }
    }

    pub(super) fn is_rust(&self) -> bool {
        is_rust(&self.path)
    }

    /// The file name.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// True for a library's or a program's first file.
    pub(super) fn is_crate_root(&self) -> bool {
        self.path.ends_with("src/lib.rs") || self.path.ends_with("src/main.rs")
    }

    /// Number of the line that holds this byte, counted from 1.
    pub(super) fn line_at(&self, byte: usize) -> usize {
        self.text.as_bytes()[..byte]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
            + 1
    }

    /// Where this word stands in the code, as bytes.
    pub(super) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        self.code
            .match_indices(word)
            .map(|(at, _)| at)
            .filter(move |&at| {
                !self.code[..at].ends_with(part) && !self.code[at + word.len()..].starts_with(part)
            })
    }
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|e| e == "rs")
}

/// Every text file that is tracked, or new and not ignored.
pub(super) fn read() -> Result<Vec<Source>, String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .map_err(|e| format!("run git: {e}"))?;
    if !listed.status.success() {
        return Err("git ls-files: not in a git working tree".to_owned());
    }
    let names = String::from_utf8(listed.stdout).map_err(|e| format!("git ls-files: {e}"))?;
    // A file that is deleted but still listed, a link and a file that is not text have nothing to check.
    Ok(names
        .split_terminator('\0')
        .filter(|name| Path::new(name).symlink_metadata().is_ok_and(|m| m.is_file()))
        .filter_map(|name| Some(Source::new(name, &std::fs::read_to_string(name).ok()?)))
        .collect())
}
