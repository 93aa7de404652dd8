//! A pseudo-terminal of a given devpts, by fd throughout (CVE-2025-52565). Nothing here allocates.

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, OutputModes, Winsize};

/// `DEVPTS_SUPER_MAGIC`.
const MAGIC: i64 = 0x1cd1;

/// Both ends of a terminal.
#[derive(Debug)]
pub struct Terminal {
    /// The end of whoever shows it.
    pub master: OwnedFd,
    /// The end of the program.
    pub slave: OwnedFd,
}

impl Terminal {
    /// Opens a terminal of the devpts whose root directory is `devpts`.
    ///
    /// # Errors
    /// `ESTALE` where that is no devpts, else the kernel's.
    pub fn open_in(devpts: BorrowedFd<'_>) -> Result<Terminal> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let master = rustix::fs::openat2(devpts, c"ptmx", flags, Mode::empty(), how)?;
        if rustix::fs::fstatfs(&master)?.f_type != MAGIC {
            return Err(Errno::STALE);
        }
        rustix::pty::unlockpt(&master)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
        Ok(Terminal { master, slave })
    }
}

/// Has a terminal hand on line ends as the program writes them, without a carriage return in front.
///
/// # Errors
/// `ENOTTY`, `EIO`.
pub fn leave_line_ends(terminal: BorrowedFd<'_>) -> Result<()> {
    let mut modes = rustix::termios::tcgetattr(terminal)?;
    modes.output_modes -= OutputModes::ONLCR;
    rustix::termios::tcsetattr(terminal, OptionalActions::Now, &modes)
}

/// Sets a terminal's size in characters.
///
/// # Errors
/// `ENOTTY`, `EIO`.
pub fn set_window_size(terminal: BorrowedFd<'_>, rows: u16, columns: u16) -> Result<()> {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(terminal, size)
}
