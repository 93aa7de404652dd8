//! Layers in the making: one maker per chain id and node, all layers of an image at once, one flush for all.

use crate::removal::{self, lock, open, still_there};
use crate::settle::settle;
use crate::{LayerId, Snapshots};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::io::Read;
use tare_content::Digest;
use tare_error::{Context, Error, Kind, Result, While};
use tare_layer::{Limits, Options, Unpacked, unpack};
use tare_path::Root;

/// The layers of one image, base first, each of them there or to be made.
#[derive(Debug)]
pub struct Stages<'a> {
    snapshots: &'a Snapshots,
    stages: Vec<Stage>,
}

#[derive(Debug)]
enum Stage {
    Present(LayerId),
    Needed(Box<Staging>),
}

/// A layer that the caller makes; dropped before [`Stages::commit`], it is removed.
#[derive(Debug)]
pub struct Staging {
    layer: LayerId,
    options: Options,
    /// The directory of all snapshots.
    snapshots: OwnedFd,
    /// `.stage-<hex>`, locked.
    held: OwnedFd,
    unpacked: Option<Unpacked>,
    renamed: bool,
}

/// `layer.json`: what a layer is, for people and for repair; nothing here is needed to mount it.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    version: u32,
    chain_id: String,
    diff_id: String,
    size: u64,
    entries: u64,
    skipped_devices: u64,
    dropped_xattrs: u64,
}

impl Snapshots {
    /// Finds or begins to make the layers of an image, base first. A layer that somebody else is making is waited
    /// for, after `waiting` was told; it is then there, or ours to make if they gave up.
    ///
    /// # Errors
    /// The file system's.
    pub fn stage(
        &self,
        layers: &[LayerId],
        limits: &Limits,
        mut waiting: impl FnMut(&LayerId),
    ) -> Result<Stages<'_>> {
        let options = Options {
            limits: limits.clone(),
            flavour: self.flavour,
        };
        let mut stages = Vec::with_capacity(layers.len());
        for layer in layers {
            stages.push(
                self.stage_one(layer, &options, &mut waiting)
                    .during("stage layer", &layer.chain)?,
            );
        }
        Ok(Stages {
            snapshots: self,
            stages,
        })
    }

    fn stage_one(
        &self,
        layer: &LayerId,
        options: &Options,
        waiting: &mut dyn FnMut(&LayerId),
    ) -> Result<Stage> {
        let name = layer.chain.staging_name();
        let at = || self.path.join(&name).display().to_string();
        loop {
            if self.has(&layer.chain)? {
                return Ok(Stage::Present(layer.clone()));
            }
            match rustix::fs::mkdirat(&self.dir, &name, Mode::from(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => return Err(Error::os("create", at(), e)),
            }
            let held = match open(self.dir.as_fd(), &name) {
                Ok(held) => held,
                Err(Errno::NOENT) => continue,
                Err(e) => return Err(Error::os("open", at(), e)),
            };
            if rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive) == Err(Errno::AGAIN) {
                waiting(layer);
                lock(&held).op("lock", at())?;
            }
            // While we waited, it may have been renamed to its name or to trash.
            if still_there(self.dir.as_fd(), &name, held.as_fd()).op("look at", at())? {
                let staging = Staging::new(self, layer, options, held).op("prepare", at())?;
                return Ok(Stage::Needed(Box::new(staging)));
            }
        }
    }
}

impl<'a> Stages<'a> {
    /// The layers that are to be made, with their places in the list that was asked for. Each may go to a thread.
    pub fn needed(&mut self) -> impl Iterator<Item = (usize, &mut Staging)> {
        self.stages
            .iter_mut()
            .enumerate()
            .filter_map(|(n, stage)| match stage {
                Stage::Needed(staging) => Some((n, &mut **staging)),
                Stage::Present(_) => None,
            })
    }

    /// Settles the new layers on their parents, flushes the file system once and gives them their names.
    ///
    /// # Errors
    /// `Invalid` where a layer was not unpacked, `Corrupt` where a hard link leads nowhere, else the file system's.
    /// Layers that have their name by then keep it; the others are removed.
    pub fn commit(mut self) -> Result<()> {
        let mut lowers: Vec<Root> = Vec::with_capacity(self.stages.len());
        let mut new = false;
        for stage in &mut self.stages {
            let fs = match stage {
                Stage::Present(layer) => self.snapshots.layer_root(layer)?,
                Stage::Needed(staging) => {
                    new = true;
                    staging
                        .settle(&lowers)
                        .during("settle layer", &staging.layer.chain)?;
                    staging
                        .describe()
                        .during("describe layer", &staging.layer.chain)?;
                    staging.root()?
                }
            };
            // Nearest parent first, as overlayfs counts.
            lowers.insert(0, fs);
        }
        if !new {
            return Ok(());
        }
        self.snapshots.lay_ground()?;
        let dir = &self.snapshots.dir;
        rustix::fs::syncfs(dir).op("flush", self.snapshots.path.display())?;
        for stage in &mut self.stages {
            if let Stage::Needed(staging) = stage {
                staging.rename().op("publish layer", &staging.layer.chain)?;
            }
        }
        rustix::fs::fsync(dir).op("flush", self.snapshots.path.display())
    }
}

