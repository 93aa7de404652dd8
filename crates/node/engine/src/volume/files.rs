//! The files of a volume: made, and filled once with what the image has at its place.

use super::place::Place;
use crate::Engine;
use crate::container::look::ImageView;
use crate::records::volumes::VolumeRecord;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Gid, Mode, Uid};
use std::path::Path;
use tare_error::{Context, Result, While};
use tare_layer::{Options, Packing};
use tare_path::Root;

impl Engine {
    /// Makes the files of a volume that nobody has used yet.
    pub(super) fn make_volume(&self, record: &VolumeRecord) -> Result<()> {
        let place = Place::hold(&self.volume_folders(), &record.name)?;
        if place.has_data()? {
            return Ok(());
        }
        let new = place.begin()?;
        own(new.as_fd(), record)?;
        place.publish(new.as_fd())
    }

    /// Makes a volume ready for its first container, with what the image has at `target` in it; only the first time.
    pub(crate) fn fill_volume(
        &self,
        name: &str,
        image: &ImageView,
        target: &Path,
        no_copy: bool,
    ) -> Result<()> {
        let record = self.volume_record(name)?;
        let place = Place::hold(&self.volume_folders(), name)?;
        if place.is_filled()? && place.has_data()? {
            return Ok(());
        }
        let new = place.begin()?;
        if !no_copy && !place.is_filled()? {
            self.copy_up(new.as_fd(), image, target)
                .during("fill volume", name)?;
        }
        own(new.as_fd(), &record)?;
        tare_failpoint::pass("volume-copied")?;
        place.publish(new.as_fd())?;
        place.set_filled()
    }

    /// Copies the directory at `target` of the image, itself included, into an empty one; nothing where there is none.
    fn copy_up(&self, into: BorrowedFd<'_>, image: &ImageView, target: &Path) -> Result<()> {
        let Some(from) = image.directory(target)? else {
            return Ok(());
        };
        let into = rustix::io::fcntl_dupfd_cloexec(into, 3).op("hold", target.display())?;
        let (limits, flavour) = (self.config().layers.clone(), self.snapshots().flavour());
        let packing = Packing::whole(limits.clone(), flavour);
        tare_layer::copy(
            from.as_fd(),
            &Root::from_fd(into),
            packing,
            &Options { limits, flavour },
        )
    }
}

/// Gives a volume's top directory the owner and mode that were asked for.
fn own(directory: BorrowedFd<'_>, record: &VolumeRecord) -> Result<()> {
    let (uid, gid) = (record.uid.map(Uid::from_raw), record.gid.map(Gid::from_raw));
    if uid.is_some() || gid.is_some() {
        rustix::fs::fchown(directory, uid, gid).op("set owner of volume", &record.name)?;
    }
    match record.mode {
        Some(mode) => {
            rustix::fs::fchmod(directory, Mode::from_raw_mode(mode)).op("set mode of volume", &record.name)
        }
        None => Ok(()),
    }
}
