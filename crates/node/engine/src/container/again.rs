//! Containers that are there and do not run: started again, named anew, and what they have said.

use super::create::Container;
use super::place::Pod;
use super::request::{LifeRequest, Name};
use crate::Engine;
use crate::records::containers::{self, ContainerRecord};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use std::time::SystemTime;
use tare_error::{Context, Error, Kind, Result};
use tare_logs::{Query, Reader};
use tare_shim::{Condition, Exit};
use tare_store::Id;

impl Engine {
    /// Starts a container that does not run, to live without us; `false` where it runs already.
    ///
    /// # Errors
    /// `NotFound` where there is no such container; what keeps its process from starting, which is recorded as its end.
    pub fn start_container(&self, typed: &str) -> Result<bool> {
        let record = self.find_container(typed)?;
        if let Some(found) = self.find_supervisor(&record.id)? {
            match found.state {
                // It has ended, and nobody has settled that yet.
                Ok((Condition::Stopped, _)) | Err(_) => {}
                Ok(_) => return Ok(false),
            }
            drop(found.connection);
            self.settled(&record.id)?;
        }
        let pod = Pod::hold(self, &Id::parse(&record.id)?)?;
        if pod.dir.supervisor_alive()? {
            return Ok(false);
        }
        // Held, it is looked at once more: it may have been removed in the meantime.
        let found = self.find_container(&record.id);
        let mut container = match found.and_then(|record| self.known(&record)) {
            Ok(container) => container,
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
                container.leave();
                Ok(true)
            }
            Err(error) => {
                self.record_end(&record.id, &never_began(&error))?;
                Err(error)
            }
        }
    }

    /// A container that was there before, to be started.
    fn known(&self, record: &ContainerRecord) -> Result<Container<'_>> {
        let id = Id::parse(&record.id)?;
        let spec = self.spec_of(&record.id)?;
        let process = spec.process.unwrap_or_default();
        let life = LifeRequest {
            detached: true,
            interactive: record.interactive,
            terminal: process.terminal,
            ..LifeRequest::default()
        };
        Ok(Container {
            engine: self,
            name: record.name.clone(),
            remove: record.remove,
            known: true,
            pod: None,
            call: Some(Box::new(self.call(&record.id, &life)?)),
            command: process.args.first().cloned().unwrap_or_default(),
            connection: None,
            running: false,
            warnings: Vec::new(),
            id,
        })
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// `NotFound` where there is no such container, `AlreadyExists` where another has the name.
    pub fn rename_container(&self, typed: &str, name: &Name) -> Result<()> {
        let record = self.find_container(typed)?;
        let renamed = self.records().write("rename container", |tx| {
            containers::rename(tx, &record.id, name.as_str())
        });
        match renamed {
            Err(e) if e.kind() == Kind::AlreadyExists => Err(self.name_in_use(name.as_str(), e)),
            renamed => renamed,
        }
    }

    /// Opens what a container has written.
    ///
    /// # Errors
    /// `NotFound` where there is no such container; `Unsupported` for one that had its starter's streams.
    pub fn log(&self, typed: &str, query: Query) -> Result<Reader> {
        let record = self.find_container(typed)?;
        match Reader::open(&self.log_of(&record.id), query) {
            Err(e) if e.kind() == Kind::NotFound => {
                Err(Error::new(Kind::Unsupported, "read the log of", typed)
                    .because("it ran in the foreground, and what it wrote went there")
                    .hint("`tare run -d` keeps what a container writes"))
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
        inotify::add_watch(&inotify, &folder, of_log).op("watch", folder.display())?;
        // Where that is gone it has ended, which whoever asks finds by himself.
        let _ = inotify::add_watch(
            &inotify,
            self.pod_folder(&id),
            WatchFlags::DELETE | WatchFlags::DELETE_SELF,
        );
        Ok(Changes { inotify })
    }

    /// Whether a container runs; one that is gone does not.
    ///
    /// # Errors
    /// The database's.
    pub fn is_running(&self, typed: &str) -> Result<bool> {
        match self.find_container(typed) {
            Err(e) if e.kind() == Kind::NotFound => Ok(false),
            record => Ok(self.find_supervisor(&record?.id)?.is_some()),
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
        let second = Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        let mut watched = [PollFd::new(&self.inotify, PollFlags::IN)];
        match poll(&mut watched, Some(&second)) {
            Err(Errno::INTR) => return Ok(()),
            waited => waited.op("wait for", "a change of the log")?,
        };
        // Which one does not matter.
        let mut events = [0; 4096];
        while rustix::io::read(&self.inotify, &mut events).is_ok() {}
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
