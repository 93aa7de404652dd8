//! Containers that are started again: the decision at each end, and who waits for the moment. There is no daemon.
//!
//! ```text
//! end ─▶ recorded, with the moment it is due (one commit) ─▶ <run>/due/<id>, locked by whoever waits: `tare reap ID`
//!                                                             │ woken by whoever stops, starts or removes it
//!                                                             ▼
//!                              pod held ─▶ still due? ─▶ started as by `tare start` ─▶ its supervisor reaps its end
//! ```
//! The file says only that somebody should wait; what is true is in the database. Where nobody holds it, the next command starts
//! another `tare reap ID`. What is due while it runs is due no more.

use super::place::{Pod, make_folder};
use super::request::RestartPolicy;
use crate::Engine;
use crate::records::containers::ContainerRecord;
use crate::records::life::{self, LifeRecord};
use crate::records::seconds;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tare_error::{Context, Result};
use tare_shim::{Exit, PodDir};
use tare_store::Lock;

/// What is waited before the first start after an end, in milliseconds (docker's).
const SHORTEST: u32 = 100;
/// What is waited at most.
const LONGEST: u32 = 60_000;
/// Who ran so long is not one that ends at once, again and again: it is started without delay.
const STEADY: Duration = Duration::from_secs(10);

impl LifeRecord {
    /// How it is started again.
    pub fn restart(&self) -> RestartPolicy {
        // Written by us alone; what cannot be read is a newer program's, and does nothing.
        RestartPolicy::parse(&self.policy).unwrap_or_default()
    }

    /// Whether somebody has to look after its ends.
    fn is_followed(&self) -> bool {
        self.restart() != RestartPolicy::No
    }

    /// Whether it is started again after an end that nobody has settled yet.
    pub(super) fn follows(&self, code: u8) -> bool {
        let end = End {
            at: i64::MAX,
            code,
            ran: Duration::ZERO,
        };
        self.due.is_some() || self.clone().after(&end, 0).due.is_some()
    }

    /// What follows from an end: `code`, so long after the start, at this moment. One end is decided upon once.
    pub(super) fn after(self, end: &End, now: i64) -> LifeRecord {
        if end.at <= self.decided || !self.is_followed() {
            return self;
        }
        let again = !self.stopped
            && match self.restart() {
                RestartPolicy::No => false,
                RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
                RestartPolicy::OnFailure(most) => {
                    end.code != 0 && most.is_none_or(|most| self.restarts < most)
                }
            };
        let pause = match self.pause {
            _ if end.ran >= STEADY => SHORTEST,
            0 => SHORTEST,
            before => before.saturating_mul(2).min(LONGEST),
        };
        LifeRecord {
            due: again.then(|| now.saturating_add(i64::from(pause))),
            pause: if again { pause } else { 0 },
            restarts: self.restarts + u32::from(again),
            decided: end.at,
            ..self
        }
    }

    /// Whether a reboot is a reason to start it.
    fn survives_a_reboot(&self, failed: bool) -> bool {
        match self.restart() {
            _ if !self.began => false,
            RestartPolicy::No => false,
            RestartPolicy::Always => true,
            RestartPolicy::UnlessStopped => !self.stopped,
            RestartPolicy::OnFailure(_) => !self.stopped && (failed || self.due.is_some()),
        }
    }
}

/// What is to be expected of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlook {
    /// It runs, or is not to be started again.
    Over,
    /// Somebody is starting it or clearing it away, or has died of that.
    Busy,
    /// It is to be started again at this moment, in milliseconds since 1970.
    Due(i64),
}

/// An end, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// When, in nanoseconds since 1970.
    pub(super) at: i64,
    pub(super) code: u8,
    /// How long it had run.
    pub(super) ran: Duration,
}

impl Engine {
    /// What follows from an end, to be recorded with it. Says first that somebody has to wait: who dies in between has said too
    /// much, and not too little.
    pub(super) fn expect_restart(&self, id: &str) -> Result<()> {
        let known = self.records().read("read container", |tx| life::get(tx, id))?;
        if known.is_followed() && !known.stopped {
            self.say_due(id)?;
            tare_failpoint::pass("due-said")?;
        }
        Ok(())
    }

