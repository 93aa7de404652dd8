//! The memory of a container: what was killed for want of it, and whose limit it was.

use crate::exit::Oom;
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, BorrowedFd};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tare_cgroup::{Group, GroupPath, Host, MemoryNotice, MemoryReport, OomKill};

/// How long the kernel takes from saying that memory ran out to the kill.
const KILLING: Duration = Duration::from_millis(50);

/// What a container's memory was when it began, by which a kill is blamed, and how many kills were told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    report: MemoryReport,
    #[serde(default)]
    told: u64,
}

/// The memory of a container's group. The group itself is opened when it is looked at: held, it is a file in every
/// hierarchy, and a pod may have a hundred containers.
#[derive(Debug)]
pub(super) struct Memory {
    host: Host,
    path: GroupPath,
    /// The group of a container that has ended and is not deleted yet.
    group: Option<Group>,
    pub(super) before: Before,
    notice: Option<MemoryNotice>,
    /// When to look once more: version 1 says that memory ran out before it kills.
    look_at: Option<Instant>,
}

impl Memory {
    /// Of a container that was just made; none where nothing accounts it.
    pub(super) fn of(group: &Group) -> Option<Memory> {
        let report = group.memory_before().ok()?;
        Some(Memory::since(group, Before { report, told: 0 }))
    }

    /// Of a container that began under another supervisor; what was killed since that looked is told.
    pub(super) fn taken_over(group: &Group, before: Before) -> Memory {
        let mut memory = Memory::since(group, before);
        memory.look_at = Some(Instant::now());
        memory
    }

    fn since(group: &Group, before: Before) -> Memory {
        // Without it kills are told when the container ends.
        let notice = group.memory_notice().unwrap_or_default();
        Memory {
            host: group.host().clone(),
            path: group.path().clone(),
            group: None,
            before,
            notice,
            look_at: None,
        }
    }

    /// What was killed since the container began, if anything was.
    fn kills(&self) -> Option<OomKill> {
        let opened;
        let group = match &self.group {
            Some(group) => group,
            None => {
                opened = Group::open(&self.host, &self.path).ok()?;
                &opened
            }
        };
        // Most containers end without: then one file is read, and not all of those that tell whose limit it was.
        group.memory_kills().ok()?.filter(|kills| *kills > 0)?;
        group.memory_report().ok()?.since(Some(&self.before.report))
    }

    /// Something was said about it.
    pub(super) fn heard(&mut self) -> bool {
        if let Some(notice) = &self.notice {
            notice.take();
        }
        let more = self.has_new_kills();
        self.look_at = (!more).then(|| Instant::now() + KILLING);
        more
    }

    pub(super) fn has_new_kills(&mut self) -> bool {
        let kills = self.kills().map_or(0, |kill| kill.kills);
        let more = kills > self.before.told;
        self.before.told = self.before.told.max(kills);
        more
    }

    /// For the record of an end; from now on the group is held, until it goes.
    pub(super) fn oom(&mut self, first_process: bool) -> Option<Oom> {
        self.group = Group::open(&self.host, &self.path).ok();
        Some(Oom::of(self.kills()?, first_process))
    }

    /// The group, where it is held.
    pub(super) fn take_group(&mut self) -> Option<Group> {
        self.group.take()
    }

    /// Whether the moment after a notice has come.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        self.look_at.take_if(|at| *at <= now).is_some()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.look_at
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> Option<(BorrowedFd<'_>, EventFlags)> {
        let notice = self.notice.as_ref()?;
        let flags = match notice.is_exceptional() {
            true => EventFlags::PRI,
            false => EventFlags::IN,
        };
        Some((notice.as_fd(), flags))
    }
}
