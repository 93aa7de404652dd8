//! An error as it crosses the wire: every link with its kind, so that the other side prints and decides the same.

use serde::{Deserialize, Serialize};
use std::error::Error as StdError;
use std::fmt;
use tare_error::{Error, Kind};
use tare_ttrpc::Detail;

/// How the detail of a status is named that is a failure.
const TYPE: &str = "tare.supervisor.v1.Failure";

/// An error and all below it, outermost first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    chain: Vec<Link>,
}

/// One error of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Link {
    /// One of ours.
    Ours(Box<Ours>),
    /// The kernel's, by number.
    Os(i32),
    /// A foreign one, by its text.
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ours {
    kind: String,
    operation: String,
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    also: Vec<Failure>,
}

/// Kinds and their names on the wire, read in both directions.
const NAMES: [(Kind, &str); 12] = [
    (Kind::Invalid, "invalid"),
    (Kind::NotFound, "notFound"),
    (Kind::AlreadyExists, "alreadyExists"),
    (Kind::Denied, "denied"),
    (Kind::Conflict, "conflict"),
    (Kind::Unsupported, "unsupported"),
    (Kind::Unavailable, "unavailable"),
    (Kind::Corrupt, "corrupt"),
    (Kind::Exhausted, "exhausted"),
    (Kind::CommandNotFound, "commandNotFound"),
    (Kind::CommandNotExecutable, "commandNotExecutable"),
    (Kind::Internal, "internal"),
];

impl Failure {
    /// As the detail of a status, in JSON.
    pub(crate) fn detail(&self) -> Option<Detail> {
        let value = serde_json::to_vec(self).ok()?;
        let type_url = TYPE.to_owned();
        Some(Detail { type_url, value })
    }

    /// From the detail of a status, where it is one.
    pub fn of_detail(detail: &Detail) -> Option<Failure> {
        let bytes = (detail.type_url == TYPE).then_some(&detail.value)?;
        serde_json::from_slice(bytes).ok()
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Failure {
        Failure {
            chain: error.chain().map(Link::of).collect(),
        }
    }
}

impl Link {
    fn of(link: &(dyn StdError + 'static)) -> Link {
        if let Some(ours) = link.downcast_ref::<Error>() {
            return Link::Ours(Box::new(Ours::of(ours)));
        }
        let number = link
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::raw_os_error);
        match number {
            Some(number) => Link::Os(number),
            None => Link::Text(link.to_string()),
        }
    }
}

impl Ours {
    fn of(error: &Error) -> Ours {
        let name = NAMES.iter().find(|(kind, _)| *kind == error.kind());
        Ours {
            kind: name.map_or("internal", |(_, name)| name).to_owned(),
            operation: error.operation().to_owned(),
            subject: error.subject().to_owned(),
            reason: error.reason().map(str::to_owned),
            hint: error.own_hint().map(str::to_owned),
            also: error.attached().iter().map(Failure::from).collect(),
        }
    }

    fn restore(self, below: Option<Box<dyn StdError + Send + Sync>>) -> Error {
        let kind = NAMES.iter().find(|(_, name)| *name == self.kind);
        let kind = kind.map_or(Kind::Internal, |(kind, _)| *kind);
        let mut error = Error::new(kind, self.operation, self.subject);
        if let Some(reason) = self.reason {
            error = error.because(reason);
        }
        if let Some(hint) = self.hint {
            error = error.hint(hint);
        }
        if let Some(below) = below {
            error = error.from_source(below);
        }
        self.also.into_iter().map(restore).fold(error, Error::also)
    }
}

/// The error that a [`Failure`] was made from: same kind, same message, same hint.
pub fn restore(failure: Failure) -> Error {
    let mut below: Option<Box<dyn StdError + Send + Sync>> = None;
    let mut links = failure.chain.into_iter().rev().peekable();
    while let Some(link) = links.next() {
        match link {
            Link::Ours(ours) if links.peek().is_none() => return ours.restore(below),
            Link::Ours(ours) => below = Some(Box::new(ours.restore(below))),
            Link::Os(number) => below = Some(Box::new(std::io::Error::from_raw_os_error(number))),
            Link::Text(text) => below = Some(Box::new(Foreign { text, below })),
        }
    }
    let error = Error::new(Kind::Internal, "read the supervisor's answer", "");
    match below {
        Some(below) => error.from_source(below),
        None => error,
    }
}

/// What a supervisor said that could not come to itself; another program's words are taken as they are.
pub(crate) fn heard(operation: &'static str, subject: &dyn fmt::Display, said: &str) -> Error {
    let (kind, error) = match serde_json::from_str(said).map(restore) {
        // Another kind would be about the program itself.
        Ok(error) if error.kind() == Kind::Exhausted => (Kind::Exhausted, error),
        Ok(error) => (Kind::Internal, error),
        Err(_) => return Error::new(Kind::Internal, operation, subject).because(said),
    };
    Error::new(kind, operation, subject).from_source(error)
}

/// An error of a type that does not exist on this side.
#[derive(Debug)]
struct Foreign {
    text: String,
    below: Option<Box<dyn StdError + Send + Sync>>,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Foreign {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.below.as_deref().map(|e| e as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tare_error::{Report, While};

    fn across(error: &Error) -> Error {
        let text = serde_json::to_string(&Failure::from(error)).unwrap();
        restore(serde_json::from_str(&text).unwrap())
    }

    fn assert_same(error: &Error) {
        let back = across(error);
        assert_eq!(back.kind(), error.kind());
        assert_eq!(back.errno(), error.errno());
        assert_eq!(back.first_hint(), error.first_hint());
        assert_eq!(
            Report::new(&back).with_hint().with_chain().to_string(),
            Report::new(error).with_hint().with_chain().to_string()
        );
    }

    #[test]
    fn every_kind_crosses() {
        for (kind, _) in NAMES {
            assert_same(&Error::new(kind, "start", "web").because("of a reason"));
        }
    }

    #[test]
    fn a_chain_with_hints_and_errno_crosses() {
        let below = Error::os("mount", "/proc", rustix::io::Errno::PERM).hint("run as root");
        let error = Err::<(), _>(below).during("create", "web").unwrap_err();
        let error = error.also(Error::os("remove", "/run/x", rustix::io::Errno::BUSY).hint("later"));
        assert_same(&error);
    }

    #[test]
    fn foreign_errors_cross_as_their_text() {
        let parse = "x".parse::<u32>().unwrap_err();
        let io = std::io::Error::new(std::io::ErrorKind::InvalidData, parse);
        assert_same(&Error::new(Kind::Corrupt, "read", "config.json").from_source(io));
    }

    #[test]
    fn an_empty_chain_is_still_an_error() {
        let failure: Failure = serde_json::from_str(r#"{"chain":[]}"#).unwrap();
        assert_eq!(restore(failure).kind(), Kind::Internal);
    }
}
