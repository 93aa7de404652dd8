//! Waiting for the kernel with an end in sight: by the event itself wherever the kernel sends one.

use crate::dir::{find_key, read_fd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::time::{Duration, Instant};

/// How many pidfds are watched at once.
const WATCHED_MAX: usize = 64;

/// A point in time after which waiting ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(time: Duration) -> Deadline {
        let now = Instant::now();
        Deadline(now.checked_add(time).unwrap_or(now))
    }

    fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    pub(crate) fn has_passed(self) -> bool {
        self.left().is_zero()
    }

    /// Polls until an event or the deadline; whether there was an event.
    fn poll(self, fds: &mut [PollFd<'_>], at_most: Duration) -> Result<bool> {
        let left = self.left().min(at_most);
        let timeout = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        match poll(fds, Some(&timeout)) {
            Ok(n) => Ok(n > 0),
            Err(Errno::INTR) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Waits until `key` of an open `cgroup.events` is `value` (the kernel signals each change); false at the deadline.
    pub(crate) fn event(self, events: BorrowedFd<'_>, key: &str, value: u64) -> Result<bool> {
        loop {
            let text = match read_fd(events) {
                // The group is gone: nothing is in it, and nothing in it moves.
                Err(Errno::NODEV | Errno::NOENT) => return Ok(true),
                text => text?,
            };
            if find_key(&text, key) == Some(value) {
                return Ok(true);
            }
            if self.has_passed() {
                return Ok(false);
            }
            self.poll(
                &mut [PollFd::from_borrowed_fd(events, PollFlags::PRI)],
                Duration::MAX,
            )?;
        }
    }

    /// Waits until each of `processes` has ended; false at the deadline.
    pub(crate) fn exits(self, processes: impl Iterator<Item = i32>) -> Result<bool> {
        let watched: Vec<OwnedFd> = processes
            .filter_map(Pid::from_raw)
            // One that cannot be opened has ended already.
            .filter_map(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            .take(WATCHED_MAX)
            .collect();
        for fd in &watched {
            while !self.poll(
                &mut [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)],
                Duration::MAX,
            )? {
                if self.has_passed() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// A moment's rest, for the two things the kernel announces by no event: a version 1 freezer that is still
    /// freezing, and a version 1 group whose last task is between its end and its burial. False at the deadline.
    pub(crate) fn moment(self) -> Result<bool> {
        self.poll(&mut [], Duration::from_millis(1))?;
        Ok(!self.has_passed())
    }
}
