//! What goes on in steps, for a caller that waits elsewhere: for many things at once.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use std::time::Instant;
use tare_error::{Error, Result};

/// Something that goes on when one of its fds is readable, or its time has come.
pub trait Pending {
    /// What to wait for; another list after every step.
    fn awaited(&self) -> Vec<Awaited<'_>>;

    /// When to go on at the latest.
    fn deadline(&self) -> Option<Instant>;
}

/// An fd of something that goes on.
#[derive(Clone, Copy, Debug)]
pub struct Awaited<'a> {
    /// Which one of all that it ever waits for; one that is not listed any more was closed.
    pub turn: u32,
    /// Readable when it goes on.
    pub fd: BorrowedFd<'a>,
    /// Whether it is waited for now; if not, it will be later.
    pub now: bool,
}

/// Waits until something can go on.
pub(crate) fn wait(pending: &impl Pending) -> Result<()> {
    let left = pending
        .deadline()
        .map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let left = left.and_then(|left| Timespec::try_from(left).ok());
    let awaited = pending.awaited();
    let now = awaited.iter().filter(|awaited| awaited.now);
    let mut fds: Vec<PollFd<'_>> = now
        .map(|awaited| PollFd::new(&awaited.fd, PollFlags::IN))
        .collect();
    match poll(&mut fds, left.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(e) => Err(Error::os("wait for", "a process of the container", e)),
    }
}
