//! Processes that became ours because whoever made them has ended: a runtime's command leaves us its containers' first
//! processes and execs, and those of a container without a pid namespace of its own leave their children.
//!
//! The first two are known by what the command wrote down. Of the rest it is known only that nobody waits for them: a child
//! that has ended, and is still not waited for at the next look, is nobody's, as everything that is somebody's is waited
//! for within one turn of the loop.

use crate::signals::Signals;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, set_child_subreaper, waitid};
use std::time::{Duration, Instant};
use tare_error::{Context, Result};

/// How long somebody may take to wait for what is his. The first process of a pid namespace does not end before all others
/// of it were waited for (pid_namespaces(7)), among them an exec that a runtime has given up, so that this is not long.
const PATIENCE: Duration = Duration::from_millis(50);

/// Children whom nobody waits for.
#[derive(Debug, Default)]
pub(in crate::supervisor) struct Strays {
    /// Whether they come to us at all.
    come: bool,
    /// Those that had ended at the last look.
    ended: Vec<Pid>,
    look_at: Option<Instant>,
}

impl Strays {
    /// From now on they come to this process, and not to the machine's first one.
    pub(in crate::supervisor) fn take_in(&mut self, signals: &mut Signals) -> Result<()> {
        if !self.come {
            signals.hear_of_children()?;
            set_child_subreaper(Some(rustix::process::getpid())).op("take in", "what runtimes leave")?;
            self.come = true;
        }
        Ok(())
    }

    /// Whether they come to us.
    pub(in crate::supervisor) fn come(&self) -> bool {
        self.come
    }

    /// Whether a signal says that some child has ended.
    pub(in crate::supervisor) fn heard(&mut self, signal: i32) -> bool {
        let is_child = signal == Signal::CHILD.as_raw();
        if is_child {
            self.may_have_come();
        }
        is_child
    }

    /// Some child may have ended.
    pub(in crate::supervisor) fn may_have_come(&mut self) {
        if self.come {
            self.look_at.get_or_insert_with(Instant::now);
        }
    }

    /// Waits for those that nobody else does, where it is time; `known` are somebody's.
    pub(in crate::supervisor) fn bury(&mut self, now: Instant, known: impl Fn(u32) -> bool) {
        if self.look_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        let before = std::mem::take(&mut self.ended);
        for pid in children() {
            if known(pid.as_raw_pid().unsigned_abs()) || !has_ended(pid, WaitIdOptions::NOWAIT) {
                continue;
            }
            if before.contains(&pid) {
                has_ended(pid, WaitIdOptions::empty());
            } else {
                self.ended.push(pid);
            }
        }
        if !self.ended.is_empty() {
            self.look_at = Some(now + PATIENCE);
        }
    }

    pub(in crate::supervisor) fn deadline(&self) -> Option<Instant> {
        self.look_at
    }
}

/// The children of this process, which has one thread.
fn children() -> Vec<Pid> {
    let own = std::process::id();
    let text = std::fs::read_to_string(format!("/proc/self/task/{own}/children")).unwrap_or_default();
    let numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
    numbers.filter_map(Pid::from_raw).collect()
}

fn has_ended(pid: Pid, more: WaitIdOptions) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | more;
    matches!(waitid(WaitId::Pid(pid), options), Ok(Some(_)))
}
