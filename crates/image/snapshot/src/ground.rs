//! The ground: one folder below the layers of every container's root, with the names over which each container has something
//! mounted. Images often lack them, and a top in which they are made for every container anew costs seven files and folders on
//! the disk, made and removed with each. Docker has a layer for the same ("init"), of every container's own.
//!
//! What an image has comes first, and what it has deleted or hidden stays so: then the runtime makes the name in the top.

use crate::Snapshots;
use crate::removal;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::path::PathBuf;
use tare_error::{Context, Result};

/// Its name: no snapshot has a dot.
const NAME: &str = ".ground";

const FOLDERS: [&str; 4] = ["dev", "etc", "proc", "sys"];
const FILES: [&str; 3] = ["etc/hostname", "etc/hosts", "etc/resolv.conf"];

impl Snapshots {
    /// The folder, where it is there: it came with the first image.
    pub(crate) fn ground(&self) -> Result<Option<PathBuf>> {
        let path = self.path.join(NAME);
        Ok(crate::store::exists(self.dir.as_fd(), NAME)
            .op("look at", path.display())?
            .then_some(path))
    }

    /// Makes it where it is not there; who calls this flushes it with his layers.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn lay_ground(&self) -> Result<()> {
        if self.ground()?.is_some() {
            return Ok(());
        }
        let at = || self.path.join(NAME).display().to_string();
        let (name, held) = self.new_directory().op("make", at())?;
        let made = fill(held.as_fd()).and_then(|()| {
            rustix::fs::renameat_with(&self.dir, &name, &self.dir, NAME, RenameFlags::NOREPLACE)
        });
        let removed = match made {
            Ok(()) => return Ok(()),
            Err(_) => removal::remove_held(self.dir.as_fd(), &name),
        };
        match made {
            // Another command was faster.
            Err(Errno::EXIST) => removed.op("remove", at()),
            made => made.op("make", at()),
        }
    }
}

fn fill(ground: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let open_to_all = |name: &str, mode: u32| {
        rustix::fs::chmodat(ground, name, Mode::from(mode), rustix::fs::AtFlags::empty())
    };
    for name in FOLDERS {
        rustix::fs::mkdirat(ground, name, Mode::RWXU)?;
        open_to_all(name, 0o755)?;
    }
    for name in FILES {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        rustix::fs::openat(ground, name, flags, Mode::RUSR | Mode::WUSR)?;
        open_to_all(name, 0o644)?;
    }
    Ok(())
}