    /// An end as it matters here. It has run since there is a pod's folder, which is a moment longer.
    pub(super) fn end_of(&self, id: &str, exit: &Exit) -> End {
        let at = UNIX_EPOCH + Duration::from_nanos(exit.at);
        let ran = Pod::since(self, id).and_then(|since| at.duration_since(since).ok());
        End {
            at: i64::try_from(exit.at).unwrap_or(i64::MAX),
            code: exit.code,
            ran: ran.unwrap_or_default(),
        }
    }

    /// Somebody wants it to end, or not to be started again: on record before anything follows from it.
    pub(super) fn want_end(&self, id: &str) -> Result<LifeRecord> {
        let known = self.records().read("read container", |tx| life::get(tx, id))?;
        let is_expected = known.is_followed() && !known.stopped;
        if !is_expected && known.due.is_none() {
            return Ok(known);
        }
        let ended = self.records().write_in_reserve("record stop", |tx| {
            let life = LifeRecord {
                stopped: true,
                due: None,
                pause: 0,
                ..life::get(tx, id)?
            };
            life::put(tx, id, &life).map(|()| life)
        })?;
        tare_failpoint::pass("stop-recorded")?;
        self.wake(id)?;
        Ok(ended)
    }

    /// Somebody wants it to run: on record before anything follows from it. Who dies on the way leaves one that is due, where its
    /// ends are looked after, or where it would go with the one before that start (`again`).
    pub(super) fn want_start(&self, id: &str, again: bool) -> Result<()> {
        let known = self.records().read("read container", |tx| life::get(tx, id))?;
        let is_due = again || known.is_followed() || known.due.is_some();
        if is_due {
            self.say_due(id)?;
        }
        let at = now();
        let wanted = |known: LifeRecord| LifeRecord {
            began: true,
            stopped: false,
            restarts: 0,
            pause: 0,
            due: is_due.then_some(at),
            ..known
        };
        if wanted(known.clone()) == known {
            return Ok(());
        }
        self.records().write("record start", |tx| {
            let life = wanted(life::get(tx, id)?);
            life::put(tx, id, &life)
        })?;
        tare_failpoint::pass("start-recorded")
    }

    /// It was started, as was wanted: where its ends are not looked after, the next one is the last.
    pub(super) fn have_started(&self, id: &str) -> Result<()> {
        let known = self.records().read("read container", |tx| life::get(tx, id))?;
        if !known.is_followed() && known.due.is_some() {
            self.records().write_unsynced("record start", |tx| {
                let life = LifeRecord {
                    due: None,
                    ..life::get(tx, id)?
                };
                life::put(tx, id, &life)
            })?;
        }
        self.forget_due(id)
    }

    /// Somebody wants one to run that does: on record where somebody else has wanted its end before, of which it may be about to die.
    /// Whether that was so.
    pub(super) fn want_on(&self, id: &str) -> Result<bool> {
        let known = self.records().read("read container", |tx| life::get(tx, id))?;
        if !known.is_followed() || !known.stopped {
            return Ok(false);
        }
        self.records().write("record start", |tx| {
            let life = LifeRecord {
                stopped: false,
                ..life::get(tx, id)?
            };
            life::put(tx, id, &life)
        })?;
        tare_failpoint::pass("start-recorded").map(|()| true)
    }

    /// When a container that does not run is to be started again, in milliseconds since 1970.
    pub(super) fn due(&self, id: &str) -> Result<Option<i64>> {
        match self.outlook(id)? {
            Outlook::Due(at) => Ok(Some(at)),
            _ => Ok(None),
        }
    }

    /// Whether a container is to be started again once it has ended.
    pub(super) fn is_due(&self, id: &str) -> Result<bool> {
        let life = self.records().read("read container", |tx| life::get(tx, id))?;
        Ok(life.due.is_some())
    }

    fn outlook(&self, id: &str) -> Result<Outlook> {
        let life = self.records().read("read container", |tx| life::get(tx, id))?;
        let Some(due) = life.due else {
            return Ok(Outlook::Over);
        };
        match PodDir::open(self.pod_folder(id)) {
            Ok(pod) if pod.supervisor_alive()? => Ok(Outlook::Over),
            Ok(_) => Ok(Outlook::Busy),
            Err(_) => Ok(Outlook::Due(due)),
        }
    }

