//! When a supervisor leaves, and in which order.

use super::connection::Connection;
use super::service::Service;
use super::stdio::Leaving;
use std::time::{Duration, Instant};
use tare_error::{Kind, Report, Result};

/// How long a supervisor without connections stays that has no container yet: containerd has died after its start.
const ALONE: Duration = Duration::from_secs(30);
/// The same for our own engine, which connects before it starts one.
const ALONE_OF_OWN: Duration = Duration::from_secs(1);
/// How long leaving waits for containerd to hear the last events, and for what is still written down: that goes on without us.
const TELLING: Duration = Duration::from_secs(2);

impl Service {
    /// Whether nothing is left to do: containerd has said so, or nobody is there.
    pub(super) fn may_leave(&mut self) -> bool {
        let now = Instant::now();
        match self.leave_by {
            Some(by) => self.publisher.is_done() && !self.writes() || by <= now,
            None => {
                let needed = self.sandbox.is_some()
                    || !self.containers.is_empty()
                    || !self.connections.is_empty()
                    || self.writes();
                !needed && self.alone_since + self.patience() <= now
            }
        }
    }

    /// Whether something is still written down of what is deleted.
    fn writes(&self) -> bool {
        self.leaving.iter().any(Leaving::is_waited_for)
    }

    /// How long it stays alone.
    pub(super) fn patience(&self) -> Duration {
        match self.arguments.own {
            None => ALONE,
            Some(_) => ALONE_OF_OWN,
        }
    }

    /// Takes the address away, unless somebody has come to it meanwhile: to him it was given, and he is served.
    pub(super) fn gives_up_address(&mut self) -> bool {
        let aside = self.address.with_extension("gone");
        // Where that fails there is none any more, or another supervisor's.
        let moved = std::fs::rename(&self.address, &aside);
        let before = self.connections.len();
        self.accept();
        if self.connections.len() == before {
            let _ = moved.and_then(|()| std::fs::remove_file(&aside));
            return true;
        }
        self.leave_by = None;
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        let back = rustix::fs::renameat_with(rustix::fs::CWD, &aside, rustix::fs::CWD, &self.address, flags);
        if back.is_err() {
            let _ = std::fs::remove_file(&aside);
        }
        false
    }

    /// From now on it only tells what is still to be told.
    pub(super) fn begin_to_leave(&mut self) {
        // Leaving would wait for it.
        if !self.given_up.is_empty() {
            return;
        }
        self.leave_by.get_or_insert_with(|| Instant::now() + TELLING);
    }

    /// The end.
    pub(super) fn leave(mut self) -> Result<()> {
        // Whoever asked for this has its answer before the connection ends.
        self.connections.retain_mut(Connection::flush);
        let _ = tare_failpoint::pass("leave-intended");
        if let Some(sandbox) = &mut self.sandbox
            && let Err(error) = sandbox.dissolve()
        {
            self.journal.note(Report::new(&error));
        }
        if self.arguments.own.is_some() {
            return self.leave_own();
        }
        // The folder is the next supervisor's, who may come as soon as the address is free: it goes before anything that waits.
        let removed = self.journal.pod().remove();
        let _ = tare_failpoint::pass("leave-begun");
        removed
    }

    /// The end in a folder that is the engine's, which has more in it than ours: what is ours goes last, as by it the rest is
    /// found. Where containers are left, all of it stays for a successor.
    fn leave_own(self) -> Result<()> {
        if !self.containers.is_empty() {
            return Ok(());
        }
        match self.journal.pod().remove() {
            Err(e) if e.kind() == Kind::Conflict => Ok(()),
            removed => removed,
        }
    }
}
