//! Watching a container: that memory ran out in it, and that it ended.

use crate::container::Container;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::time::{Duration, Instant};
use tare_cgroup::{Group, MemoryNotice, MemoryReport};
use tare_error::{Context, Result};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A process of the container was killed for memory.
    OutOfMemory,
    /// The container's first process has ended.
    Ended,
    /// Nothing, as long as was waited.
    Nothing,
}

/// A container that is watched.
#[derive(Debug)]
pub struct Watch {
    process: Option<OwnedFd>,
    group: Option<(Group, MemoryReport)>,
    notice: Option<MemoryNotice>,
}

impl Container {
    /// Begins to watch it: what has happened before is not told.
    ///
    /// # Errors
    /// The kernel's.
    pub fn watch(&self) -> Result<Watch> {
        let process = self.first_process()?;
        let Some(group) = self.group()? else {
            return Ok(Watch {
                process,
                group: None,
                notice: None,
            });
        };
        // Without it, what was killed is seen when the time is over.
        let notice = group.memory_notice().unwrap_or_default();
        let report = group.memory_report()?;
        Ok(Watch {
            process,
            group: Some((group, report)),
            notice,
        })
    }
}

impl Watch {
    /// Waits for the next event, no longer than `time`. What was killed for memory is told before the end.
    ///
    /// # Errors
    /// The kernel's.
    pub fn next(&mut self, time: Duration) -> Result<Event> {
        let end = Instant::now() + time;
        loop {
            if self.has_killed() {
                return Ok(Event::OutOfMemory);
            }
            let Some(process) = &self.process else {
                return Ok(Event::Ended);
            };
            let left = end.saturating_duration_since(Instant::now());
            let mut fds = vec![PollFd::new(process, PollFlags::IN)];
            fds.extend(self.notice.as_ref().map(MemoryNotice::poll_fd));
            let ready = match poll(&mut fds, Timespec::try_from(left).ok().as_ref()) {
                Err(Errno::INTR) => continue,
                done => done.op("watch", "a container")?,
            };
            let ended = fds.first().is_some_and(|fd| !fd.revents().is_empty());
            if let Some(notice) = &self.notice {
                notice.take();
            }
            if ended {
                // Its last breath may have been a kill.
                self.process = None;
            } else if ready == 0 {
                return Ok(Event::Nothing);
            }
        }
    }

    /// Whether there were more kills than when it was last asked.
    fn has_killed(&mut self) -> bool {
        let Some((group, before)) = &mut self.group else {
            return false;
        };
        // A group that is gone says nothing any more.
        let Ok(now) = group.memory_report() else {
            return false;
        };
        let killed = now.since(Some(before)).is_some();
        *before = now;
        killed
    }
}
