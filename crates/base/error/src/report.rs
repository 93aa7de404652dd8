//! An error as a program prints it: the chain on one line, a hint on the next, every link with `-v`.

use crate::Error;
use std::error::Error as StdError;
use std::fmt;

/// Prints an [`Error`] for a person: `start web: mount /proc: permission denied`.
#[derive(Debug)]
pub struct Report<'a> {
    error: &'a Error,
    hint: bool,
    chain: bool,
}

impl<'a> Report<'a> {
    /// The error and its causes on one line.
    pub fn new(error: &'a Error) -> Self {
        Report {
            error,
            hint: false,
            chain: false,
        }
    }

    /// Adds the line `hint: ...` where the chain has one.
    #[must_use]
    pub fn with_hint(mut self) -> Self {
        self.hint = true;
        self
    }

    /// Adds one line per link of the chain, with its kind (what `-v` shows).
    #[must_use]
    pub fn with_chain(mut self) -> Self {
        self.chain = true;
        self
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, link) in self.error.chain().enumerate() {
            if i > 0 {
                f.write_str(": ")?;
            }
            f.write_str(&message(link))?;
        }
        for also in self.error.attached() {
            write!(f, " (also: {})", Report::new(also))?;
        }
        if let (true, Some(hint)) = (self.hint, self.error.first_hint()) {
            write!(f, "\nhint: {hint}")?;
        }
        if self.chain {
            for (i, link) in self.error.chain().enumerate() {
                let kind = link.downcast_ref::<Error>().map(Error::kind);
                write!(f, "\n  {i}: {}", message(link))?;
                if let Some(kind) = kind {
                    write!(f, " [{kind:?}]")?;
                }
            }
        }
        Ok(())
    }
}

/// The text of one link: the kernel's errors in the style of ours, without Rust's "(os error N)".
fn message(link: &(dyn StdError + 'static)) -> String {
    let text = link.to_string();
    match link
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::raw_os_error)
    {
        Some(n) => {
            let bare = text.strip_suffix(&format!(" (os error {n})")).unwrap_or(&text);
            let mut chars = bare.chars();
            chars
                .next()
                .map(|c| c.to_lowercase().chain(chars).collect())
                .unwrap_or_default()
        }
        None => text,
    }
}
