//! Volumes go: the name first, then the record, then the files.

use super::VolumeFilter;
use super::place::{GONE, take_away};
use crate::Engine;
use crate::journal::{Event, Subject};
use crate::records::{containers, volumes};
use tare_database::sql::Transaction;
use tare_error::{Kind, Result};
use tare_store::Lock;

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Names or ids.
    pub names: Vec<String>,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Engine {
    /// Removes a volume that no container uses.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` where a container uses it.
    pub fn remove_volume(&self, name: &str) -> Result<()> {
        let removed = self.try_remove_volume(name);
        let subject = Subject {
            kind: "volume",
            id: name.to_owned(),
            ..Subject::default()
        };
        self.note(
            &Event::new(subject, "destroy")
                .with("driver", "local")
                .came_to(&removed),
        );
        removed
    }

    fn try_remove_volume(&self, name: &str) -> Result<()> {
        let check = |tx: &Transaction<'_>| volumes::check_unused(tx, name).map(|()| vec![name.to_owned()]);
        self.forget_volumes(check, |tx| volumes::remove(tx, name))
    }

    /// Removes the volumes that nobody uses and the filter takes.
    ///
    /// # Errors
    /// The database's and the file system's.
    pub fn prune_volumes(&self, filter: VolumeFilter) -> Result<Gone> {
        let filter = VolumeFilter {
            dangling: Some(true),
            ..filter
        };
        let mut gone = Gone::default();
        for volume in self.volumes(&filter)? {
            let size = volume.measure();
            match self.remove_volume(&volume.record.name) {
                // Somebody began to use it, or removed it.
                Err(e) if matches!(e.kind(), Kind::Conflict | Kind::NotFound) => {}
                removed => {
                    removed?;
                    gone.names.push(volume.record.name);
                    gone.bytes += size;
                }
            }
        }
        self.note_pruned("volume", gone.bytes);
        Ok(gone)
    }

    /// Removes a container's record, and where `all` says so the volumes nobody named that it was the last to use.
    pub(crate) fn forget_container(&self, id: &str, all: bool) -> Result<()> {
        let own = |tx: &Transaction<'_>| match all {
            true => volumes::of_container_alone(tx, id),
            false => Ok(Vec::new()),
        };
        let look = |tx: &Transaction<'_>| Ok((own(tx)?.is_empty(), containers::stays(tx, id)?));
        let forget = |tx: &Transaction<'_>| containers::remove(tx, id).map(drop);
        match self.records().read("read uses of volumes", look)? {
            (true, true) => return self.records().write_in_reserve("remove container", forget),
            // Where a power cut brings its record back, that is found to be of no container.
            (true, false) => match self.records().write_unsynced("remove container", forget) {
                Err(e) if e.kind() == Kind::Exhausted => {
                    return self.records().write_in_reserve("remove container", forget);
                }
                written => return written,
            },
            _ => {}
        }
        self.forget_volumes(own, |tx| {
            let gone = own(tx)?;
            containers::remove(tx, id)?;
            gone.iter().try_for_each(|name| volumes::remove(tx, name))
        })
    }

    /// Takes the files of the volumes that `which` finds, then their records. While the lock is held nobody begins to use one.
    fn forget_volumes(
        &self,
        which: impl FnOnce(&Transaction<'_>) -> Result<Vec<String>>,
        forget: impl Fn(&Transaction<'_>) -> Result<()>,
    ) -> Result<()> {
        // Who dies in between leaves what the next command sweeps.
        let _intent = self.intend()?;
        let lock = Lock::exclusive(&self.volumes_lock())?;
        let names = self.records().read("find volumes", which)?;
        let mut gone = Vec::new();
        for name in &names {
            gone.extend(take_away(&self.volume_folders(), name)?);
        }
        tare_failpoint::pass("volume-taken")?;
        self.records().write_in_reserve("remove volume", forget)?;
        drop(lock);
        tare_failpoint::pass("volume-forgotten")?;
        gone.iter().try_for_each(|path| tare_store::remove_tree(path))
    }

    /// Removes what dead commands left of volumes that were to go. A folder that no record names stays: somebody's data may be in it.
    pub(crate) fn sweep_volumes(&self) -> Result<()> {
        let folders = self.volume_folders();
        let gone = crate::container::names(&folders)?;
        let mut gone = gone.iter().filter(|name| name.starts_with(GONE));
        gone.try_for_each(|name| tare_store::remove_tree(&folders.join(name)))
    }
}