    /// Starts somebody who waits for each container that is due and for which nobody does. What cannot be started is left to the
    /// next command.
    ///
    /// # Errors
    /// The file system's.
    pub fn look_after_due(&self) -> Result<()> {
        for id in super::reconcile::names(&self.due_folder())? {
            if Lock::try_exclusive(&self.due_file(&id))?.is_none() {
                continue;
            }
            // No database connection lives while a process is made.
            self.records().close();
            let Some((program, arguments)) = self.programs().reaper.split_first() else {
                return Ok(());
            };
            let mut command = Command::new(program);
            command.args(arguments).arg(&id).process_group(0);
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            drop(command.spawn().op("execute", program)?);
        }
        Ok(())
    }

    /// Starts every container that is due by now, after a reboot; the names of those that were, and what went wrong.
    ///
    /// # Errors
    /// The file system's and the database's.
    pub fn start_due(&self) -> Result<Vec<(String, Result<()>)>> {
        let mut done = Vec::new();
        for id in super::reconcile::names(&self.due_folder())? {
            let Ok(record) = self.find_container(&id) else {
                continue;
            };
            if self.due(&id)?.is_none_or(|due| due > now()) {
                continue;
            }
            done.push((record.name, self.start_one_due(&id)));
        }
        self.look_after_due()?;
        Ok(done)
    }

    /// Waits until a container is to be started again, and starts it; again, where that fails. Returns where it is not due any
    /// more, or where somebody else waits.
    pub(super) fn await_restart(&self, id: &str) -> Result<()> {
        loop {
            match self.outlook(id)? {
                Outlook::Due(_) => {}
                Outlook::Busy => return Ok(()),
                Outlook::Over => return self.forget_due(id),
            }
            make_folder(&self.due_folder())?;
            let path = self.due_file(id);
            let Some(_alone) = Lock::try_exclusive(&path)? else {
                // Who holds it looks once more when he has let go.
                return Ok(());
            };
            self.await_alone(id, &Woken::of(&path)?)?;
        }
    }

    /// The same, by the only one who does.
    fn await_alone(&self, id: &str, woken: &Woken) -> Result<()> {
        while let Outlook::Due(due) = self.outlook(id)? {
            match u64::try_from(due - now()) {
                Ok(left) if left > 0 => {
                    self.records().close();
                    woken.wait(left.min(u64::from(LONGEST)))?;
                }
                _ => match self.start_one_due(id) {
                    // With its end it is on record when it is due again; where it is not, that is the next command's.
                    Err(e) if matches!(self.outlook(id)?, Outlook::Due(same) if same == due) => {
                        return Err(e);
                    }
                    _ => {}
                },
            }
        }
        Ok(())
    }

    fn due_folder(&self) -> PathBuf {
        self.roots().run().join("due")
    }

    fn due_file(&self, id: &str) -> PathBuf {
        self.due_folder().join(id)
    }

    /// Says that somebody has to wait for a container's start.
    pub(super) fn say_due(&self, id: &str) -> Result<()> {
        make_folder(&self.due_folder())?;
        let path = self.due_file(id);
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(true);
        options.open(&path).op("make", path.display()).map(drop)
    }

    /// Whoever waits is to look again.
    pub(super) fn wake(&self, id: &str) -> Result<()> {
        let path = self.due_file(id);
        match std::fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now())) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).op("touch", path.display()),
            _ => Ok(()),
        }
    }

    /// Nobody has to wait any more; who does so still finds that himself.
    pub(super) fn forget_due(&self, id: &str) -> Result<()> {
        let path = self.due_file(id);
        if !path.exists() {
            return Ok(());
        }
        let Some(held) = Lock::try_exclusive(&path)? else {
            return self.wake(id);
        };
        tare_failpoint::pass("due-forgotten")?;
        remove(&path)?;
        drop(held);
        // It may have been started by somebody else and have ended since: who wanted to wait then has left that to us, as we held this.
        match self.outlook(id)? {
            Outlook::Due(_) => self.say_due(id).and_then(|()| self.look_after_due()),
            Outlook::Over | Outlook::Busy => Ok(()),
        }
    }

    /// After a reboot: what is to run again is due.
    pub(super) fn resume_after_boot(&self, records: &[ContainerRecord]) -> Result<()> {
        let lives = self.records().read("list containers", life::all)?;
        let due = |record: &&ContainerRecord| {
            let failed = record.end.as_ref().is_none_or(|end| end.code != 0);
            !record.remove
                && lives
                    .get(&record.id)
                    .is_some_and(|life| life.survives_a_reboot(failed))
        };
        let due: Vec<&str> = records.iter().filter(due).map(|r| r.id.as_str()).collect();
        if due.is_empty() {
            return Ok(());
        }
        due.iter().try_for_each(|id| self.say_due(id))?;
        let at = now();
        self.records().write("record start", |tx| {
            due.iter().try_for_each(|id| {
                let life = LifeRecord {
                    stopped: false,
                    pause: 0,
                    due: Some(at),
                    ..life::get(tx, id)?
                };
                life::put(tx, id, &life)
            })
        })
    }
}

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or_else(|_| seconds(SystemTime::now()).saturating_mul(1000))
}

