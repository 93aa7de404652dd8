//! The members of any tar archive one after another, for who does not unpack it: an image's archive.

use crate::entry::{self, Entry, What, padding};
use crate::limits::Limits;
use crate::stream::Stream;
use std::io::{Read, Write};
use tare_error::{Context, Error, Kind, Result};

/// One member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// As written in the archive: never a path of this machine.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
}

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// A file without holes, of so many bytes.
    File(u64),
    /// A symbolic link to this target.
    Symlink(Vec<u8>),
    /// A hard link to this member.
    HardLink(Vec<u8>),
    /// Anything else.
    Other,
}

/// An archive being read from its start, inflated where it is compressed.
pub struct Members<'a> {
    stream: Stream<'a>,
    limits: Limits,
    entries: u64,
    /// Data of the last member that was not read, and its padding.
    left: u64,
    padding: u64,
}

impl std::fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Members")
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

impl<'a> Members<'a> {
    /// Begins to read an archive.
    ///
    /// # Errors
    /// `Unsupported` for a compression other than gzip and zstd, else the reader's.
    pub fn open(reader: &'a mut dyn Read, limits: &Limits) -> Result<Members<'a>> {
        let stream = Stream::open(reader, limits)?;
        Ok(Members {
            stream,
            limits: limits.clone(),
            entries: 0,
            left: 0,
            padding: 0,
        })
    }

    /// The next member, `None` at the end. What was not read of the last one is passed over.
    ///
    /// # Errors
    /// `Corrupt` for what is no archive, `Exhausted` for a limit, else the reader's.
    pub fn advance(&mut self) -> Result<Option<Member>> {
        self.stream.skip(self.left + self.padding)?;
        (self.left, self.padding) = (0, 0);
        let Some(Entry {
            path, what, stored, ..
        }) = entry::next(&mut self.stream, &self.limits, &mut self.entries)?
        else {
            return Ok(None);
        };
        (self.left, self.padding) = (stored, padding(stored));
        let kind = match what {
            What::File { size, pieces: None } => MemberKind::File(size),
            What::Symlink { target } => MemberKind::Symlink(target),
            What::HardLink { target } => MemberKind::HardLink(target),
            _ => MemberKind::Other,
        };
        Ok(Some(Member { path, kind }))
    }

    /// Copies what is left of the last member's data; returns how many bytes.
    ///
    /// # Errors
    /// `Corrupt` where the archive ends too early, else the reader's and the writer's.
    pub fn copy(&mut self, to: &mut dyn Write) -> Result<u64> {
        let whole = self.left;
        while self.left > 0 {
            let have = self.stream.fill()?;
            if have.is_empty() {
                return Err(Error::new(Kind::Corrupt, "read archive", "").because("it ends too early"));
            }
            let now = usize::try_from(self.left).map_or(have.len(), |left| left.min(have.len()));
            to.write_all(&have[..now]).op("copy", "a member of the archive")?;
            self.stream.consume(now);
            self.left -= now as u64;
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, kind: u8, size: usize, link: &str) -> Vec<u8> {
        let mut block = vec![0u8; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..108].copy_from_slice(b"0000644\0");
        block[108..116].copy_from_slice(b"0000000\0");
        block[116..124].copy_from_slice(b"0000000\0");
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        block[136..148].copy_from_slice(b"00000000000\0");
        block[148..156].fill(b' ');
        block[156] = kind;
        block[157..157 + link.len()].copy_from_slice(link.as_bytes());
        block[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    #[test]
    fn members_are_listed_and_copied_whole() {
        let mut archive = header("a/file", b'0', 5, "");
        archive.extend_from_slice(b"hello");
        archive.resize(1024, 0);
        archive.extend(header("skipped", b'0', 600, ""));
        archive.resize(archive.len() + 1024, b'x');
        archive.extend(header("link", b'2', 0, "a/file"));
        archive.extend(header("dir/", b'5', 0, ""));
        archive.resize(archive.len() + 1024, 0);
        let mut reader = archive.as_slice();
        let mut members = Members::open(&mut reader, &Limits::tiny()).unwrap();
        let mut copied = Vec::new();
        assert_eq!(members.advance().unwrap().unwrap().kind, MemberKind::File(5));
        assert_eq!(members.copy(&mut copied).unwrap(), 5);
        assert_eq!(copied, b"hello");
        assert_eq!(members.advance().unwrap().unwrap().path, b"skipped");
        let link = members.advance().unwrap().unwrap();
        assert_eq!(link.kind, MemberKind::Symlink(b"a/file".to_vec()));
        assert_eq!(members.advance().unwrap().unwrap().kind, MemberKind::Other);
        assert_eq!(members.advance().unwrap(), None);
    }

    #[test]
    fn an_archive_that_breaks_off_is_an_error() {
        let mut archive = header("file", b'0', 600, "");
        archive.resize(700, b'x');
        let mut reader = archive.as_slice();
        let mut members = Members::open(&mut reader, &Limits::tiny()).unwrap();
        members.advance().unwrap();
        assert_eq!(
            members.copy(&mut std::io::sink()).unwrap_err().kind(),
            Kind::Corrupt
        );
    }
}
