//! Containers whose runtime is a command: runc, crun, runsc, or any other that has the words of the OCI's command line
//! (`create start exec kill pause resume update delete`, `--root --log --log-format`).
//!
//! ```text
//! Create -> [mount the root] -> RUNTIME create --bundle --pid-file -> its process comes to us -> Created
//! Start  -> RUNTIME start             Exec's Start -> RUNTIME exec --process --detach --pid-file -> comes to us
//! Delete -> RUNTIME delete -> [unmount the root]
//! ```
//!
//! Each command is a short-lived child (an [`Errand`]) whose end the loop hears of like any other; what it leaves becomes this
//! process's child, as that takes in what its children leave, and from then on it is one process like another: it ends, is
//! told of, and is measured by its cgroup without a command. The runtime's own last line of log is a failure's reason.
//! What is known of such a container is plain data ([`Record`]) apart from what runs for it ([`Foreign`]).
//!
//! A shim of version 2 that is not ours is such a runtime too, for our own engine: what is a command there is a request to it here
//! (`docs/decisions/0012`), and its containers' processes are its own: their ends are what it says.

mod asked;
mod call;
mod calls;
mod console;
mod end;
mod errand;
mod group;
mod left;
mod life;
mod record;
mod remote;
mod root;
mod shim;
mod strays;

pub(super) use errand::Errand;
pub(super) use left::end as end_what_is_left;
pub(super) use life::{Order, Work};
pub(super) use record::{Maker, Record, Runtime, home as home_of};
pub use root::{mount_root, unmount_root};
pub(super) use shim::Shim;
pub(super) use strays::Strays;

use super::connection::Asked;
use crate::poller::Interest;
use crate::supervisor::source::Source;
use crate::supervisor::stdio::Ends;
use std::time::Instant;
use tare_error::Result;
use tare_lifecycle::Pending;
use tare_spec_containerd::Any;
use tare_spec_containerd::task::DeleteResponse;

/// A container of a foreign runtime, beside what every container has.
#[derive(Debug)]
pub(super) struct Foreign {
    pub(super) record: Record,
    /// Commands on their way that are about the container, not about one process's beginning.
    tasks: Vec<Task>,
    /// The other ends of its first process's streams, until its shim has opened them.
    ends: Option<Ends>,
    /// Its shim has told that memory ran out.
    ran_out: bool,
    /// How often its shim has broken off.
    breaks: u32,
}

/// A command on its way, and what is done when it has ended.
#[derive(Debug)]
struct Task {
    errand: Errand,
    purpose: Purpose,
}

/// For whom a command is run, and to what end.
#[derive(Debug)]
enum Purpose {
    Kill(Asked),
    Pause(Asked),
    Resume(Asked),
    Update(Asked),
    /// Whoever asks again while it goes on hears the same.
    Delete {
        asked: Vec<Asked>,
        answer: DeleteResponse,
    },
    /// A shim's answer is that to whoever asked.
    Pass(Asked),
    /// A shim is to know, and nobody waits for that.
    Tell,
    /// The end of a process, by its number.
    End(u32),
    /// How a container is that was taken over; who waits for that.
    Look(Vec<Asked>),
    /// A shim is gone: nothing of its container is to be left.
    Bury,
}

/// The record of a container in the folder of all; none where there is none.
pub(crate) fn find(home: &std::path::Path, id: &str) -> Result<Option<Record>> {
    Record::find(home, id)
}

/// What the runtime can do that options name, in its own words; none where they name none, or it does not say.
pub(super) fn features(options: Option<&Any>) -> Option<Vec<u8>> {
    let named = super::options::message(options).ok()?.binary_name;
    if named.is_empty() {
        return None;
    }
    let said = std::process::Command::new(named).arg("features").output().ok()?;
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&said.stdout).is_ok();
    (said.status.success() && is_json).then_some(said.stdout)
}

impl Foreign {
    /// Of a record.
    pub(super) fn of(record: Record) -> Foreign {
        Foreign {
            record,
            tasks: Vec::new(),
            ends: None,
            ran_out: false,
            breaks: 0,
        }
    }

    /// Whether a command about the container is on its way. Ends are asked for again by whoever comes after us.
    pub(super) fn is_busy(&self) -> bool {
        let mut tasks = self.tasks.iter();
        tasks.any(|task| !matches!(task.purpose, Purpose::End(_)))
    }

    /// Whether everything of it is being ended.
    fn is_being_buried(&self) -> bool {
        let mut tasks = self.tasks.iter();
        tasks.any(|task| matches!(task.purpose, Purpose::Bury | Purpose::Delete { .. }))
    }

    /// When something of it must go on at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.tasks.iter().filter_map(|task| task.errand.deadline()).min()
    }

    /// What should have gone on by now.
    pub(super) fn overdue(&self, now: Instant) -> Vec<u32> {
        let late = |task: &&Task| task.errand.deadline().is_some_and(|at| at <= now);
        self.tasks
            .iter()
            .filter(late)
            .map(|task| task.errand.number)
            .collect()
    }

    /// What to wait for.
    pub(super) fn interests<'a>(&'a self, into: &mut Vec<Interest<'a, Source>>) {
        for task in &self.tasks {
            let awaited = task.errand.awaited().into_iter();
            into.extend(awaited.map(|awaited| Interest {
                source: Source::Errand(task.errand.number, awaited.turn),
                fd: awaited.fd,
                flags: task.errand.flags(),
            }));
        }
    }

    fn has(&self, number: u32) -> bool {
        self.tasks.iter().any(|task| task.errand.number == number)
    }
}
