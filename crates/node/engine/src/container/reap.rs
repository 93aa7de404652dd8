//! After the end: what stays, what goes. Every step may have been done before.

use super::place::{ATTEMPTS, Pod, Supervised};
use crate::Engine;
use crate::journal::Event;
use crate::records::containers::{self, ContainerRecord, EndDetail, EndRecord};
use crate::records::life::{self, LifeRecord};
use std::time::{Duration, UNIX_EPOCH};
use tare_error::{Error, Kind, Result, While};
use tare_logs::Moment;
use tare_shim::{Condition, Exit};
use tare_store::Id;

impl Engine {
    /// Clears away a container whose client is gone, and starts it again where that is to be, once it is time: what
    /// `tare reap ID` does, called by its supervisor.
    ///
    /// # Errors
    /// `Invalid` for what is no id; `Conflict` while its supervisor lives; else the system's.
    pub fn reap(&self, id: &str) -> Result<()> {
        let id = Id::parse(id)?;
        self.settled(id.as_str())?;
        self.await_restart(id.as_str())
    }

    /// The same as [`Engine::clear_away`], but for a container that lives and is to: it was started again meanwhile, or its
    /// supervisor was killed under it.
    pub(super) fn clear_ended_away(&self, pod: Pod, id: &str) -> Result<()> {
        match self.is_taken_over(&pod, id)? {
            true => Ok(()),
            false => self.clear_away(pod, id).map(drop),
        }
    }

    /// Ends what is left of a container nobody looks after, settles its records and files, removes its pod folder.
    pub(super) fn clear_away(&self, pod: Pod, id: &str) -> Result<Option<Exit>> {
        let mut attempts = 1..ATTEMPTS;
        let exit = loop {
            match self.try_clear_away(&pod, id) {
                // A supervisor that is killed meanwhile has a successor.
                Err(e) if e.kind() == Kind::Unavailable && attempts.next().is_some() => {}
                Err(e) if e.kind() == Kind::Exhausted && self.reserve().give_up() => {}
                cleared => break cleared?,
            }
        };
        let of = pod.dir.of_pod().map(str::to_owned);
        pod.remove()?;
        match of {
            Some(of) => self.end_pod_with_last(&of).map(|()| exit),
            None => Ok(exit),
        }
    }

    /// All of it but the pod's folder.
    fn try_clear_away(&self, pod: &Pod, id: &str) -> Result<Option<Exit>> {
        // No database connection lives while a process is made.
        self.records().close();
        let ended = self.end(pod, id)?;
        tare_failpoint::pass("reap-ended")?;
        let exit = ended.exit.clone();
        // Where something has ended, what is written of that below settles this as well.
        if exit.is_none() {
            self.records().settle("clear away")?;
        }
        let (record, life) = self.records().read("read container", |tx| {
            Ok((containers::get(tx, id)?, life::get(tx, id)?))
        })?;
        if exit.is_none() && life.due.is_some() {
            // Who was about to start it has died.
            self.say_due(id)?;
        }
        let subject = record.as_ref().map(|record| self.subject(&record.id));
        if let (Some(subject), Some(exit)) = (&subject, &exit) {
            self.note_end(subject, exit);
        }
        let stays = match (&record, &exit) {
            // Without an exit its process never was, and whoever asked for it never got it; or whoever was here before us died
            // after he had recorded it. One that was whole before its first start stays.
            (Some(record), None) => life.made || (record.end.is_some() && !goes(record, &life)),
            (Some(record), Some(exit)) if !goes(record, &life) => {
                self.record_end(id, exit)?;
                true
            }
            _ => false,
        };
        tare_failpoint::pass("reap-settled")?;
        ended.clear(id)?;
        tare_failpoint::pass("reap-left")?;
        if !stays {
            self.remove_everything(id, true)?;
            if let Some(subject) = subject {
                self.note(&Event::new(subject, "destroy"));
            }
        }
        Ok(exit)
    }

    /// Records the end of a container that stays: the second synced commit.
    pub(super) fn record_end(&self, id: &str, exit: &Exit) -> Result<()> {
        self.record_end_with(id, exit, None)
    }

    /// The same of one that could not be started, with why.
    pub(super) fn record_end_with(&self, id: &str, exit: &Exit, error: Option<String>) -> Result<()> {
        let mut end = end_record(exit);
        // The library's own record is still there.
        end.detail.started = self.born(id);
        end.detail.error = error;
        self.keep_health(id)?;
        self.expect_restart(id)?;
        let (here, now) = (self.end_of(id, exit), super::restart::now());
        self.records().write_in_reserve("record end", |tx| {
            containers::end(tx, id, &end)?;
            let known = life::get(tx, id)?;
            let after = known.clone().after(&here, now);
            match after == known {
                true => Ok(()),
                false => life::put(tx, id, &after),
            }
        })
    }

    /// Records that a container could not be started, as its end; whoever asked for it knows, and it is not started again.
    pub(super) fn record_failure(&self, id: &str, exit: &Exit, error: Option<String>) -> Result<()> {
        let mut end = end_record(exit);
        end.detail.error = error;
        self.records().write_in_reserve("record end", |tx| {
            containers::end(tx, id, &end)?;
            let known = life::get(tx, id)?;
            match known.due {
                None => Ok(()),
                Some(_) => life::put(tx, id, &LifeRecord { due: None, ..known }),
            }
        })?;
        self.forget_due(id)
    }

