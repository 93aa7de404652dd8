//! An image's archive as named members: a tar file or stream, or a folder. Names are keys, never host paths.

use super::source::{Pieces, Source};
use crate::image::pipeline::FilePieces;
use oci_spec::image::Descriptor;
use rustix::fs::{CWD, Mode, OFlags};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use tare_content::{Digest, Hasher};
use tare_error::{Context, Error, Kind, Result};
use tare_layer::{Limits, MemberKind, Members};
use tare_path::Root;
use tare_registry::{DOCUMENT_LIMIT, Document, digest_of};

/// Members of one archive: an image has a handful for each layer.
const MEMBERS_LIMIT: usize = 100_000;
/// Links followed to one member; old archives share layers by them.
const HOPS: usize = 8;

/// An archive that can be read by name, any number of times.
#[derive(Debug)]
pub(crate) enum Archive {
    /// A tar archive, inflated into a file without a name: it is gone with its last holder, however that ends.
    Spooled {
        file: Arc<File>,
        members: HashMap<Vec<u8>, Place>,
    },
    /// A folder of this machine; nothing outside it can be reached.
    Folder(Root),
}

/// Where a member's data is.
#[derive(Debug)]
pub(crate) enum Place {
    At { offset: u64, size: u64 },
    Link(Vec<u8>),
}

/// One member, open.
pub(crate) struct Member {
    pub(crate) size: u64,
    pub(crate) reader: Box<dyn Read + Send>,
}

impl Archive {
    /// Reads a tar archive, compressed or not, to its end; `folder` is on the file system that holds it meanwhile.
    pub(crate) fn spool(reader: &mut dyn Read, folder: &Path, limits: &Limits) -> Result<Archive> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = rustix::fs::openat(CWD, folder, flags, Mode::RUSR | Mode::WUSR)
            .op("make a temporary file in", folder.display())?;
        let file = Arc::new(File::from(file));
        let mut members = HashMap::new();
        let mut archive = Members::open(reader, limits)?;
        let mut out = BufWriter::with_capacity(1 << 20, &*file);
        let mut offset = 0;
        while let Some(member) = archive.advance()? {
            let name = key(&member.path);
            let place = match member.kind {
                MemberKind::File(_) => {
                    let size = archive.copy(&mut out)?;
                    offset += size;
                    Place::At {
                        offset: offset - size,
                        size,
                    }
                }
                MemberKind::Symlink(target) => Place::Link(beside(&name, &target)),
                MemberKind::HardLink(target) => Place::Link(key(&target)),
                MemberKind::Other => continue,
            };
            if members.len() >= MEMBERS_LIMIT {
                return Err(Error::new(Kind::Exhausted, "read archive", "")
                    .because(format!("it has more than {MEMBERS_LIMIT} members: no image")));
            }
            members.insert(name, place);
        }
        out.flush().op("write to a temporary file in", folder.display())?;
        drop(out);
        Ok(Archive::Spooled { file, members })
    }

    /// Takes a folder.
    pub(crate) fn folder(path: &Path) -> Result<Archive> {
        Root::open_host(path)
            .map(Archive::Folder)
            .op("open folder", path.display())
    }

    /// The member of this name, or `None`.
    pub(crate) fn member(&self, name: &str) -> Result<Option<Member>> {
        match self {
            Archive::Spooled { file, members } => Ok(spooled(file, members, name)),
            Archive::Folder(root) => in_folder(root, name),
        }
    }

    /// A small member as a whole, or `None`.
    pub(crate) fn small(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(member) = self.member(name)? else {
            return Ok(None);
        };
        if member.size > limit {
            return Err(Error::new(Kind::Corrupt, "read", name.escape_debug())
                .because(format!("it is longer than {limit} bytes")));
        }
        let mut bytes = Vec::new();
        member
            .reader
            .take(limit)
            .read_to_end(&mut bytes)
            .op("read", name.escape_debug())?;
        Ok(Some(bytes))
    }

    /// A member that has to be there.
    pub(crate) fn need(&self, name: &str) -> Result<Member> {
        self.member(name)?.ok_or_else(|| missing(name))
    }

    /// As [`Archive::small`], for one that has to be there.
    pub(crate) fn need_small(&self, name: &str, limit: u64) -> Result<Vec<u8>> {
        self.small(name, limit)?.ok_or_else(|| missing(name))
    }

    /// The digest of a member.
    pub(crate) fn digest(&self, name: &str) -> Result<Digest> {
        let mut reader = self.need(name)?.reader;
        let (mut hasher, mut piece) = (Hasher::sha256(), vec![0; 1 << 18]);
        loop {
            match reader.read(&mut piece) {
                Ok(0) => return hasher.finish(),
                Ok(n) => hasher.update(&piece[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::os("read", name.escape_debug(), e)),
            }
        }
    }
}

