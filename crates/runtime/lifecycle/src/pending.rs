//! What goes on in steps, for a caller that waits elsewhere: for many things at once.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use std::time::Instant;
use tare_error::{Error, Result};

/// Something that goes on when its fd is readable, or its time has come.
pub trait Pending {
    /// What to wait for; it may be another one after every step. None where there is nothing to wait for.
    fn fd(&self) -> Option<BorrowedFd<'_>>;

    /// When to go on at the latest.
    fn deadline(&self) -> Option<Instant>;
}

/// Waits until something can go on.
pub(crate) fn wait(pending: &impl Pending) -> Result<()> {
    let left = pending
        .deadline()
        .map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let left = left.and_then(|left| Timespec::try_from(left).ok());
    let fd = pending.fd();
    let mut fds: Vec<PollFd<'_>> = fd.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    match poll(&mut fds, left.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(e) => Err(Error::os("wait for", "a process of the container", e)),
    }
}
