//! Containers that are there and do not run: started again, named anew, and what they have said.

use super::create::Container;
use super::note::Stages;
use super::place::Pod;
use super::request::{LifeRequest, Name};
use crate::Engine;
use crate::records::containers::{self, ContainerRecord};
use crate::records::life;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use std::time::{Duration, SystemTime};
use tare_error::{Context, Error, Kind, Result};
use tare_logs::{Query, Reader};
use tare_shim::{Condition, Exit};
use tare_store::Id;

/// Who has the streams of a container that is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joined {
    /// Its log has them.
    Nobody,
    /// Whoever starts it has its outputs.
    Outputs,
    /// And its input.
    Everything,
}

/// Why a container is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Somebody wants it.
    Asked,
    /// It is time, by its restart policy.
    Due,
}

impl Engine {
    /// Starts a container that does not run, to live without us; `false` where it runs already.
    ///
    /// # Errors
    /// `NotFound` where there is no such container; what keeps its process from starting, which is recorded as its end.
    pub fn start_container(&self, typed: &str) -> Result<bool> {
        let Some(container) = self.started(typed, Joined::Nobody, Why::Asked)? else {
            return Ok(false);
        };
        container.leave();
        Ok(true)
    }

    /// Starts a container that does not run, and whose streams are ours: as a `run` in the foreground, it ends with us.
    ///
    /// # Errors
    /// As [`Engine::start_container`]; `Conflict` where it runs already.
    pub fn start_attached(&self, typed: &str, interactive: bool) -> Result<Container<'_>> {
        let joined = match interactive {
            true => Joined::Everything,
            false => Joined::Outputs,
        };
        self.started(typed, joined, Why::Asked)?.ok_or_else(|| {
            Error::new(Kind::Conflict, "start and attach to", typed)
                .because("it is running")
                .hint(format!("`tare logs -f {typed}` shows what it writes"))
        })
    }

    /// Stops a container as [`Engine::stop_container`], where it runs, and starts it.
    ///
    /// # Errors
    /// Those of both.
    pub fn restart_container(&self, typed: &str, signal: Option<i32>, timeout: Option<i64>) -> Result<()> {
        self.noted(typed, "restart", &[], || {
            let record = self.find_container(typed)?;
            self.want_start(&record.id, record.remove)?;
            self.end_gently(&record, signal, timeout)?;
            self.start_container(&record.id).map(drop)
        })
    }

    /// Starts a container that is due, whoever else may be at it.
    pub(super) fn start_one_due(&self, id: &str) -> Result<()> {
        let started = self.started(id, Joined::Nobody, Why::Due)?;
        started.into_iter().for_each(Container::leave);
        Ok(())
    }

    /// A container that runs since just now; none where it ran already, or is not due any more.
    fn started(&self, typed: &str, joined: Joined, why: Why) -> Result<Option<Container<'_>>> {
        let record = self.find_container(typed)?;
        while let Some(found) = self.find_supervisor(&record.id)? {
            match found.state {
                // It has ended, and nobody has settled that yet.
                Ok((Condition::Stopped, _)) | Err(_) => {
                    drop(found.connection);
                    self.settled(&record.id)?;
                    break;
                }
                // It may have ended of what it was told before.
                Ok(_) if why == Why::Asked && self.want_on(&record.id)? => {}
                Ok(_) => return Ok(None),
            }
        }
        let pod = Pod::hold(self, &Id::parse(&record.id)?, record.pod.as_deref())?;
        if pod.dir.supervisor_alive()? {
            return Ok(None);
        }
        if self.is_unsettled(&record.id)? {
            // Whoever made it, or cleared it away, has died over that.
            self.clear_away(pod, &record.id)?;
            return self.started(&record.id, joined, why);
        }
        // Held, it is looked at once more: it may have been removed in the meantime.
        let found = self.find_container(&record.id);
        let known = found.and_then(|record| match self.begin(&record.id, why)? {
            true => self.known(&record, joined).map(Some),
            false => Ok(None),
        });
        let mut container = match known {
            Ok(Some(container)) => container,
            Ok(None) => return pod.remove().map(|()| None),
            Err(error) => {
                return Err(match pod.remove() {
                    Ok(()) => error,
                    Err(also) => error.also(also),
                });
            }
        };
        container.pod = Some(pod);
        match container.start() {
            Ok(()) => {
                self.have_started(&record.id)?;
                Ok(Some(container))
            }
            Err(error) if record.remove => Err(match self.remove_everything(&record.id, true) {
                Ok(()) => error,
                Err(also) => error.also(also),
            }),
            Err(error) => {
                let reason = Some(tare_error::Report::new(&error).to_string());
                let end = never_began(&error);
                match why {
                    Why::Asked => self.record_failure(&record.id, &end, reason)?,
                    Why::Due => self.record_end_with(&record.id, &end, reason)?,
                }
                Err(error)
            }
        }
    }

    /// Whether a container that nobody is at was never whole, and has no end on record either.
    fn is_unsettled(&self, id: &str) -> Result<bool> {
        self.records().read("read container", |tx| {
            let has_end = containers::get(tx, id)?.map(|record| record.end.is_some());
            Ok(has_end == Some(false) && !life::get(tx, id)?.made)
        })
    }

    /// Says of a container that it is about to be started; whether it still is to be.
    fn begin(&self, id: &str, why: Why) -> Result<bool> {
        match why {
            Why::Asked => self.want_start(id, false).map(|()| true),
            Why::Due => {
                let known = self.records().read("read container", |tx| life::get(tx, id))?;
                Ok(known.due.is_some())
            }
        }
    }

    /// A container that was there before, to be started.
    fn known(&self, record: &ContainerRecord, joined: Joined) -> Result<Container<'_>> {
        let id = Id::parse(&record.id)?;
        let spec = self.spec_of(&record.id)?;
        let process = spec.process.unwrap_or_default();
        let life = LifeRequest {
            detached: joined == Joined::Nobody,
            // Nobody would ever end an input that nobody has.
            interactive: record.interactive && joined != Joined::Outputs,
            handler: Some(record.handler.clone()),
            terminal: process.terminal,
            remove: record.remove,
            ..LifeRequest::default()
        };
        Ok(Container {
            engine: self,
            name: record.name.clone(),
            remove: record.remove,
            known: true,
            pod: None,
            call: Some(Box::new(self.call(&record.id, &life)?)),
            command: super::draft::init::after(&process.args)
                .first()
                .cloned()
                .unwrap_or_default(),
            life,
            starting: None,
            connection: None,
            running: false,
            warnings: Vec::new(),
            volumes: Vec::new(),
            subject: self.subject(&record.id),
            stages: Stages::default(),
            id,
        })
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// `NotFound` where there is no such container, `AlreadyExists` where another has the name.
    pub fn rename_container(&self, typed: &str, name: &Name) -> Result<()> {
        let attributes = [("newName", name.to_string())];
        self.noted(typed, "rename", &attributes, || self.try_rename(typed, name))
    }

    fn try_rename(&self, typed: &str, name: &Name) -> Result<()> {
        let record = self.find_container(typed)?;
        let renamed = self.records().write("rename container", |tx| {
            containers::rename(tx, &record.id, name.as_str())
        });
        tare_failpoint::pass("renamed")?;
        match renamed {
            Err(e) if e.kind() == Kind::AlreadyExists => Err(self.name_in_use(name.as_str(), e)),
            renamed => renamed,
        }
    }

    /// Opens what a container has written.
    ///
    /// # Errors
    /// `NotFound` where there is no such container; `Unsupported` for one that has none.
    pub fn log(&self, typed: &str, query: Query) -> Result<Reader> {
        let record = self.find_container(typed)?;
        match Reader::open(&self.log_of(&record.id), query) {
            Err(e) if e.kind() == Kind::NotFound => {
                Err(Error::new(Kind::Unsupported, "read the log of", typed)
                    .because(
                        "it has not written anything yet, or runs in the foreground and goes with its end",
                    )
                    .hint("without --rm, and with -d, it is kept"))
            }
            opened => opened,
        }
    }

    /// Tells when there may be more in a container's log, or when it has ended.
    ///
    /// # Errors
    /// `NotFound` where there is no such container; the kernel's.
    pub fn changes(&self, typed: &str) -> Result<Changes> {
        let id = self.find_container(typed)?.id;
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).op("watch", typed)?;
        let of_log = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        let folder = self.container_folder(&id);
        match inotify::add_watch(&inotify, &folder, of_log) {
            // It is just being made: nothing is said of that, and nobody waits for more than a second.
            Err(Errno::NOENT) => {}
            watched => watched.op("watch", folder.display()).map(drop)?,
        }
        // Where that is gone it has ended, which whoever asks finds by himself.
        let _ = inotify::add_watch(
            &inotify,
            self.pod_folder(&id),
            WatchFlags::DELETE | WatchFlags::DELETE_SELF,
        );
        Ok(Changes { inotify })
    }

    /// Whether a container runs, or is about to be started again; one that is gone does not.
    ///
    /// # Errors
    /// The database's.
    pub fn is_running(&self, typed: &str) -> Result<bool> {
        match self.find_container(typed) {
            Err(e) if e.kind() == Kind::NotFound => Ok(false),
            record => {
                let id = record?.id;
                Ok(self.find_supervisor(&id)?.is_some() || self.due(&id)?.is_some())
            }
        }
    }
}

