//! A log that is kept by whoever reads a container's outputs himself, in docker's form.

use crate::address::Cap;
use crate::compose::{Closing, Limit, MOST, compose};
use crate::folder::Stream;
use crate::format::Format;
use crate::moment::Moment;
use crate::rotation;
use crate::sink::Form;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::path::PathBuf;
use tare_error::{Context, Error, Result};

/// Writes down what passes by: whole lines at once, and the last at its end. What it holds is bounded by a line's longest piece.
/// It is the only one who writes to the file meanwhile. A disk that takes no more stops nobody: what is missing is counted.
#[derive(Debug)]
pub struct Scribe {
    path: PathBuf,
    cap: Cap,
    file: OwnedFd,
    length: u64,
    begun: [Vec<u8>; 2],
    missing: u64,
    trouble: Option<Error>,
}

impl Scribe {
    /// Opens the file, and makes it where it is not there.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: PathBuf, cap: Cap) -> Result<Scribe> {
        let file = opened(&path).op("open", path.display())?;
        let about = rustix::fs::fstat(&file).op("look at", path.display())?;
        Ok(Scribe {
            path,
            cap,
            file,
            length: u64::try_from(about.st_size).unwrap_or(0),
            begun: Default::default(),
            missing: 0,
            trouble: None,
        })
    }

    /// Takes what a stream said.
    pub fn take(&mut self, stream: Stream, bytes: &[u8]) {
        if let Some(begun) = self.begun.get_mut(stream as usize) {
            begun.extend_from_slice(bytes);
        }
        self.write(stream, Closing::More);
    }

    /// Nothing more comes: what was begun is written. How many bytes are missing, and why the first of them.
    pub fn end(mut self) -> Option<(u64, Error)> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.write(stream, Closing::Stream);
        }
        let missing = self.missing;
        self.trouble.map(|error| (missing, error))
    }

    fn write(&mut self, stream: Stream, closing: Closing) {
        let Some(begun) = self.begun.get_mut(stream as usize) else {
            return;
        };
        let mut begun = std::mem::take(begun);
        let limit = Limit {
            bytes: MOST,
            taken: usize::MAX,
        };
        let mut done = 0;
        while let Some(rest) = begun.get(done..) {
            let time = Moment::now().to_string();
            let records = compose(&Form::File(Format::Json), rest, closing, stream, &time, limit);
            if records.taken == 0 {
                break;
            }
            if let Err(e) = self.append(&records.bytes) {
                self.missing += records.taken as u64;
                let error = Error::os("write", self.path.display(), e);
                self.trouble.get_or_insert(error);
            }
            done += records.taken;
        }
        begun.drain(..done);
        if let Some(place) = self.begun.get_mut(stream as usize) {
            *place = begun;
        }
    }

    fn append(&mut self, records: &[u8]) -> Result<(), Errno> {
        let more = records.len() as u64;
        if self.length > 0 && self.cap.size.is_some_and(|size| self.length + more > size) {
            rotation::shift(&self.path, self.cap.files)?;
            self.file = opened(&self.path)?;
            self.length = 0;
        }
        let mut rest = records;
        while !rest.is_empty() {
            match rustix::io::write(&self.file, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(e) => {
                    // A part of a record is none.
                    let _ = rustix::fs::ftruncate(&self.file, self.length);
                    return Err(e);
                }
            }
        }
        self.length += more;
        Ok(())
    }
}

fn opened(path: &std::path::Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR | Mode::RGRP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("tare-scribe-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn lines_are_whole_in_order_and_the_file_is_capped() {
        let folder = scratch();
        let path = folder.join("x.log");
        let cap = Cap {
            size: Some(200),
            files: 2,
            compress: false,
        };
        let mut scribe = Scribe::open(path.clone(), cap).unwrap();
        scribe.take(Stream::Stdout, b"on");
        scribe.take(Stream::Stderr, b"other\n");
        scribe.take(Stream::Stdout, b"e\ntwo");
        assert!(scribe.end().is_none());
        let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
        let now = text(&path) + &text(&folder.join("x.log.1"));
        for said in [
            "\"other\\n\",\"stream\":\"stderr\"",
            "\"one\\n\",\"stream\":\"stdout\"",
            "\"two\",",
        ] {
            assert!(now.contains(said), "{now}");
        }
        assert!(text(&path).len() <= 200, "{now}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
