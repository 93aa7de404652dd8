//! Where records go: a file, or systemd's journal.

use crate::address::{Destination, Target};
use crate::compose::MOST;
use crate::file::LogFile;
use crate::folder::{Folder, Owner, Stream};
use crate::format::Format;
use crate::journal::Journal;
use crate::piece::Piece;
use crate::progress::Place;
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result};

/// Where records go.
#[derive(Debug)]
pub(crate) enum Sink {
    File(LogFile, Format),
    Journal(Journal),
}

/// The form of records.
#[derive(Debug)]
pub(crate) enum Form<'a> {
    File(Format),
    Journal(&'a Journal),
}

impl Form<'_> {
    pub(crate) fn write(&self, piece: Piece<'_>, stream: Stream, time: &str, into: &mut Vec<u8>) {
        match self {
            Form::File(format) => format.write(piece, stream, time, into),
            Form::Journal(journal) => journal.entry(piece, stream, into),
        }
    }

    /// Whether a write is one record.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self, Form::Journal(_))
    }
}

impl Sink {
    /// Opens it.
    pub(crate) fn open(target: &Target, owner: &Owner, folder: &Folder) -> Result<Sink> {
        let file = |path: &PathBuf, format| {
            if target.makes_folder {
                let of = path.parent().unwrap_or(Path::new("/"));
                std::fs::create_dir_all(of).op("make folder", of.display())?;
            }
            Ok(Sink::File(LogFile::open(path, target.cap, folder)?, format))
        };
        match &target.destination {
            Destination::JsonFile(path) => file(path, Format::Json),
            Destination::Cri(path) => file(path, Format::Cri),
            Destination::Raw(path) => file(path, Format::Raw),
            Destination::Journal { tag } => {
                let mut journal = Journal::new(owner, tag);
                journal.connected().op("connect to", "the journal")?;
                Ok(Sink::Journal(journal))
            }
            Destination::None => {
                Err(Error::new(Kind::Internal, "open", "none://").because("it has no writer"))
            }
        }
    }

    pub(crate) fn form(&self) -> Form<'_> {
        match self {
            Sink::File(_, format) => Form::File(*format),
            Sink::Journal(journal) => Form::Journal(journal),
        }
    }

    /// Where the next write begins; the journal does not say.
    pub(crate) fn place(&self) -> Place {
        match self {
            Sink::File(file, _) => file.place(),
            Sink::Journal(_) => Place::default(),
        }
    }

    /// How large the next write may be.
    pub(crate) fn most(&self) -> usize {
        match self {
            Sink::File(file, _) => file
                .room()
                .map_or(MOST, |room| MOST.min(usize::try_from(room).unwrap_or(MOST))),
            Sink::Journal(_) => MOST,
        }
    }

    /// Whether a write of this length wants a new file first.
    pub(crate) fn is_full_for(&self, length: usize) -> bool {
        match self {
            Sink::File(file, _) => {
                let length = u64::try_from(length).unwrap_or(u64::MAX);
                file.place().length > 0 && file.room().is_some_and(|room| room < length)
            }
            Sink::Journal(_) => false,
        }
    }

    /// Begins a new file.
    pub(crate) fn rotate(&mut self) -> Result<(), Errno> {
        match self {
            Sink::File(file, _) => file.rotate(),
            Sink::Journal(_) => Ok(()),
        }
    }

    /// Writes some of it; an entry of the journal as a whole.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        match self {
            Sink::File(file, _) => file.write(bytes),
            Sink::Journal(journal) => journal.send(bytes).map(|()| bytes.len()),
        }
    }

    /// Finds its file again where others have moved it.
    pub(crate) fn look(&mut self, now: bool) -> Result<(), Errno> {
        match self {
            Sink::File(file, _) => file.look(now),
            Sink::Journal(_) => Ok(()),
        }
    }

    /// Waits for what it has begun.
    pub(crate) fn finish(&mut self) {
        if let Sink::File(file, _) = self {
            file.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_log_is_made_where_that_is_wanted() {
        let scratch = std::env::temp_dir().join(format!("tare-sink-{}", std::process::id()));
        let owner = Owner {
            namespace: "default".to_owned(),
            container: "web".to_owned(),
        };
        let open = |options: &str| {
            let address = format!("json-file://{}/gone/x.log{options}", scratch.display());
            let target = Target::parse(&address).unwrap();
            Sink::open(&target, &owner, &Folder::at(&scratch)).map(drop)
        };
        let error = open("?make-folder=false").unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound, "{error}");
        assert!(!scratch.exists());
        open("").unwrap();
        assert!(scratch.join("gone/x.log").exists());
        std::fs::remove_dir_all(scratch).unwrap();
    }
}
