//! Being told at once that memory ran out.

use crate::dir::Dir;
use crate::group::Group;
use crate::host::{Controller, Version};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::Result;

/// An fd on which the kernel says that something about memory happened in a group or below it: a kill, but also that a limit
/// stood in the way. What it was, [`Group::memory_report`] tells.
#[derive(Debug)]
pub struct MemoryNotice {
    fd: OwnedFd,
    version: Version,
}

impl MemoryNotice {
    /// What to poll.
    pub fn poll_fd(&self) -> PollFd<'_> {
        let flags = match self.version {
            // By eventfd(2).
            Version::V1 => PollFlags::IN,
            // A control file is always readable; a change is an exception (`cgroup-v2.rst`).
            Version::V2 => PollFlags::PRI,
        };
        PollFd::from_borrowed_fd(self.fd.as_fd(), flags)
    }

    /// Whether a message is an exception (`EPOLLPRI`), not something to be read.
    pub fn is_exceptional(&self) -> bool {
        self.version == Version::V2
    }

    /// Takes the message, so that the next poll waits for another.
    pub fn take(&self) {
        let mut bytes = [0_u8; 512];
        // Whatever is read: what happened is looked up elsewhere, and what cannot be read is no news.
        let _ = match self.version {
            Version::V1 => rustix::io::read(&self.fd, &mut bytes),
            Version::V2 => rustix::io::pread(&self.fd, &mut bytes, 0),
        };
    }
}

impl AsFd for MemoryNotice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Group {
    /// Has the kernel say when memory runs out; none where nothing accounts it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn memory_notice(&self) -> Result<Option<MemoryNotice>> {
        if let Some(member) = self.v1(Controller::Memory) {
            return notice_v1(&member.dir).map(Some);
        }
        let Some(member) = self.v2().filter(|member| member.dir.has("memory.events")) else {
            return Ok(None);
        };
        let notice = MemoryNotice {
            fd: member.dir.open_read("memory.events")?,
            version: Version::V2,
        };
        // A file that was never read has changed.
        notice.take();
        Ok(Some(notice))
    }
}

/// `memory.rst` of version 1, "OOM control": the eventfd and the file, in one line.
fn notice_v1(dir: &Dir) -> Result<MemoryNotice> {
    let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let control = dir.open_read("memory.oom_control")?;
    let line = format!("{} {}", fd.as_raw_fd(), control.as_raw_fd());
    dir.write("cgroup.event_control", &line)?;
    Ok(MemoryNotice {
        fd,
        version: Version::V1,
    })
}
