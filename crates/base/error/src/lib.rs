//! **What.** The one error type of every Tare library, and its translation to an exit code.
//!
//! **Not.** No logging (an error is returned *or* logged, never both), no back-traces, no text to match on.
//!
//! **Words.** *Kind*: a small closed set that code decides on. *Operation*: what was tried, lower case
//! ("mount", "read manifest of"). *Subject*: what it was tried on (a path, an id, a reference). *Reason*: why,
//! where no source says it. *Source*: the error below. *Hint*: what the reader can do.
//!
//! **Life.** `Error::new(Kind, operation, subject)` → `.because(reason)` or `.from_source(e)` → `.hint(text)` →
//! returned upwards, perhaps wrapped with [`Context`] → printed once by a program with [`Report`].
//!
//! **Rules.** `Display` prints this error alone and never its source; [`Report`] joins the chain with `: `.
//! Messages are lower case and without a full stop. Clean-up that fails while another error is on its way is
//! attached with [`Error::also`], so that the first cause stays first.

mod kind;
mod nearest;
mod report;

pub use kind::Kind;
pub use nearest::nearest;
pub use report::Report;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// The result of every fallible operation in Tare.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong: see the crate page for the meaning of each part.
pub struct Error(Box<Parts>);

struct Parts {
    kind: Kind,
    operation: Cow<'static, str>,
    subject: String,
    reason: Option<String>,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    also: Vec<Error>,
}

impl Error {
    /// An error of `kind` while doing `operation` ("mount") on `subject` ("/proc").
    pub fn new(kind: Kind, operation: impl Into<Cow<'static, str>>, subject: impl fmt::Display) -> Self {
        Error(Box::new(Parts {
            kind,
            operation: operation.into(),
            subject: subject.to_string(),
            reason: None,
            hint: None,
            source: None,
            also: Vec::new(),
        }))
    }

    /// An error reported by the kernel; the kind follows from the error number.
    pub fn os(
        operation: impl Into<Cow<'static, str>>,
        subject: impl fmt::Display,
        source: impl Into<std::io::Error>,
    ) -> Self {
        let source = source.into();
        Error::new(Kind::of_io(&source), operation, subject).from_source(source)
    }

    /// Says why, where no source does: printed after the subject.
    #[must_use]
    pub fn because(mut self, reason: impl fmt::Display) -> Self {
        self.0.reason = Some(reason.to_string());
        self
    }

    /// Says what the reader can do about it: printed on a line of its own.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.0.hint = Some(hint.to_string());
        self
    }

    /// Sets the error below this one.
    #[must_use]
    pub fn from_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Attaches a further error, met while cleaning up after this one.
    #[must_use]
    pub fn also(mut self, other: Error) -> Self {
        self.0.also.push(other);
        self
    }

    /// The kind that code may decide on.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What was tried.
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// What it was tried on.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Why, where this error itself says it.
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// The hint of this error alone; see [`Error::first_hint`] for the one a reader should see.
    pub fn own_hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The hint of this error, or of the first error below it that has one.
    pub fn first_hint(&self) -> Option<&str> {
        self.chain()
            .find_map(|e| e.downcast_ref::<Error>()?.0.hint.as_deref())
    }

    /// Errors met while cleaning up after this one.
    pub fn attached(&self) -> &[Error] {
        &self.0.also
    }

    /// The kernel's error number, where this error or one below it came from the kernel.
    pub fn errno(&self) -> Option<i32> {
        self.chain()
            .find_map(|e| e.downcast_ref::<std::io::Error>()?.raw_os_error())
    }

    /// This error and all below it, outermost first.
    pub fn chain(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        let first: &(dyn StdError + 'static) = self;
        std::iter::successors(Some(first), |e| StdError::source(*e))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.operation)?;
        if !self.0.subject.is_empty() {
            write!(f, " {}", self.0.subject)?;
        }
        match &self.0.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, Report::new(self).with_hint())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|e| e as &(dyn StdError + 'static))
    }
}

/// Says what was being done when a lower error came up.
pub trait Context<T> {
    /// Wraps the error of the kernel or of a file operation: `file.read(..).op("read", &path)?`.
    ///
    /// # Errors
    /// The error of `self`, wrapped.
    fn op(self, operation: &'static str, subject: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> Context<T> for std::result::Result<T, E> {
    fn op(self, operation: &'static str, subject: impl fmt::Display) -> Result<T> {
        self.map_err(|e| Error::os(operation, subject, e))
    }
}

/// Says for which larger operation an [`Error`] came up, keeping its kind.
pub trait While<T> {
    /// Wraps an error of ours in one of the same kind: `mount(..).during("start", &id)?`.
    ///
    /// # Errors
    /// The error of `self`, wrapped.
    fn during(self, operation: &'static str, subject: impl fmt::Display) -> Result<T>;
}

impl<T> While<T> for Result<T> {
    fn during(self, operation: &'static str, subject: impl fmt::Display) -> Result<T> {
        self.map_err(|e| Error::new(e.kind(), operation, subject).from_source(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn display_never_repeats_the_source() {
        let e = Error::os("mount", "/proc", Errno::ACCESS);
        assert_eq!(e.to_string(), "mount /proc");
        assert_eq!(Report::new(&e).to_string(), "mount /proc: permission denied");
        assert_eq!(e.errno(), Some(Errno::ACCESS.raw_os_error()));
    }

    #[test]
    fn wrapping_keeps_kind_and_finds_the_hint_below() {
        let below = Error::new(Kind::NotFound, "find image", "busybx").hint("did you mean busybox?");
        let e = Err::<(), _>(below).during("start", "web").unwrap_err();
        assert_eq!(e.kind(), Kind::NotFound);
        assert_eq!(e.first_hint(), Some("did you mean busybox?"));
        assert_eq!(Report::new(&e).to_string(), "start web: find image busybx");
    }

    #[test]
    fn cleanup_errors_come_after_the_first_cause() {
        let e = Error::new(Kind::Internal, "start", "web")
            .because("no step left")
            .also(Error::os("remove", "/run/tare/pods/1", Errno::NOENT));
        let text = Report::new(&e).to_string();
        assert_eq!(
            text,
            "start web: no step left (also: remove /run/tare/pods/1: no such file or directory)"
        );
    }
}
