//! Faults of a call as errors: of which kind, by the error's own name, in the one table there is.

use crate::dbus::Fault;
use std::fmt::Display;
use tare_error::{Error, Kind};

/// Names end so; what stands before is `org.freedesktop.systemd1.` or `org.freedesktop.DBus.Error.`.
const KINDS: &[(&str, Kind)] = &[
    ("UnitExists", Kind::AlreadyExists),
    ("NoSuchUnit", Kind::NotFound),
    ("NameHasNoOwner", Kind::Unavailable),
    ("ServiceUnknown", Kind::Unavailable),
    ("NoReply", Kind::Unavailable),
    ("Timeout", Kind::Unavailable),
    ("Disconnected", Kind::Unavailable),
    ("AccessDenied", Kind::Denied),
    ("AuthFailed", Kind::Denied),
    ("InteractiveAuthorizationRequired", Kind::Denied),
    ("InvalidArgs", Kind::Invalid),
    ("PropertyReadOnly", Kind::Invalid),
    ("UnknownProperty", Kind::Invalid),
    ("UnknownMethod", Kind::Unsupported),
    ("NotSupported", Kind::Unsupported),
    ("LimitsExceeded", Kind::Exhausted),
    ("NoMemory", Kind::Exhausted),
    ("UnitMasked", Kind::Conflict),
    ("TransactionIsDestructive", Kind::Conflict),
    ("ShuttingDown", Kind::Conflict),
    ("UnixProcessIdUnknown", Kind::NotFound),
];

/// Turns a fault into an error that names the call and what it was for.
pub(super) trait Refusals {
    fn of(self, operation: &'static str, subject: impl Display) -> Error;
}

impl Refusals for Fault {
    fn of(self, operation: &'static str, subject: impl Display) -> Error {
        let kind = match &self {
            // The kernel's: its number says of which kind it is.
            Fault::Socket(what, e) => return Error::os(operation, subject, *e).because(what),
            Fault::TimedOut | Fault::Closed => Kind::Unavailable,
            Fault::Rejected(_) => Kind::Denied,
            Fault::Malformed(_) => Kind::Corrupt,
            Fault::Unsendable(_) => Kind::Invalid,
            Fault::Refused(name, _) => kind_of(name),
        };
        let error = Error::new(kind, operation, subject).because(&self);
        match kind {
            Kind::Denied => {
                error.hint("only root may ask the machine's systemd; an ordinary user has one of their own")
            }
            _ => error,
        }
    }
}

fn kind_of(name: &str) -> Kind {
    let last = name.rsplit('.').next().unwrap_or(name);
    // What the kernel said to systemd.
    if let Some(errno) = name.strip_prefix("System.Error.") {
        return match errno {
            "ESRCH" | "ENOENT" => Kind::NotFound,
            "EPERM" | "EACCES" => Kind::Denied,
            "EINVAL" | "ENXIO" | "EBADMSG" => Kind::Invalid,
            "EBUSY" => Kind::Conflict,
            _ => Kind::Internal,
        };
    }
    let known = KINDS.iter().find(|(known, _)| *known == last);
    known.map_or(Kind::Internal, |(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;
    use tare_error::Report;

    #[test]
    fn errors_name_the_call_and_systemds_own_error() {
        let fault =
            |name: &str| Fault::Refused(name.to_owned(), "Unit x.scope was already loaded.".to_owned());
        let e = fault("org.freedesktop.systemd1.UnitExists").of("StartTransientUnit", "x.scope");
        assert_eq!(e.kind(), Kind::AlreadyExists);
        assert_eq!(
            Report::new(&e).to_string(),
            "StartTransientUnit x.scope: org.freedesktop.systemd1.UnitExists: Unit x.scope was already loaded."
        );
        for (name, kind) in [
            ("org.freedesktop.DBus.Error.InvalidArgs", Kind::Invalid),
            ("org.freedesktop.DBus.Error.AccessDenied", Kind::Denied),
            ("System.Error.ESRCH", Kind::NotFound),
            ("a.b.Other", Kind::Internal),
        ] {
            assert_eq!(fault(name).of("StopUnit", "x").kind(), kind, "{name}");
        }
        let e = Fault::Socket("connect", Errno::CONNREFUSED).of("connect to systemd at", "/x");
        assert_eq!(e.kind(), Kind::Unavailable);
        assert_eq!(
            Report::new(&e).to_string(),
            "connect to systemd at /x: connect: connection refused"
        );
    }
}
