//! How a call failed: google.rpc's codes, and how our kinds of error map to them.

use crate::message::{RpcDetail, RpcStatus};
use std::fmt;
use tare_error::{Error, Kind, Report};

/// google.rpc's codes. containerd's `errdefs` turns most of them back into the errors that its code decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Code {
    /// No failure.
    Ok = 0,
    /// The caller has lost interest.
    Cancelled = 1,
    /// Nothing more specific: what containerd's own shim answers for all that the runtime says.
    Unknown = 2,
    /// The request itself is wrong.
    InvalidArgument = 3,
    /// The time that the caller gave is over.
    DeadlineExceeded = 4,
    /// No such container, exec or process, or it is gone.
    NotFound = 5,
    /// It is there already.
    AlreadyExists = 6,
    /// Not allowed.
    PermissionDenied = 7,
    /// A limit is reached.
    ResourceExhausted = 8,
    /// The state of things does not allow it.
    FailedPrecondition = 9,
    /// Given up, try the whole again.
    Aborted = 10,
    /// Past the end.
    OutOfRange = 11,
    /// No such service or method.
    Unimplemented = 12,
    /// We are broken.
    Internal = 13,
    /// Not now.
    Unavailable = 14,
    /// Data is lost or damaged.
    DataLoss = 15,
    /// Who are you.
    Unauthenticated = 16,
}

const CODES: [Code; 17] = [
    Code::Ok,
    Code::Cancelled,
    Code::Unknown,
    Code::InvalidArgument,
    Code::DeadlineExceeded,
    Code::NotFound,
    Code::AlreadyExists,
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
    Code::Unauthenticated,
];

impl Code {
    /// The code of this number; numbers that google.rpc does not know are [`Code::Unknown`].
    pub fn from_number(number: i32) -> Self {
        usize::try_from(number)
            .ok()
            .and_then(|n| CODES.get(n).copied())
            .unwrap_or(Code::Unknown)
    }

    /// The number on the wire.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// The code for a kind of ours.
    ///
    /// A command that is not there is no `NotFound`: containerd reads that as "the task is gone". As from its own shim
    /// it is `Unknown`, and who decides on it reads the text (docker's exit codes 126 and 127).
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Invalid => Code::InvalidArgument,
            Kind::NotFound => Code::NotFound,
            Kind::AlreadyExists => Code::AlreadyExists,
            Kind::Denied => Code::PermissionDenied,
            Kind::Conflict => Code::FailedPrecondition,
            Kind::Unsupported => Code::Unimplemented,
            Kind::Unavailable => Code::Unavailable,
            Kind::Corrupt => Code::DataLoss,
            Kind::Exhausted => Code::ResourceExhausted,
            Kind::CommandNotFound | Kind::CommandNotExecutable => Code::Unknown,
            Kind::Internal => Code::Internal,
        }
    }

    /// The kind of ours for a failure that a peer told.
    pub fn kind(self) -> Kind {
        match self {
            Code::InvalidArgument | Code::OutOfRange => Kind::Invalid,
            Code::NotFound => Kind::NotFound,
            Code::AlreadyExists => Kind::AlreadyExists,
            Code::PermissionDenied | Code::Unauthenticated => Kind::Denied,
            Code::ResourceExhausted => Kind::Exhausted,
            Code::FailedPrecondition | Code::Aborted => Kind::Conflict,
            Code::Unimplemented => Kind::Unsupported,
            Code::Cancelled | Code::DeadlineExceeded | Code::Unavailable => Kind::Unavailable,
            Code::DataLoss => Kind::Corrupt,
            Code::Ok | Code::Unknown | Code::Internal => Kind::Internal,
        }
    }
}

/// How a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What code decides on.
    pub code: Code,
    /// What a person reads. containerd cuts its own word for the code off the end (": not found").
    pub message: String,
    /// What a program reads that knows more than codes (google.rpc.Status's details).
    pub detail: Option<Detail>,
}

/// A message with its type, for who understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The name of the type, as google.protobuf.Any has it.
    pub type_url: String,
    /// The message, encoded.
    pub value: Vec<u8>,
}

impl Status {
    /// A failure.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Status {
            code,
            message: message.into(),
            detail: None,
        }
    }

    /// The same, with a detail.
    #[must_use]
    pub fn with(self, detail: Detail) -> Self {
        Status {
            detail: Some(detail),
            ..self
        }
    }

    /// The failure as an error of ours, of an `operation` on a `subject`.
    pub fn into_error(self, operation: &'static str, subject: impl fmt::Display) -> Error {
        Error::new(self.code.kind(), operation, subject).because(self.message)
    }

    pub(crate) fn wire(self) -> RpcStatus {
        RpcStatus {
            code: self.code.number(),
            message: self.message,
            details: self.detail.into_iter().map(RpcDetail::from).collect(),
        }
    }

    /// None where the peer says that there was no failure. Of several details the first one is kept.
    pub(crate) fn from_wire(status: RpcStatus) -> Option<Self> {
        (status.code != 0).then(|| Status {
            code: Code::from_number(status.code),
            message: status.message,
            detail: status.details.into_iter().next().map(Detail::from),
        })
    }
}

impl From<Detail> for RpcDetail {
    fn from(detail: Detail) -> Self {
        let Detail { type_url, value } = detail;
        RpcDetail { type_url, value }
    }
}

impl From<RpcDetail> for Detail {
    fn from(detail: RpcDetail) -> Self {
        let RpcDetail { type_url, value } = detail;
        Detail { type_url, value }
    }
}

impl From<&Error> for Status {
    fn from(error: &Error) -> Self {
        Status::new(Code::of(error.kind()), Report::new(error).to_string())
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Status::from(&error)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_numbers() {
        for (number, code) in (0..).zip(CODES) {
            assert_eq!((code.number(), Code::from_number(number)), (number, code));
        }
        assert_eq!(Code::from_number(17), Code::Unknown);
        assert_eq!(Code::from_number(-1), Code::Unknown);
    }

    #[test]
    fn kinds_have_their_codes_and_come_back() {
        let cases = [
            (Kind::Invalid, Code::InvalidArgument),
            (Kind::NotFound, Code::NotFound),
            (Kind::AlreadyExists, Code::AlreadyExists),
            (Kind::Denied, Code::PermissionDenied),
            (Kind::Conflict, Code::FailedPrecondition),
            (Kind::Unsupported, Code::Unimplemented),
            (Kind::Unavailable, Code::Unavailable),
            (Kind::Corrupt, Code::DataLoss),
            (Kind::Exhausted, Code::ResourceExhausted),
            (Kind::Internal, Code::Internal),
        ];
        for (kind, code) in cases {
            assert_eq!((Code::of(kind), code.kind()), (code, kind));
        }
        assert_eq!(Code::of(Kind::CommandNotFound), Code::Unknown);
        assert_eq!(Code::DeadlineExceeded.kind(), Kind::Unavailable);
        let error = Error::new(Kind::NotFound, "signal", "web").because("process already finished");
        let status = Status::from(error);
        assert_eq!(
            status,
            Status::new(Code::NotFound, "signal web: process already finished")
        );
        assert_eq!(status.into_error("kill", "web").kind(), Kind::NotFound);
    }
}
