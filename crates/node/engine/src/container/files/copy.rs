//! `cp`: between a container and this machine, or an archive.

use super::place::{Destination, Source};
use crate::Engine;
use rustix::fd::AsFd;
use std::io::{Read, Write};
use std::path::Path;
use tare_error::{Context, Result, While};
use tare_layer::{Options, Packer, Packing, unpack_files};
use tare_path::Root;

/// How files are copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// Owners, all bits of the modes and extended attributes are kept; else the files are root's, as whoever asks is there.
    pub archive: bool,
    /// A link that is named is followed.
    pub follow: bool,
}

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Bytes of files.
    pub bytes: u64,
    /// Devices and sockets, which were left out.
    pub skipped: u64,
}

impl Engine {
    /// Copies from a container to this machine. `to` is absolute, with what stood at its end.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` for a directory over a file or a place that is none, `Conflict` where one of two things of one name
    /// is a directory; `Exhausted` for what has no end; the file system's.
    pub fn copy_out(&self, typed: &str, path: &str, to: &str, options: CopyOptions) -> Result<Copied> {
        let shown = format!("{typed}:{path}");
        self.with_files(typed, |root| {
            let source = Source::find(root, path, options.follow, &shown)?;
            let here = machine()?;
            let destination = Destination::find(&here, to, &source, to)?;
            // What a container made does not become a program with its owner's rights here.
            let mode = if options.archive { 0o7777 } else { 0o1777 };
            self.copy(&source, &destination, options, mode)
        })
        .during("copy from container", typed)
    }

    /// Copies from this machine to a container. `from` is absolute, with what stood at its end.
    ///
    /// # Errors
    /// As [`Engine::copy_out`].
    pub fn copy_in(&self, from: &str, typed: &str, path: &str, options: CopyOptions) -> Result<Copied> {
        let shown = format!("{typed}:{path}");
        let source = Source::find(&machine()?, from, options.follow, from)?;
        let copied = || {
            self.with_files(typed, |root| {
                let destination = Destination::find(root, path, &source, &shown)?;
                self.copy(&source, &destination, options, 0o7777)
            })
        };
        self.noted(typed, "extract-to-dir", &[("path", path.to_owned())], copied)
            .during("copy to container", typed)
    }

    /// Writes an archive of what is in a container.
    ///
    /// # Errors
    /// As [`Engine::copy_out`], and the writer's.
    pub fn archive_out(
        &self,
        typed: &str,
        path: &str,
        to: &mut (dyn Write + Send),
        options: CopyOptions,
    ) -> Result<Copied> {
        let shown = format!("{typed}:{path}");
        self.with_files(typed, |root| {
            let source = Source::find(root, path, options.follow, &shown)?;
            let limits = self.config().layers.clone();
            let mut packer = Packer::new(to, Packing::whole(limits, self.snapshots().flavour()));
            let name = if source.contents { &b""[..] } else { &source.name };
            packer.add(source.fd.as_fd(), name)?;
            let packed = packer.finish()?;
            to.flush().op("write", "the archive")?;
            Ok(Copied {
                bytes: packed.bytes,
                skipped: packed.sockets,
            })
        })
        .during("copy from container", typed)
    }

    /// Unpacks an archive into a directory of a container.
    ///
    /// # Errors
    /// As [`Engine::copy_out`], `Corrupt` for what is no archive, and the reader's.
    pub fn archive_in(&self, from: &mut (dyn Read + Send), typed: &str, path: &str) -> Result<Copied> {
        let shown = format!("{typed}:{path}");
        let unpacked = || {
            self.with_files(typed, |root| {
                let into = Destination::directory(root, path, &shown)?;
                let unpacked = unpack_files(from, &into, &self.unpacking(), false)?;
                Ok(Copied {
                    bytes: unpacked.size,
                    skipped: unpacked.skipped_devices,
                })
            })
        };
        self.noted(typed, "extract-to-dir", &[("path", path.to_owned())], unpacked)
            .during("copy to container", typed)
    }

    fn copy(&self, source: &Source, to: &Destination, options: CopyOptions, mode: u32) -> Result<Copied> {
        let unpacking = self.unpacking();
        let packing = Packing {
            owner: (!options.archive).then_some((0, 0)),
            mode,
            xattrs: options.archive,
            ..Packing::whole(unpacking.limits.clone(), unpacking.flavour)
        };
        let (packed, unpacked) =
            tare_layer::copy_files(source.fd.as_fd(), &to.name, &to.root, packing, &unpacking)?;
        Ok(Copied {
            bytes: packed.bytes,
            skipped: packed.sockets + unpacked.skipped_devices,
        })
    }

    fn unpacking(&self) -> Options {
        Options {
            limits: self.config().layers.clone(),
            flavour: self.snapshots().flavour(),
        }
    }
}

/// This machine's files.
fn machine() -> Result<Root> {
    Root::open_host(Path::new("/")).op("open", "/")
}
