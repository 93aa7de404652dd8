//! The closed set of error kinds and the one table that turns a kind into an exit code.

use rustix::io::Errno;

/// What sort of failure an error is: the only part of it that code may decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request itself is wrong: a flag, a name, a document.
    Invalid,
    /// Something named does not exist.
    NotFound,
    /// Something named exists already.
    AlreadyExists,
    /// The caller may not do this.
    Denied,
    /// The state of things does not allow it now (running, in use, busy).
    Conflict,
    /// This kernel, machine or build cannot do it.
    Unsupported,
    /// A peer (registry, supervisor, daemon) cannot be reached or does not answer.
    Unavailable,
    /// Data is not what its digest, length or format promises.
    Corrupt,
    /// A limit was reached: disk, memory, a bound of ours.
    Exhausted,
    /// The command to run in a container does not exist there.
    CommandNotFound,
    /// The command to run in a container exists and cannot be executed.
    CommandNotExecutable,
    /// We are broken, or the kernel said something no other kind covers.
    Internal,
}

impl Kind {
    /// The exit code of a program that ends with an error of this kind: 125, 126 and 127 as docker's.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::CommandNotExecutable => 126,
            Kind::CommandNotFound => 127,
            Kind::Invalid
            | Kind::NotFound
            | Kind::AlreadyExists
            | Kind::Denied
            | Kind::Conflict
            | Kind::Unsupported
            | Kind::Unavailable
            | Kind::Corrupt
            | Kind::Exhausted
            | Kind::Internal => 125,
        }
    }

    /// The kind that an operating-system error stands for.
    pub(crate) fn of_io(e: &std::io::Error) -> Kind {
        let Some(errno) = e.raw_os_error().map(Errno::from_raw_os_error) else {
            return Kind::Internal;
        };
        match errno {
            Errno::NOENT | Errno::SRCH | Errno::NODEV | Errno::NXIO => Kind::NotFound,
            Errno::EXIST => Kind::AlreadyExists,
            Errno::PERM | Errno::ACCESS | Errno::ROFS => Kind::Denied,
            Errno::BUSY | Errno::NOTEMPTY | Errno::TXTBSY | Errno::AGAIN => Kind::Conflict,
            Errno::NOSYS | Errno::OPNOTSUPP => Kind::Unsupported,
            Errno::CONNREFUSED | Errno::TIMEDOUT | Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::PIPE => {
                Kind::Unavailable
            }
            Errno::NOSPC | Errno::DQUOT | Errno::NOMEM | Errno::MFILE | Errno::NFILE => Kind::Exhausted,
            Errno::INVAL | Errno::NAMETOOLONG | Errno::NOTDIR | Errno::ISDIR | Errno::LOOP => Kind::Invalid,
            _ => Kind::Internal,
        }
    }
}
