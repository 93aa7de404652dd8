//! `commit`: what a container has written becomes a layer, and an image of it.

use crate::Engine;
use crate::container::place::Supervised;
use crate::container::{make_folder, names};
use crate::image::{CommitOptions, Image};
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags};
use serde_json::{Map, Value};
use std::path::PathBuf;
use tare_error::{Context, Error, Kind, Result, While};
use tare_layer::{Packer, Packing};
use tare_shim::Condition;
use tare_store::Lock;

/// In the run folder: a file for each container that a commit has stand still, held by it.
const STILL: &str = "still";

/// What of a container's settings goes with its image.
const KEPT: [&str; 7] = [
    "User",
    "Env",
    "Entrypoint",
    "Cmd",
    "WorkingDir",
    "Labels",
    "StopSignal",
];

impl Engine {
    /// Makes an image of a container: its image's layers, and what it has written as one more. Where one that runs cannot stand
    /// still, it is packed as it goes on.
    ///
    /// # Errors
    /// `NotFound` where there is no such container or its image is gone; `Exhausted` for a limit; the stores' and the
    /// supervisor's.
    pub fn commit_container(&self, typed: &str, options: &CommitOptions) -> Result<Image> {
        let comment = options.message.clone().unwrap_or_default();
        self.noted(typed, "commit", &[("comment", comment)], || {
            self.try_commit(typed, options)
        })
    }

    fn try_commit(&self, typed: &str, options: &CommitOptions) -> Result<Image> {
        let record = self.find_container(typed)?;
        let base = self.image(&record.image)?.ok_or_else(|| {
            Error::new(Kind::NotFound, "commit container", typed)
                .because(format!("its image {} was removed", record.reference))
        })?;
        let config = self.config_of(&record.id)?;
        let still = match options.pause {
            true => self.have_stand_still(&record.id)?,
            false => None,
        };
        let packed = tare_failpoint::pass("commit-still")
            .and_then(|()| self.spool(|out| self.pack_top(&record.id, out)));
        let going_on = still.map_or(Ok(()), |still| self.have_go_on(&record.id, still));
        let layer = packed.during("commit container", typed)?;
        going_on?;
        tare_failpoint::pass("commit-packed")?;
        self.make_image(Some((&base, &config)), layer, options)
    }

    /// Writes what a container has written as a layer's archive.
    fn pack_top(&self, id: &str, out: &mut dyn std::io::Write) -> Result<()> {
        let packing = Packing {
            marks: true,
            skip: self.made_by_us(id)?,
            ..Packing::whole(self.config().layers.clone(), self.snapshots().flavour())
        };
        let top = self.snapshots().top(id)?;
        let top = top
            .open("/", OFlags::PATH, Mode::empty())
            .op("open", "the container's files")?;
        let mut packer = Packer::new(out, packing);
        packer.add(top.as_fd(), b"")?;
        packer.finish().map(drop)
    }

    /// What the container was told to be, as far as it was not told by default.
    fn config_of(&self, id: &str) -> Result<Map<String, Value>> {
        let shown = self.inspect_container(id)?;
        let settings = self.explain_container(id)?;
        let mut config = Map::new();
        for name in KEPT {
            let prefix = format!("Config.{name}");
            let below = format!("{prefix}.");
            let told = settings
                .0
                .iter()
                .filter(|s| s.from != "default" && (s.name == prefix || s.name.starts_with(&below)));
            let told: Vec<_> = told.collect();
            if told.is_empty() {
                continue;
            }
            let line = |name: &str, value: &Value| {
                let name = name.strip_prefix(&below).unwrap_or(name);
                Value::from(format!("{name}={}", value.as_str().unwrap_or_default()))
            };
            let value = match name {
                "Env" => told.iter().map(|s| line(&s.name, &s.value)).collect(),
                _ => shown
                    .pointer(&format!("/Config/{name}"))
                    .cloned()
                    .unwrap_or_default(),
            };
            config.insert(name.to_owned(), value);
        }
        Ok(config)
    }

    /// Has a container that runs stand still; a file that is held says that it is to go on, whoever dies.
    fn have_stand_still(&self, id: &str) -> Result<Option<Lock>> {
        self.records().close();
        let Some(Supervised {
            mut connection,
            state: Ok((Condition::Running, _)),
        }) = self.find_supervisor(id)?
        else {
            return Ok(None);
        };
        make_folder(&self.still_folder())?;
        let lock = Lock::exclusive(&self.still(id))?;
        match connection.pause(id) {
            // Without a group of its own it cannot; an ordinary user's has none on many machines.
            Err(e) if e.kind() == Kind::Unsupported => self.have_go_on(id, lock).map(|()| None),
            paused => paused.during("pause container", id).map(|()| Some(lock)),
        }
    }

    fn have_go_on(&self, id: &str, lock: Lock) -> Result<()> {
        if let Some(Supervised {
            mut connection,
            state: Ok((Condition::Paused, _)),
        }) = self.find_supervisor(id)?
        {
            match connection.resume(id) {
                // It has ended, or somebody else had it go on.
                Err(e) if matches!(e.kind(), Kind::Conflict | Kind::NotFound) => {}
                resumed => resumed.during("unpause container", id)?,
            }
        }
        // The file goes last: where it is, somebody is to go on.
        let still = self.still(id);
        match std::fs::remove_file(&still) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).op("remove", still.display());
            }
            _ => {}
        }
        drop(lock);
        Ok(())
    }

    /// The containers that a commit has stand still, or had when it died.
    pub(in crate::container) fn standing_still(&self) -> Result<Vec<String>> {
        names(&self.still_folder())
    }

    /// Has a container go on that a commit held still which died.
    pub(in crate::container) fn finish_commit(&self, id: &str) -> Result<()> {
        match Lock::try_exclusive(&self.still(id))? {
            Some(lock) => self.have_go_on(id, lock),
            None => Ok(()),
        }
    }

    fn still(&self, id: &str) -> PathBuf {
        self.still_folder().join(id)
    }

    fn still_folder(&self) -> PathBuf {
        self.roots().run().join(STILL)
    }
}