    /// Removes record, snapshot and folder, in this order: what has no record is nobody's, and whoever dies in between has
    /// said so before. The volumes that nobody named go with it where `volumes` says so.
    pub(super) fn remove_everything(&self, id: &str, volumes: bool) -> Result<()> {
        let _intent = self.intend()?;
        self.forget_container(id, volumes)?;
        tare_failpoint::pass("remove-recorded")?;
        self.remove_files(id)
    }

    /// Removes what a container without a record left on disk.
    fn remove_files(&self, id: &str) -> Result<()> {
        self.snapshots().remove(id)?;
        tare_failpoint::pass("remove-snapshot")?;
        tare_store::remove_tree(&self.container_folder(id))?;
        tare_failpoint::pass("remove-folder")
    }

    /// Removes what is left of containers that have no record. One that is being made has its record first.
    ///
    /// # Errors
    /// The file system's and the database's.
    pub(crate) fn sweep_containers(&self) -> Result<()> {
        let mut left = self.snapshots().tops()?;
        left.extend(super::reconcile::names(&self.container_folders())?);
        let known = self.records().read("list containers", containers::all)?;
        left.retain(|id| !known.iter().any(|record| record.id == *id));
        left.sort_unstable();
        left.dedup();
        left.iter().try_for_each(|id| self.remove_files(id))
    }

    /// Removes a container, by its name, id or the beginning of its id; says which. One that runs only with `force`: it is
    /// killed. The volumes that nobody named go with it where `volumes` says so.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` while it runs.
    pub fn remove_container(&self, typed: &str, force: bool, volumes: bool) -> Result<String> {
        self.noted(typed, "destroy", &[], || self.try_remove(typed, force, volumes))
    }

    fn try_remove(&self, typed: &str, force: bool, volumes: bool) -> Result<String> {
        let record = self.find_container(typed)?;
        let id = &record.id;
        let restarting = || {
            Error::new(Kind::Conflict, "remove container", typed)
                .because("container is restarting: stop the container before removing or force remove")
                .hint(format!(
                    "`tare stop {typed}` stops it, `tare rm -f {typed}` removes it"
                ))
        };
        if force {
            self.want_end(id)?;
        } else if self.due(id)?.is_some() {
            return Err(restarting());
        }
        let pod = self.hold_ended(&record, typed, force)?;
        // It may have ended just now, and be about to be started again by whoever waits for what we hold.
        let life = self.records().read("read container", |tx| life::get(tx, id))?;
        if !force && life.due.is_some() {
            pod.remove()?;
            return Err(restarting());
        }
        self.in_reserve(|| self.end(&pod, id)?.clear(id))?;
        tare_failpoint::pass("remove-ended")?;
        self.remove_everything(id, volumes)?;
        pod.remove()?;
        tare_failpoint::pass("remove-left")?;
        self.forget_due(id)?;
        match &record.pod {
            // Who cleared away the last that ran in it may have found us at this one, and left it.
            Some(of) if life.began => self.end_pod_with_last(of)?,
            _ => {}
        }
        Ok(record.id)
    }

    /// The pod folder of a container that is to be removed, and does not run: with `force` it is ended.
    fn hold_ended(&self, record: &ContainerRecord, typed: &str, force: bool) -> Result<Pod> {
        let id = &record.id;
        let busy = || {
            Error::new(Kind::Conflict, "remove container", typed)
                .because("it is running")
                .hint(format!(
                    "`tare stop {typed}` stops it, `tare rm -f {typed}` kills it"
                ))
        };
        for _ in 0..ATTEMPTS {
            if let Some(Supervised {
                mut connection,
                state,
            }) = self.find_started(id)?
            {
                let lives = matches!(state, Ok((condition, _)) if condition != Condition::Stopped);
                if lives && !force {
                    return Err(busy());
                }
                match connection.end(id) {
                    // All of it is gone in the meantime.
                    Err(e) if !matches!(e.kind(), Kind::NotFound | Kind::Unavailable) => {
                        return Err(e).during("remove container", typed);
                    }
                    _ => {}
                }
                drop(connection);
                self.settled(id)?;
            }
            let pod = Pod::hold(self, &Id::parse(id)?, record.pod.as_deref())?;
            if !self.is_looked_after(&pod, id)? {
                return Ok(pod);
            }
            // Whoever was just about to start it has done so, as it was due or somebody asked.
            if !force {
                break;
            }
        }
        Err(busy())
    }

    /// Waits until a container that has ended is settled: by whoever keeps it, or by us.
    pub(super) fn settled(&self, id: &str) -> Result<()> {
        match Pod::await_turn(self, id)? {
            Some(pod) => self.clear_ended_away(pod, id),
            None => Ok(()),
        }
    }
}

/// Whether a container goes with its end: not where that is only on the way to its next start.
fn goes(record: &ContainerRecord, life: &LifeRecord) -> bool {
    record.remove && life.due.is_none()
}

/// The end as the database keeps it.
pub(super) fn end_record(exit: &Exit) -> EndRecord {
    let limit = exit.oom.as_ref().and_then(|oom| oom.limit);
    EndRecord {
        at: i64::try_from(exit.at / 1_000_000_000).unwrap_or(i64::MAX),
        code: exit.code,
        oom_limit: limit.and_then(|bytes| i64::try_from(bytes).ok()),
        unknown: exit.unknown.clone(),
        detail: EndDetail {
            finished: Some(Moment::from(UNIX_EPOCH + Duration::from_nanos(exit.at)).to_string()),
            signal: exit.signal,
            oom: exit.oom.clone(),
            ..EndDetail::default()
        },
    }
}