fn missing(name: &str) -> Error {
    Error::new(Kind::Corrupt, "read archive", "")
        .because(format!("it has no {}, which it refers to", name.escape_debug()))
}

/// A name as a key: without leading slashes and dots. `..` is kept, and then is the key of nothing.
fn key(path: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = path
        .split(|&b| b == b'/')
        .filter(|p| !p.is_empty() && *p != b".")
        .collect();
    parts.join(&b'/')
}

/// The key a symbolic link at `name` leads to, by names alone.
fn beside(name: &[u8], target: &[u8]) -> Vec<u8> {
    if target.starts_with(b"/") {
        return key(target);
    }
    let folder = name
        .iter()
        .rposition(|&b| b == b'/')
        .map_or(&[][..], |at| &name[..at]);
    let mut parts: Vec<&[u8]> = folder.split(|&b| b == b'/').filter(|p| !p.is_empty()).collect();
    for part in target.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}

fn spooled(file: &Arc<File>, members: &HashMap<Vec<u8>, Place>, name: &str) -> Option<Member> {
    let mut name = key(name.as_bytes());
    for _ in 0..HOPS {
        match members.get(&name)? {
            Place::At { offset, size } => {
                let part = Part {
                    file: file.clone(),
                    offset: *offset,
                    left: *size,
                };
                return Some(Member {
                    size: *size,
                    reader: Box::new(part),
                });
            }
            Place::Link(to) => name.clone_from(to),
        }
    }
    None
}

/// A regular file below the folder; links stay inside, and nothing else is opened for reading.
fn in_folder(root: &Root, name: &str) -> Result<Option<Member>> {
    let shown = name.escape_debug();
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let file = match root.open(name, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
        opened => File::from(opened.op("open", &shown)?),
    };
    let metadata = file.metadata().op("open", &shown)?;
    if !metadata.is_file() {
        return Err(Error::new(Kind::Corrupt, "open", shown).because("it is no file"));
    }
    Ok(Some(Member {
        size: metadata.len(),
        reader: Box::new(file),
    }))
}

/// A part of the spooled file.
struct Part {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl Read for Part {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buf.len(), |left| left.min(buf.len()));
        let n = self.file.read_at(&mut buf[..most], self.offset)?;
        self.offset += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}

/// An archive as a source of images: blobs under their names, and documents made from what it says.
#[derive(Debug)]
pub(crate) struct Archived<'a> {
    pub(crate) archive: &'a Archive,
    /// Where blobs are that do not stand under `blobs/`, by digest.
    pub(crate) places: HashMap<String, String>,
}

impl Archived<'_> {
    fn place(&self, descriptor: &Descriptor) -> String {
        let digest = descriptor.digest();
        let own = self.places.get(digest.as_ref()).cloned();
        own.unwrap_or_else(|| format!("blobs/{}/{}", digest.algorithm(), digest.digest()))
    }

    fn checked(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>> {
        let name = self.place(descriptor);
        let bytes = self.archive.need_small(&name, limit)?;
        let got = digest_of(&bytes);
        if got != *descriptor.digest() {
            return Err(Error::new(Kind::Corrupt, "read archive", "")
                .because(format!("{} has the digest {got}", name.escape_debug())));
        }
        Ok(bytes)
    }
}

impl Source for Archived<'_> {
    fn document(&self, descriptor: &Descriptor) -> Result<Document> {
        let bytes = self.checked(descriptor, DOCUMENT_LIMIT)?;
        Document::parse_described(bytes, descriptor, "the archive")
    }

    fn configuration(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        self.checked(descriptor, super::load::CONFIG_LIMIT)
    }

    fn layer(&self, descriptor: &Descriptor) -> Result<Box<dyn Pieces>> {
        Ok(Box::new(FilePieces(
            self.archive.need(&self.place(descriptor))?.reader,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_by_names_alone() {
        for (at, target, to) in [
            ("b/layer.tar", "../a/layer.tar", "a/layer.tar"),
            ("b/layer.tar", "other.tar", "b/other.tar"),
            ("layer.tar", "../../../etc/shadow", "etc/shadow"),
            ("b/c", "/etc/shadow", "etc/shadow"),
        ] {
            assert_eq!(
                beside(at.as_bytes(), target.as_bytes()),
                to.as_bytes(),
                "{at} -> {target}"
            );
        }
        assert_eq!(key(b"./a//b/"), b"a/b");
        assert_eq!(key(b"/etc/passwd"), b"etc/passwd");
    }

    #[test]
    fn a_circle_of_links_leads_nowhere() {
        let file = Arc::new(File::open("/dev/null").unwrap());
        let link = |to: &str| Place::Link(to.as_bytes().to_vec());
        let members = HashMap::from([(b"a".to_vec(), link("b")), (b"b".to_vec(), link("a"))]);
        assert!(spooled(&file, &members, "a").is_none());
        assert!(spooled(&file, &members, "../../etc/passwd").is_none());
    }
}
