//! Where a copy begins and where it goes, by docker's rules about slashes and dots at the end of a path.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result};
use tare_path::{Entry, Root};

/// How many links may lead to each other, as in the kernel.
const LINKS: usize = 40;

/// What is copied: held, and itself where it is a link.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) fd: OwnedFd,
    /// What it is called where it is put into a directory.
    pub(super) name: Vec<u8>,
    /// Whether what is in it is meant, and not it.
    pub(super) contents: bool,
    pub(super) directory: bool,
}

/// Where it goes: into a directory that is held, under a name, or without one beside what is there.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) root: Root,
    pub(super) name: Vec<u8>,
}

/// How a path ends.
struct Ending {
    /// With a slash: it is a directory.
    slash: bool,
    /// With `/.`: what is in it.
    dot: bool,
}

fn ending(path: &str) -> Ending {
    let dot = path == "." || path.ends_with("/.");
    Ending {
        slash: dot || path.ends_with('/') || path.ends_with("/..") || path == "..",
        dot,
    }
}

impl Source {
    /// Finds what is to be copied. A link at the end is followed where `follow` says so, or where it has to be a directory.
    pub(super) fn find(root: &Root, path: &str, follow: bool, shown: &str) -> Result<Source> {
        let Ending { slash, dot } = ending(path);
        let plain = Path::new(path);
        let opened = match plain.file_name() {
            Some(_) if !follow && !slash => root
                .entry(plain)
                .and_then(|entry| entry.open(OFlags::PATH, Mode::empty())),
            _ => root.open(plain, OFlags::PATH, Mode::empty()),
        };
        let fd = opened.map_err(|e| missing("copy", shown, e))?;
        let mode = rustix::fs::fstat(&fd).op("look at", shown)?.st_mode;
        let directory = FileType::from_raw_mode(mode) == FileType::Directory;
        if slash && !directory {
            return Err(Error::new(Kind::Invalid, "copy", shown).because("it is not a directory"));
        }
        let name = plain.file_name().map(OsStr::as_bytes).unwrap_or_default();
        Ok(Source {
            fd,
            name: name.to_vec(),
            contents: dot || name.is_empty(),
            directory,
        })
    }
}

impl Destination {
    /// Finds where a source goes.
    pub(super) fn find(root: &Root, path: &str, source: &Source, shown: &str) -> Result<Destination> {
        let refused = |why: &str| Err(Error::new(Kind::Invalid, "copy to", shown).because(why));
        let Ending { slash, .. } = ending(path);
        let there = match root.open(path, OFlags::PATH, Mode::empty()) {
            Ok(fd) => Some(fd),
            Err(Errno::NOENT) => None,
            Err(e) => return Err(missing("copy to", shown, e)),
        };
        let Some(there) = there else {
            if slash && !source.directory {
                return refused("there is no such directory");
            }
            return Destination::under(&follow(root, path).map_err(|e| missing("copy to", shown, e))?);
        };
        let mode = rustix::fs::fstat(&there).op("look at", shown)?.st_mode;
        if FileType::from_raw_mode(mode) == FileType::Directory {
            return Ok(Destination {
                root: Root::from_fd(there),
                name: if source.contents {
                    Vec::new()
                } else {
                    source.name.clone()
                },
            });
        }
        if slash {
            return refused("it is not a directory");
        }
        if source.directory {
            return refused("a directory cannot be copied over a file");
        }
        Destination::under(&follow(root, path).map_err(|e| missing("copy to", shown, e))?)
    }

    /// The directory that an archive is unpacked into.
    pub(super) fn directory(root: &Root, path: &str, shown: &str) -> Result<Root> {
        match root.open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()) {
            Err(Errno::NOTDIR) => Err(Error::new(Kind::Invalid, "copy to", shown)
                .because(format!("destination {shown:?} must be a directory"))),
            opened => opened
                .map(Root::from_fd)
                .map_err(|e| missing("copy to", shown, e)),
        }
    }

    fn under(entry: &Entry) -> Result<Destination> {
        let name = entry.name().to_bytes().to_vec();
        let parent =
            rustix::io::fcntl_dupfd_cloexec(entry.parent(), 3).op("hold", entry.name().to_string_lossy())?;
        Ok(Destination {
            root: Root::from_fd(parent),
            name,
        })
    }
}

/// The entry that a path leads to in the end: links there are followed inside the root, whether or not there is anything.
fn follow(root: &Root, path: &str) -> rustix::io::Result<Entry> {
    let mut path = PathBuf::from(path);
    for _ in 0..LINKS {
        let entry = root.entry(&path)?;
        let link = match rustix::fs::readlinkat(entry.parent().as_fd(), entry.name(), Vec::new()) {
            Ok(link) => link,
            Err(Errno::INVAL | Errno::NOENT) => return Ok(entry),
            Err(e) => return Err(e),
        };
        // The kernel follows what is before the name once more, inside the root; an absolute link begins there.
        path.pop();
        path.push(OsStr::from_bytes(link.as_bytes()));
    }
    Err(Errno::LOOP)
}

fn missing(operation: &'static str, shown: &str, e: Errno) -> Error {
    match e {
        Errno::NOENT | Errno::NOTDIR => {
            Error::new(Kind::NotFound, operation, shown).because("there is no such file or directory")
        }
        e => Error::os(operation, shown, e),
    }
}