fn remove(path: &std::path::Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).op("remove", path.display()),
        _ => Ok(()),
    }
}

/// Tells when a file is touched.
struct Woken(OwnedFd);

impl Woken {
    fn of(path: &std::path::Path) -> Result<Woken> {
        let inotify =
            inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).op("watch", path.display())?;
        let flags = WatchFlags::ATTRIB | WatchFlags::DELETE_SELF;
        inotify::add_watch(&inotify, path, flags).op("watch", path.display())?;
        Ok(Woken(inotify))
    }

    /// Waits for that, so many milliseconds at most.
    fn wait(&self, milliseconds: u64) -> Result<()> {
        let time = Timespec {
            tv_sec: i64::try_from(milliseconds / 1000).unwrap_or(0),
            tv_nsec: i64::try_from(milliseconds % 1000).unwrap_or(0) * 1_000_000,
        };
        let mut watched = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut watched, Some(&time)) {
            Err(Errno::INTR) => return Ok(()),
            waited => waited.op("wait for", "the moment of a start")?,
        };
        let mut events = [0; 4096];
        while rustix::io::read(&self.0, &mut events).is_ok() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(policy: &str) -> LifeRecord {
        LifeRecord {
            policy: policy.to_owned(),
            ..LifeRecord::default()
        }
    }

    fn end(at: i64, code: u8, ran: u64) -> End {
        End {
            at,
            code,
            ran: Duration::from_secs(ran),
        }
    }

    #[test]
    fn policies_decide_by_code_count_and_wish() {
        for (policy, stopped, code, again) in [
            ("no", false, 1, false),
            ("always", false, 0, true),
            ("always", true, 0, false),
            ("unless-stopped", false, 7, true),
            ("unless-stopped", true, 7, false),
            ("on-failure", false, 0, false),
            ("on-failure", false, 255, true),
            ("on-failure:2", false, 1, true),
            ("something newer", false, 1, false),
        ] {
            let life = LifeRecord {
                stopped,
                ..life(policy)
            };
            let after = life.after(&end(1, code, 0), 1000);
            assert_eq!(after.due.is_some(), again, "{policy} {stopped} {code}");
        }
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_are_short_again_after_a_steady_run() {
        let mut one = life("always");
        let mut pauses = Vec::new();
        for at in 1..=12 {
            one = one.after(&end(at, 1, 0), 0);
            pauses.push(one.due.unwrap());
        }
        assert_eq!(
            pauses,
            [
                100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000
            ]
        );
        assert_eq!(one.restarts, 12);
        let same = one.clone().after(&end(12, 1, 0), 5);
        assert_eq!(same, one, "one end is decided upon once");
        one = one.after(&end(13, 1, 10), 0);
        assert_eq!((one.due, one.restarts), (Some(100), 13));
    }

    #[test]
    fn failures_are_counted_up_to_the_most() {
        let mut one = life("on-failure:2");
        for (at, again) in [(1, true), (2, true), (3, false)] {
            one = one.after(&end(at, 1, 60), 0);
            assert_eq!(one.due.is_some(), again, "{at}");
        }
        assert_eq!(one.restarts, 2);
    }

    #[test]
    fn reboots() {
        for (policy, stopped, failed, again) in [
            ("no", false, true, false),
            ("always", true, false, true),
            ("unless-stopped", true, false, false),
            ("unless-stopped", false, false, true),
            ("on-failure", false, true, true),
            ("on-failure", false, false, false),
            ("on-failure", true, true, false),
        ] {
            let one = LifeRecord {
                stopped,
                ..life(policy)
            };
            assert_eq!(
                one.survives_a_reboot(failed),
                again,
                "{policy} {stopped} {failed}"
            );
            let never = LifeRecord { began: false, ..one };
            assert!(!never.survives_a_reboot(failed), "{policy}");
        }
    }
}
