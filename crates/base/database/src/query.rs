//! SQLite's errors as ours.

use rusqlite::{ErrorCode, ffi};
use rustix::io::Errno;
use std::fmt;
use tare_error::{Error, Kind, Result};

/// Turns the result of a statement into one of ours.
pub trait Query<T> {
    /// Says what was being asked: `tx.execute(..).query("add image", &id)?`.
    ///
    /// # Errors
    /// The error of `self`, with a kind: `Conflict` busy, `Exhausted` full, `Corrupt` damaged, `AlreadyExists`
    /// a broken constraint, `NotFound` no row.
    fn query(self, operation: &'static str, subject: impl fmt::Display) -> Result<T>;
}

impl<T> Query<T> for rusqlite::Result<T> {
    fn query(self, operation: &'static str, subject: impl fmt::Display) -> Result<T> {
        self.map_err(|e| {
            let (kind, hint) = classify(&e);
            let error = Error::new(kind, operation, subject);
            let error = match is_full(&e) {
                // So that it is known by its number, as everybody else's.
                true => error.from_source(std::io::Error::from(Errno::NOSPC)),
                // Below it there is only its number.
                false if e.sqlite_error().is_some() => error.because(e),
                false => error.from_source(e),
            };
            match hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
    }
}

fn classify(error: &rusqlite::Error) -> (Kind, Option<&'static str>) {
    let code = match error {
        rusqlite::Error::QueryReturnedNoRows => return (Kind::NotFound, None),
        other => other.sqlite_error_code(),
    };
    match code {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => (
            Kind::Corrupt,
            Some("move the file away together with its -wal and -shm; images can then be pulled again"),
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            Kind::Conflict,
            Some("another tare process has been writing for long; try again when it has ended"),
        ),
        _ if is_full(error) => (Kind::Exhausted, None),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            (Kind::Denied, None)
        }
        Some(ErrorCode::ConstraintViolation) => (Kind::AlreadyExists, None),
        _ => (Kind::Internal, None),
    }
}

/// Whether there was no space, for the file or for what its users share of it.
fn is_full(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|e| e.extended_code);
    error.sqlite_error_code() == Some(ErrorCode::DiskFull) || extended == Some(ffi::SQLITE_IOERR_SHMSIZE)
}
