//! Landlock (`landlock(7)`, Linux 5.13): what a process, and all that come from it, may do and no more.
//!
//! Three calls and three structures. The crate `landlock` wraps them for programs that confine themselves: it allocates,
//! and chooses on the way what a kernel lacks. Here the choice is made before the fork, and the calls by a child that
//! allocates nothing.

use crate::call::{done, value};
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::{Errno, Result};

/// `LANDLOCK_CREATE_RULESET_VERSION`.
const VERSION: u32 = 1;
/// `LANDLOCK_RULE_PATH_BENEATH`.
const PATH_BENEATH: u32 = 1;
/// `LANDLOCK_RULE_NET_PORT`.
const NET_PORT: u32 = 2;

bitflags::bitflags! {
    /// What can be done with files: `LANDLOCK_ACCESS_FS_*`, with the kernel's values.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct PathRights: u64 {
        /// Executing a file.
        const EXECUTE = 1;
        /// Opening a file to write it.
        const WRITE_FILE = 1 << 1;
        /// Opening a file to read it.
        const READ_FILE = 1 << 2;
        /// Opening a directory, to list it.
        const READ_DIR = 1 << 3;
        /// Removing or renaming a directory.
        const REMOVE_DIR = 1 << 4;
        /// Removing or renaming what is no directory.
        const REMOVE_FILE = 1 << 5;
        /// Making a character device.
        const MAKE_CHAR = 1 << 6;
        /// Making a directory.
        const MAKE_DIR = 1 << 7;
        /// Making a regular file.
        const MAKE_REG = 1 << 8;
        /// Making a socket.
        const MAKE_SOCK = 1 << 9;
        /// Making a pipe.
        const MAKE_FIFO = 1 << 10;
        /// Making a block device.
        const MAKE_BLOCK = 1 << 11;
        /// Making a symbolic link.
        const MAKE_SYM = 1 << 12;
        /// Linking or renaming to another directory (version 2, Linux 5.19; before it nobody confined may).
        const REFER = 1 << 13;
        /// Truncating a file (version 3, Linux 6.2).
        const TRUNCATE = 1 << 14;
        /// `ioctl(2)` on a device (version 5, Linux 6.10).
        const IOCTL_DEV = 1 << 15;
        /// Those that a rule for a single file may hold.
        const OF_FILES = Self::EXECUTE.bits() | Self::WRITE_FILE.bits() | Self::READ_FILE.bits()
            | Self::TRUNCATE.bits() | Self::IOCTL_DEV.bits();
    }

    /// What can be done with ports: `LANDLOCK_ACCESS_NET_*`, with the kernel's values (version 4, Linux 6.7).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct PortRights: u64 {
        /// Binding a TCP socket.
        const BIND_TCP = 1;
        /// Connecting a TCP socket.
        const CONNECT_TCP = 1 << 1;
    }

    /// What stays among the confined: `LANDLOCK_SCOPE_*`, with the kernel's values (version 6, Linux 6.12).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Scopes: u64 {
        /// Connecting to abstract unix sockets.
        const ABSTRACT_UNIX_SOCKET = 1;
        /// Sending signals.
        const SIGNAL = 1 << 1;
    }
}

/// `struct landlock_ruleset_attr`. A kernel that knows fewer members wants the others to be zero.
#[repr(C)]
struct RulesetAttributes {
    paths: u64,
    ports: u64,
    scopes: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    place: i32,
}

/// `struct landlock_net_port_attr`.
#[repr(C)]
struct NetPort {
    allowed: u64,
    port: u64,
}

const _: () = assert!(size_of::<PathBeneath>() == 12 && size_of::<NetPort>() == 16);

/// The version of the kernel's interface.
///
/// # Errors
/// `ENOSYS` before Linux 5.13 or behind a filter, `EOPNOTSUPP` where it was not enabled at boot.
pub fn landlock_version() -> Result<u32> {
    let nothing = std::ptr::null::<RulesetAttributes>();
    // SAFETY: with this flag the kernel takes no structure, and makes no fd.
    let version =
        value(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0_usize, VERSION) })?;
    u32::try_from(version).map_err(|_| Errno::RANGE)
}

