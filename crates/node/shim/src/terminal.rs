//! Our end of a container's terminal.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::pty::OpenptFlags;
use tare_error::{Context, Result};

const SUBJECT: &str = "the terminal";

/// Makes a terminal's master fit for a loop, and opens the container's end: held, it keeps the terminal from hanging up while
/// nobody in the container has it open.
pub(crate) fn prepare(master: &OwnedFd) -> Result<OwnedFd> {
    let flags = rustix::fs::fcntl_getfl(master).op("read the flags of", SUBJECT)?;
    rustix::fs::fcntl_setfl(master, flags | OFlags::NONBLOCK).op("set the flags of", SUBJECT)?;
    let peer = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    rustix::pty::ioctl_tiocgptpeer(master, peer).op("open", SUBJECT)
}

/// Gives a terminal a size; the foreground process gets `WINCH` from the kernel.
pub(crate) fn resize(slave: &OwnedFd, rows: u16, columns: u16) -> Result<()> {
    tare_process::set_window_size(slave.as_fd(), rows, columns).op("set the size of", SUBJECT)
}
