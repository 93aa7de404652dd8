//! A container's files, for commands outside of it: copied in and out, compared, exported, committed.
//!
//! ```text
//! it runs     ─▶ /proc/PID/root, held; asked again whether that was its process
//! it does not ─▶ pod folder locked ─▶ a thread with mounts of its own: top, volumes, directories of the machine
//!             ─▶ a root that is held ─▶ openat2 inside it ─▶ packed here, unpacked there
//! ```
//! The container may run, and may be hostile. Nothing it has leads out of its root, nothing of it but files and directories is
//! opened, and nothing that is there is written to: a new file comes in the place of an old one. The mounts of the thread go
//! with it, however it ends.

mod assembly;
mod changes;
mod commit;
mod copy;
mod place;

pub use changes::{Change, ChangeKind};
pub use copy::{Copied, CopyOptions};

use super::look::ImageView;
use super::place::{ATTEMPTS, Pod};
use crate::Engine;
use tare_error::{Error, Kind, Result};
use tare_path::Root;
use tare_shim::Condition;
use tare_store::Id;

impl Engine {
    /// Does something with a container's files as its processes see them, or would.
    pub(super) fn with_files<T: Send>(
        &self,
        typed: &str,
        act: impl FnOnce(&Root) -> Result<T> + Send,
    ) -> Result<T> {
        let record = self.find_container(typed)?;
        self.records().close();
        for _ in 0..ATTEMPTS {
            if let Some(mut found) = self.find_supervisor(&record.id)? {
                if let Ok((Condition::Running | Condition::Paused, pid)) = found.state {
                    if self.runs_elsewhere(&record.id)? {
                        return Err(Error::new(Kind::Unsupported, "look at the files of", typed)
                            .because("it runs, and its processes are none of this machine's")
                            .hint("stop it first"));
                    }
                    let root = ImageView::of_process(pid).map(ImageView::into_root);
                    // Where it has ended meanwhile, the number may be another process's.
                    match found.connection.state(&record.id) {
                        Ok((Condition::Running | Condition::Paused, still)) if still == pid => {
                            return act(&root?);
                        }
                        _ => continue,
                    }
                }
                drop(found.connection);
                self.settled(&record.id)?;
            }
            let pod = Pod::hold(self, &Id::parse(&record.id)?, record.pod.as_deref())?;
            if pod.dir.supervisor_alive()? {
                continue;
            }
            tare_failpoint::pass("files-held")?;
            let done = self
                .find_container(&record.id)
                .and_then(|_| self.assembled(&record.id, act));
            tare_failpoint::pass("files-seen")?;
            return match (done, pod.remove()) {
                (Err(error), Err(also)) => Err(error.also(also)),
                (Err(error), Ok(())) | (Ok(_), Err(error)) => Err(error),
                (done, Ok(())) => done,
            };
        }
        Err(Error::new(Kind::Unavailable, "look at the files of", typed)
            .because("it was started and stopped all the while"))
    }

    /// The first process of a container that runs, where one does. Nothing is started or cleared away for it.
    ///
    /// # Errors
    /// `NotFound` where there is no such container; the supervisor's.
    pub fn process_of(&self, typed: &str) -> Result<Option<u32>> {
        let record = self.find_container(typed)?;
        self.records().close();
        let Some(mut connection) = self.connect(&record.id)? else {
            return Ok(None);
        };
        match connection.state(&record.id)? {
            (Condition::Running | Condition::Paused, pid) if !self.runs_elsewhere(&record.id)? => {
                Ok(Some(pid))
            }
            _ => Ok(None),
        }
    }
}