/// A ruleset that forbids all this, except where a rule allows it; close-on-exec.
///
/// # Errors
/// `E2BIG` or `EINVAL` for what this version does not know, `ENOMSG` for nothing at all, and as [`landlock_version`].
pub fn make_ruleset(paths: PathRights, ports: PortRights, scopes: Scopes) -> Result<OwnedFd> {
    let attributes = RulesetAttributes {
        paths: paths.bits(),
        ports: ports.bits(),
        scopes: scopes.bits(),
    };
    // SAFETY: the kernel reads one structure of the size given, and writes nothing.
    let made = value(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const attributes,
            size_of::<RulesetAttributes>(),
            0_u32,
        )
    })?;
    let fd = RawFd::try_from(made).map_err(|_| Errno::BADF)?;
    // SAFETY: without flags the kernel returns a new fd that nobody else knows of.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Allows something with the file or directory open at `place` (`O_PATH` is enough), and with all below it.
///
/// # Errors
/// `EINVAL` for rights that the ruleset does not forbid, or those of directories where it is none; `ENOMSG` for no
/// rights; `EBADFD` for what lies on no file system, as a pipe.
pub fn allow_below(ruleset: BorrowedFd<'_>, place: BorrowedFd<'_>, rights: PathRights) -> Result<()> {
    let rule = PathBeneath {
        allowed: rights.bits(),
        place: place.as_raw_fd(),
    };
    // SAFETY: the kernel reads one structure of the kind given, and writes nothing.
    done(unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            PATH_BENEATH,
            &raw const rule,
            0_u32,
        )
    })
}

/// Allows something with a port; to bind port 0 is to bind any that the kernel chooses.
///
/// # Errors
/// `EINVAL` for rights that the ruleset does not forbid, `ENOMSG` for none, `EAFNOSUPPORT` where the kernel has no TCP.
pub fn allow_port(ruleset: BorrowedFd<'_>, port: u16, rights: PortRights) -> Result<()> {
    let rule = NetPort {
        allowed: rights.bits(),
        port: port.into(),
    };
    // SAFETY: the kernel reads one structure of the kind given, and writes nothing.
    done(unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            NET_PORT,
            &raw const rule,
            0_u32,
        )
    })
}

/// Confines this thread, and all that come from it, for good, besides what confines them already.
///
/// # Errors
/// `EPERM` without `no_new_privs` and `CAP_SYS_ADMIN`, `E2BIG` where 16 rulesets confine it already.
pub fn restrict_self(ruleset: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: the kernel takes two numbers.
    done(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0_u32) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;

    #[test]
    fn the_kernel_knows_the_structures() {
        // Which kernel it is does not matter to a ruleset that forbids nothing: one that has Landlock says so.
        let nothing = make_ruleset(PathRights::empty(), PortRights::empty(), Scopes::empty());
        match landlock_version() {
            Err(errno) => assert_eq!(nothing.unwrap_err(), errno),
            Ok(version) => {
                assert_eq!(nothing.unwrap_err(), Errno::NOMSG);
                let made = make_ruleset(PathRights::EXECUTE, PortRights::empty(), Scopes::empty()).unwrap();
                let place = std::fs::File::open("/").unwrap();
                let allow = |rights| allow_below(made.as_fd(), place.as_fd(), rights);
                assert_eq!(allow(PathRights::EXECUTE), Ok(()));
                assert_eq!(allow(PathRights::READ_FILE), Err(Errno::INVAL));
                assert_eq!(allow(PathRights::empty()), Err(Errno::NOMSG));
                if version >= 4 {
                    let port = allow_port(made.as_fd(), 80, PortRights::BIND_TCP);
                    assert!(matches!(port, Err(Errno::INVAL | Errno::AFNOSUPPORT)), "{port:?}");
                }
            }
        }
    }
}
