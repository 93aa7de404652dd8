//! After the end: what stays, what goes. Every step may have been done before.

use super::place::Pod;
use crate::Engine;
use crate::records::containers::{self, EndRecord};
use tare_error::{Error, Kind, Result};
use tare_shim::Exit;
use tare_store::Id;

impl Engine {
    /// Clears away a container whose client is gone: what `tare reap ID` does, called by its supervisor.
    ///
    /// # Errors
    /// `Invalid` for what is no id; `Conflict` while its supervisor lives; else the system's.
    pub fn reap(&self, id: &str) -> Result<()> {
        let id = Id::parse(id)?;
        match Pod::await_turn(self, id.as_str())? {
            Some(pod) => self.clear_away(pod, id.as_str()).map(drop),
            None => Ok(()),
        }
    }

    /// Ends what is left of a container nobody looks after, settles its records and files, removes its pod folder.
    pub(super) fn clear_away(&self, pod: Pod, id: &str) -> Result<Option<Exit>> {
        // No database connection lives while a process is made.
        self.records().close();
        let ended = self.end(&pod, id)?;
        tare_failpoint::pass("reap-ended")?;
        let record = self
            .records()
            .read("read container", |tx| containers::get(tx, id))?;
        let exit = ended.exit.clone();
        let stays = match (&record, &exit) {
            // Without an exit its process never was, and whoever asked for it never got it; or whoever was here before us died
            // after he had recorded it.
            (Some(record), None) => record.end.is_some(),
            (Some(record), Some(exit)) if !record.remove => {
                self.record_end(id, exit)?;
                true
            }
            _ => false,
        };
        tare_failpoint::pass("reap-settled")?;
        ended.clear(id)?;
        tare_failpoint::pass("reap-left")?;
        if !stays {
            self.remove_everything(id)?;
        }
        pod.remove()?;
        Ok(exit)
    }

    /// Records the end of a container that stays: the second synced commit.
    pub(super) fn record_end(&self, id: &str, exit: &Exit) -> Result<()> {
        let end = end_record(exit);
        self.records()
            .write("record end", |tx| containers::end(tx, id, &end))
    }

    /// Removes snapshot, folder and record, in this order: while the record is there, the rest can be found.
    pub(super) fn remove_everything(&self, id: &str) -> Result<()> {
        self.snapshots().remove(id)?;
        tare_failpoint::pass("remove-snapshot")?;
        tare_store::remove_tree(&self.container_folder(id))?;
        tare_failpoint::pass("remove-folder")?;
        self.records()
            .write("remove container", |tx| containers::remove(tx, id))?;
        tare_failpoint::pass("remove-recorded")
    }

    /// Removes a container that does not run, by its name, id or the beginning of its id; says which.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` while it runs.
    pub fn remove_container(&self, typed: &str) -> Result<String> {
        let id = self.find_container(typed)?.id;
        let busy = || Error::new(Kind::Conflict, "remove container", typed).because("it is running");
        if self.pod_folder(&id).is_dir() {
            let pod = Pod::take(self, &id)?.ok_or_else(busy)?;
            if pod.dir.supervisor_alive()? {
                return Err(busy());
            }
            self.end(&pod, &id)?.clear(&id)?;
            self.remove_everything(&id)?;
            pod.remove()?;
        } else {
            self.remove_everything(&id)?;
        }
        Ok(id)
    }
}

/// The end as the database keeps it.
pub(super) fn end_record(exit: &Exit) -> EndRecord {
    let limit = exit.oom.as_ref().and_then(|oom| oom.limit);
    EndRecord {
        at: i64::try_from(exit.at / 1_000_000_000).unwrap_or(i64::MAX),
        code: exit.code,
        oom_limit: limit.and_then(|bytes| i64::try_from(bytes).ok()),
        unknown: exit.unknown.clone(),
    }
}