/// Tells when something changes.
#[derive(Debug)]
pub struct Changes {
    inotify: OwnedFd,
}

impl Changes {
    /// Waits for the next change; a second at most, as a supervisor may have been killed, which changes no file.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait(&self) -> Result<()> {
        self.wait_for(Duration::from_secs(1))
    }

    /// The same of several containers: for the first change of any.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait_for_any(several: &[&Changes]) -> Result<()> {
        Changes::wait_at_most(several, Duration::from_secs(1))
    }

    /// The same, for another time.
    pub(super) fn wait_for(&self, time: Duration) -> Result<()> {
        Changes::wait_at_most(&[self], time)
    }

    fn wait_at_most(several: &[&Changes], time: Duration) -> Result<()> {
        let time = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(time.subsec_nanos()),
        };
        let mut watched: Vec<PollFd<'_>> = several
            .iter()
            .map(|changes| PollFd::new(&changes.inotify, PollFlags::IN))
            .collect();
        match poll(&mut watched, Some(&time)) {
            Err(Errno::INTR) => return Ok(()),
            waited => waited.op("wait for", "a change of the log")?,
        };
        // Which one does not matter.
        let mut events = [0; 4096];
        for changes in several {
            while rustix::io::read(&changes.inotify, &mut events).is_ok() {}
        }
        Ok(())
    }
}

/// The end of a container whose process could not be started.
fn never_began(error: &Error) -> Exit {
    let since = SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Exit {
        code: error.kind().exit_code(),
        signal: None,
        at: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
        oom: None,
        unknown: None,
    }
}
