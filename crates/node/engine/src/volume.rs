//! Volumes: directories that outlive containers.
//!
//! ```text
//! <data>/volumes.lock            shared while a use is recorded, held alone while a volume goes, for no longer
//! <data>/volumes/NAME/           locked (flock) by who makes its files
//!   _data/                       what containers see
//!   filled                       a container has used it: nothing is copied into it any more
//!   .new/                        _data in the making
//! <data>/volumes/.gone-ID/       a volume being removed
//! ```
//! A volume is recorded before its folder is made; whoever uses it makes what is missing. When it goes its folder loses its
//! name before its record goes: where both are not done it is an empty volume, and never an old one under a new record.
//! The image's files come into `.new`, are flushed, and appear under their name at once, before `filled` says so.

mod files;
mod list;
mod place;
mod remove;
mod uses;

pub use list::{Volume, VolumeFilter};
pub use remove::Gone;
pub(crate) use uses::VolumeUse;

use crate::Engine;
use crate::container::request::{Name, VolumeWish};
use crate::journal::{Event, Subject};
use crate::records::seconds;
use crate::records::volumes::{self, VolumeRecord};
use std::path::PathBuf;
use std::time::SystemTime;
use tare_error::{Error, Kind, Result};
use tare_store::{Id, Lock};

impl Engine {
    /// Makes a volume, under a name of its own where none is given; its name. One that is there already is that one.
    ///
    /// # Errors
    /// `Conflict` where it is there with other options; the database's and the file system's.
    pub fn create_volume(&self, name: Option<&Name>, wish: &VolumeWish) -> Result<String> {
        let made = self.try_create_volume(name, wish);
        let named = name.map(ToString::to_string).unwrap_or_default();
        let subject = Subject {
            kind: "volume",
            id: made.as_ref().ok().cloned().unwrap_or(named),
            ..Subject::default()
        };
        self.note(
            &Event::new(subject, "create")
                .with("driver", "local")
                .came_to(&made),
        );
        made
    }

    fn try_create_volume(&self, name: Option<&Name>, wish: &VolumeWish) -> Result<String> {
        let record = match name {
            Some(name) => record(name.as_str(), false, wish),
            None => record(Id::random()?.as_str(), true, wish),
        };
        self.record_volumes(|tx| volumes::add(tx, &record).map(drop))?;
        tare_failpoint::pass("volume-recorded")?;
        let there = self.volume_record(&record.name)?;
        let is_other = |there: &VolumeRecord| {
            let asked = wish.options;
            (asked.uid.is_some() && asked.uid != there.uid)
                || (asked.gid.is_some() && asked.gid != there.gid)
                || (asked.mode.is_some() && asked.mode != there.mode)
        };
        if is_other(&there) {
            return Err(Error::new(Kind::Conflict, "create volume", &record.name)
                .because("it is there already, with other options")
                .hint(format!("`tare volume inspect {}` shows them", record.name)));
        }
        self.make_volume(&there)?;
        Ok(record.name)
    }

    /// Writes records of volumes among others, while no volume goes.
    pub(crate) fn record_volumes<T>(
        &self,
        write: impl FnOnce(&tare_database::sql::Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let _stay = Lock::shared(&self.volumes_lock())?;
        self.records().write("record volume", write)
    }

    pub(crate) fn volume_record(&self, name: &str) -> Result<VolumeRecord> {
        let found = self.records().read("read volume", |tx| volumes::get(tx, name))?;
        found.ok_or_else(|| Error::new(Kind::NotFound, "get", name).because("no such volume"))
    }

    /// `<data>/volumes/NAME/_data`.
    pub(crate) fn volume_data(&self, name: &str) -> PathBuf {
        self.volume_folders().join(name).join(place::DATA)
    }

    fn volume_folders(&self) -> PathBuf {
        self.roots().data().join("volumes")
    }

    fn volumes_lock(&self) -> PathBuf {
        self.roots().data().join("volumes.lock")
    }
}

/// A new volume.
fn record(name: &str, anonymous: bool, wish: &VolumeWish) -> VolumeRecord {
    VolumeRecord {
        name: name.to_owned(),
        anonymous,
        created: seconds(SystemTime::now()),
        uid: wish.options.uid,
        gid: wish.options.gid,
        mode: wish.options.mode,
        labels: wish.labels.clone().into_iter().collect(),
    }
}
