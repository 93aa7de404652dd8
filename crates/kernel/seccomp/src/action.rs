//! What a filter can say of a call, and the 32-bit value that says it.

use std::fmt;
use tare_error::{Error, Kind, Result};
use tare_spec_oci::Action;

/// What happens to a call: the return value of a filter (`seccomp(2)`, "Filter return values").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// The process dies of `SIGSYS`.
    KillProcess,
    /// The thread dies of `SIGSYS`.
    KillThread,
    /// The thread gets `SIGSYS`.
    Trap,
    /// The call is not made and fails with this error number.
    Errno(u16),
    /// The listener decides.
    Notify,
    /// The tracer decides and gets this number; without one the call fails with `ENOSYS`.
    Trace(u16),
    /// The call is made and logged.
    Log,
    /// The call is made.
    Allow,
}

/// The error number of a rule that names none, as everywhere in the field.
const EPERM: u32 = 1;

/// The largest error number the kernel hands on (`MAX_ERRNO` of `linux/err.h`).
const LARGEST_ERRNO: u32 = 4095;

impl Verdict {
    /// The value a program returns (`linux/seccomp.h`).
    pub(crate) fn to_return(self) -> u32 {
        match self {
            Verdict::KillProcess => 0x8000_0000,
            Verdict::KillThread => 0,
            Verdict::Trap => 0x0003_0000,
            Verdict::Errno(number) => 0x0005_0000 | u32::from(number),
            Verdict::Notify => 0x7fc0_0000,
            Verdict::Trace(number) => 0x7ff0_0000 | u32::from(number),
            Verdict::Log => 0x7ffc_0000,
            Verdict::Allow => 0x7fff_0000,
        }
    }

    /// What a returned value means; the kernel takes an action it does not know for [`Verdict::KillProcess`].
    pub(crate) fn from_return(value: u32) -> Verdict {
        let [a, b, c, d] = value.to_be_bytes();
        let data = u16::from_be_bytes([c, d]);
        match u16::from_be_bytes([a, b]) {
            0x0000 => Verdict::KillThread,
            0x0003 => Verdict::Trap,
            0x0005 => Verdict::Errno(data),
            0x7fc0 => Verdict::Notify,
            0x7ff0 => Verdict::Trace(data),
            0x7ffc => Verdict::Log,
            0x7fff => Verdict::Allow,
            _ => Verdict::KillProcess,
        }
    }

    /// The verdict of an action with its error number, which only `ERRNO` and `TRACE` may have (spec: `errnoRet`).
    pub(crate) fn of(action: Action, errno: Option<u32>, place: &str) -> Result<Verdict> {
        let number = || {
            let number = errno.unwrap_or(EPERM);
            match u16::try_from(number) {
                Ok(fits) if number <= LARGEST_ERRNO => Ok(fits),
                _ => Err(bad(place, format!("error number {number} is out of range"))
                    .hint(format!("an error number is at most {LARGEST_ERRNO}"))),
            }
        };
        let verdict = match action {
            Action::Errno => return Ok(Verdict::Errno(number()?)),
            Action::Trace => return Ok(Verdict::Trace(number()?)),
            Action::Kill | Action::KillThread => Verdict::KillThread,
            Action::KillProcess => Verdict::KillProcess,
            Action::Trap => Verdict::Trap,
            Action::Allow => Verdict::Allow,
            Action::Log => Verdict::Log,
            Action::Notify => Verdict::Notify,
        };
        match errno {
            None => Ok(verdict),
            Some(_) => Err(bad(place, format!("{action} has no error number"))
                .hint("errnoRet goes with SCMP_ACT_ERRNO and SCMP_ACT_TRACE only")),
        }
    }

    /// Whether the call can come to pass; a filter that lets unknown calls through needs no `ENOSYS` for them. As in
    /// runc, a tracer counts: it is expected to know about calls that do not exist.
    pub(crate) fn permits(self) -> bool {
        matches!(self, Verdict::Allow | Verdict::Log | Verdict::Trace(_))
    }
}

/// A profile that cannot be compiled; `place` is the member's path in the document.
pub(crate) fn bad(place: &str, reason: impl fmt::Display) -> Error {
    Error::new(Kind::Invalid, "compile seccomp profile", place).because(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_kernel_and_read_back() {
        let all = [
            (Verdict::KillProcess, libc::SECCOMP_RET_KILL_PROCESS),
            (Verdict::KillThread, libc::SECCOMP_RET_KILL_THREAD),
            (Verdict::Trap, libc::SECCOMP_RET_TRAP),
            (Verdict::Errno(38), libc::SECCOMP_RET_ERRNO | 38),
            (Verdict::Notify, libc::SECCOMP_RET_USER_NOTIF),
            (Verdict::Trace(7), libc::SECCOMP_RET_TRACE | 7),
            (Verdict::Log, libc::SECCOMP_RET_LOG),
            (Verdict::Allow, libc::SECCOMP_RET_ALLOW),
        ];
        for (verdict, value) in all {
            assert_eq!(verdict.to_return(), value, "{verdict:?}");
            assert_eq!(Verdict::from_return(value), verdict);
        }
        assert_eq!(Verdict::from_return(0x1234_0000), Verdict::KillProcess);
    }

    #[test]
    fn an_error_number_only_where_it_means_something() {
        assert_eq!(Verdict::of(Action::Errno, None, "x").unwrap(), Verdict::Errno(1));
        assert_eq!(
            Verdict::of(Action::Trace, Some(3), "x").unwrap(),
            Verdict::Trace(3)
        );
        let e = Verdict::of(Action::Allow, Some(1), "syscalls[2]").unwrap_err();
        assert_eq!(
            e.to_string(),
            "compile seccomp profile syscalls[2]: SCMP_ACT_ALLOW has no error number"
        );
        assert!(Verdict::of(Action::Errno, Some(4096), "x").is_err());
    }
}