impl Staging {
    fn new(
        snapshots: &Snapshots,
        layer: &LayerId,
        options: &Options,
        held: OwnedFd,
    ) -> rustix::io::Result<Staging> {
        // What a dead maker left.
        for leftover in [c"fs", c"layer.json"] {
            tare_path::remove_tree(held.as_fd(), leftover)?;
        }
        rustix::fs::mkdirat(&held, "fs", Mode::from(0o700))?;
        rustix::fs::chmodat(&held, "fs", Mode::from(0o755), rustix::fs::AtFlags::empty())?;
        Ok(Staging {
            layer: layer.clone(),
            options: options.clone(),
            snapshots: rustix::io::fcntl_dupfd_cloexec(&snapshots.dir, 3)?,
            held,
            unpacked: None,
            renamed: false,
        })
    }

    /// Which layer this is.
    pub fn layer(&self) -> &LayerId {
        &self.layer
    }

    /// What [`Staging::unpack`] found.
    pub fn unpacked(&self) -> Option<&Unpacked> {
        self.unpacked.as_ref()
    }

    /// Unpacks the layer's archive and compares its diff id. The reader is read to its end.
    ///
    /// # Errors
    /// `Corrupt` naming both diff ids where they differ, else as [`tare_layer::unpack`].
    pub fn unpack(&mut self, reader: impl Read) -> Result<&Unpacked> {
        let root = self.root()?;
        let unpacked = unpack(reader, &root, &self.options).during("unpack layer", &self.layer.diff)?;
        if unpacked.diff_id != self.layer.diff {
            let reason = format!("expected diff id {}, got {}", self.layer.diff, unpacked.diff_id);
            return Err(Error::new(Kind::Corrupt, "check layer", &self.layer.diff).because(reason));
        }
        Ok(self.unpacked.insert(unpacked))
    }

    fn root(&self) -> Result<Root> {
        fs_root(&self.held).op("open layer", &self.layer.chain)
    }

    fn settle(&self, lowers: &[Root]) -> Result<()> {
        let Some(unpacked) = &self.unpacked else {
            return Err(
                Error::new(Kind::Invalid, "commit layer", &self.layer.chain).because("it was not unpacked")
            );
        };
        settle(&self.root()?, lowers, unpacked, &self.options)
    }

    fn describe(&self) -> Result<()> {
        let Some(unpacked) = &self.unpacked else {
            return Ok(());
        };
        let description = Description {
            version: 1,
            chain_id: self.layer.chain.to_string(),
            diff_id: Digest::to_string(&self.layer.diff),
            size: unpacked.size,
            entries: unpacked.entries,
            skipped_devices: unpacked.skipped_devices,
            dropped_xattrs: unpacked.dropped_xattrs,
        };
        write_json(&self.held, "layer.json", &description)
    }

    fn rename(&mut self) -> rustix::io::Result<()> {
        let (from, to) = (self.layer.chain.staging_name(), self.layer.chain.name());
        rustix::fs::renameat_with(&self.snapshots, from, &self.snapshots, to, RenameFlags::NOREPLACE)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.renamed {
            // What cannot be removed now is swept later: the lock ends with us.
            let _ = removal::remove_held(self.snapshots.as_fd(), &self.layer.chain.staging_name());
        }
    }
}

impl Snapshots {
    fn layer_root(&self, layer: &LayerId) -> Result<Root> {
        let dir = open(self.dir.as_fd(), &layer.chain.name()).op("open layer", &layer.chain)?;
        fs_root(&dir).op("open layer", &layer.chain)
    }
}

/// The files of the snapshot whose directory is open.
pub(crate) fn fs_root(snapshot: &OwnedFd) -> rustix::io::Result<Root> {
    open(snapshot.as_fd(), "fs").map(Root::from_fd)
}

/// Writes a new small file; flushed by whoever publishes the directory.
pub(crate) fn write_json(dir: &OwnedFd, name: &'static str, value: &impl Serialize) -> Result<()> {
    let bytes =
        serde_json::to_vec(value).map_err(|e| Error::new(Kind::Internal, "write", name).from_source(e))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, name, flags, Mode::from(0o600)).op("create", name)?;
    std::io::Write::write_all(&mut std::fs::File::from(fd), &bytes).op("write", name)
}
