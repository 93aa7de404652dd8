//! The image's files, read-only, by fd: a detached mount that no path leads to.

use super::LONGEST;
use crate::container::facts::FileKind;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::io::Read;
use std::path::Path;
use tare_error::{Context, Error, Kind, Result};
use tare_path::Root;
use tare_spec_oci::Mount;

/// The layers of an image as one tree.
#[derive(Debug)]
pub struct ImageView {
    root: Root,
}

impl ImageView {
    /// Opens the tree that `mounts` describe: one directory, or one overlay. Nothing is mounted anywhere.
    ///
    /// # Errors
    /// `Unsupported` for mounts of other kinds, else the kernel's.
    pub fn open(mounts: &[Mount]) -> Result<ImageView> {
        let [mount] = mounts else {
            return Err(
                Error::new(Kind::Unsupported, "look into image", "").because("its root is not one mount")
            );
        };
        let source = mount.source.as_deref().unwrap_or(Path::new(""));
        let fd = match mount.kind.as_deref() {
            Some("bind") => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                rustix::fs::openat(CWD, source, flags, Mode::empty()).op("look into", source.display())?
            }
            Some("overlay") => overlay(mount)?,
            other => {
                let why = format!("its root is of the kind {}", other.unwrap_or("none"));
                return Err(Error::new(Kind::Unsupported, "look into image", "").because(why));
            }
        };
        Ok(ImageView {
            root: Root::from_fd(fd),
        })
    }

    /// The tree that a process sees.
    ///
    /// # Errors
    /// `NotFound` where there is no such process any more, `Denied` where it is another user namespace's.
    pub fn of_process(pid: u32) -> Result<ImageView> {
        ImageView::of_folder(Path::new(&format!("/proc/{pid}/root")))
    }

    /// The tree below a folder.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of_folder(path: &Path) -> Result<ImageView> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).op("look into", path.display())?;
        Ok(ImageView {
            root: Root::from_fd(fd),
        })
    }

    /// The root itself.
    pub fn into_root(self) -> Root {
        self.root
    }

    /// The content of a regular file up to 4 MiB; empty where it is not there.
    ///
    /// # Errors
    /// `Invalid` where something else stands there (a pipe, a device: CVE-2024-9676), else the kernel's.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let fd = match self.root.open(path, OFlags::PATH, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
            opened => opened.op("read from the image", path)?,
        };
        // Looked at before it is opened for reading: opening a device or a pipe would already be an act.
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd).op("read from the image", path)?.st_mode);
        if kind != FileType::RegularFile {
            return Err(Error::new(Kind::Invalid, "read from the image", path)
                .because(format!("it is not a file but {}", noun(kind))));
        }
        let again = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
        let file = std::fs::File::open(again).op("read from the image", path)?;
        let mut content = Vec::new();
        file.take(LONGEST)
            .read_to_end(&mut content)
            .op("read from the image", path)?;
        Ok(content)
    }

    /// The directory at `path`, links followed inside, itself and not for reading; `None` where none is.
    ///
    /// # Errors
    /// The kernel's.
    pub fn directory(&self, path: &Path) -> Result<Option<OwnedFd>> {
        match self
            .root
            .open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
        {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            opened => opened.op("look into the image at", path.display()).map(Some),
        }
    }

    /// What stands at `path`, links followed inside; `None` where nothing does.
    ///
    /// # Errors
    /// The kernel's.
    pub fn kind(&self, path: &Path) -> Result<Option<FileKind>> {
        let fd = match self.root.open(path, OFlags::PATH, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            opened => opened.op("look into the image at", path.display())?,
        };
        let about = rustix::fs::fstat(&fd).op("look into the image at", path.display())?;
        Ok(Some(match FileType::from_raw_mode(about.st_mode) {
            FileType::Directory => FileKind::Directory,
            _ => FileKind::File,
        }))
    }
}

/// A detached overlay of read-only layers.
fn overlay(mount: &Mount) -> Result<OwnedFd> {
    let options = tare_mount::Options::parse(&mount.options);
    let overlay = tare_mount::Overlay::prepare(&options).op("look into image", "")?;
    overlay
        .make()
        .map_err(|refused| Error::os("look into image", "", refused.errno))
}

fn noun(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a directory",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::BlockDevice | FileType::CharacterDevice => "a device",
        _ => "something else",
    }
}
