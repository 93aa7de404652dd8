//! The entries of an archive, one after another, with all dialects resolved into one shape.

use crate::block::{self, Block};
use crate::limits::{Limits, reached};
use crate::pax::{self, Pax, Refusal};
use crate::sparse::{self, Piece};
use crate::stream::{BLOCK, Stream};
use tare_error::{Error, Kind, Result};

/// One entry; its data comes next from the stream.
#[derive(Debug)]
pub(crate) struct Entry {
    /// As written in the archive.
    pub(crate) path: Vec<u8>,
    pub(crate) what: What,
    pub(crate) attributes: Attributes,
    /// Bytes of data that follow in the archive, without the padding.
    pub(crate) stored: u64,
}

/// What the entry makes.
#[derive(Debug)]
pub(crate) enum What {
    Directory,
    /// A file of `size` bytes: `None` = all data in one piece, else data with holes between.
    File {
        size: u64,
        pieces: Option<Vec<Piece>>,
    },
    Symlink {
        target: Vec<u8>,
    },
    HardLink {
        target: Vec<u8>,
    },
    CharDevice {
        major: i64,
        minor: i64,
    },
    BlockDevice {
        major: i64,
        minor: i64,
    },
    Fifo,
}

/// Everything about an entry but its name and data.
#[derive(Debug)]
pub(crate) struct Attributes {
    /// Permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: (i64, u32),
    pub(crate) atime: (i64, u32),
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Extensions that were read and wait for the entry they belong to.
#[derive(Default)]
struct Pending {
    pax: Pax,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    /// Whether there was any extension.
    any: bool,
}

/// Reads the next entry, or `None` at the end of the archive.
///
/// Where dialects differ this follows Go's archive/tar, because layers are made for readers built on it: a file
/// ends at the end-of-archive mark or at the end of the stream, global headers apply to nothing, links and devices
/// carry no data whatever their size field says.
///
/// # Errors
/// `Corrupt` for what is no archive, `Exhausted` for a limit, and those of the stream.
pub(crate) fn next(stream: &mut Stream<'_>, limits: &Limits, entries: &mut u64) -> Result<Option<Entry>> {
    let mut pending = Pending::default();
    loop {
        let at = stream.position();
        let Some(block) = header(stream, at)? else {
            return if pending.any {
                Err(stream.short())
            } else {
                Ok(None)
            };
        };
        *entries += 1;
        if *entries > limits.entries {
            return Err(reached("layer", "entries", limits.entries));
        }
        match block.kind {
            b'x' => {
                let records = extension(stream, &block, at, limits)?;
                pending.pax = pax::parse(&records, limits).map_err(|e| refused(&e, at))?;
            }
            b'g' => drop(extension(stream, &block, at, limits)?),
            b'L' => pending.path = Some(block::text(&extension(stream, &block, at, limits)?).to_vec()),
            b'K' => pending.link = Some(block::text(&extension(stream, &block, at, limits)?).to_vec()),
            _ => return entry(stream, &block, pending, at, limits).map(Some),
        }
        pending.any |= block.kind != b'g';
    }
}

/// The next header block; `None` at the end mark (two zero blocks) or at the end of the stream.
fn header(stream: &mut Stream<'_>, at: u64) -> Result<Option<Block>> {
    let Some(mut bytes) = stream.block()? else {
        return Ok(None);
    };
    if bytes == [0; BLOCK] {
        match stream.block()? {
            None => return Ok(None),
            Some(second) if second == [0; BLOCK] => return Ok(None),
            Some(_) => return Err(malformed(at, "a single block of zeros stands between entries")),
        }
    }
    let parsed = block::parse(&bytes).map_err(|reason| malformed(at, reason));
    bytes.fill(0);
    parsed.map(Some)
}

/// The data of an extension header, in memory within its limit.
fn extension(stream: &mut Stream<'_>, block: &Block, at: u64, limits: &Limits) -> Result<Vec<u8>> {
    let size = u64::try_from(block.size).map_err(|_| malformed(at, "size is negative"))?;
    if size > limits.header {
        return Err(reached(format!("entry at byte {at}"), "header", limits.header));
    }
    let bytes = stream.take(usize::try_from(size).unwrap_or(0))?;
    stream.skip(padding(size))?;
    Ok(bytes)
}

/// Joins a header block with the extensions before it.
fn entry(
    stream: &mut Stream<'_>,
    block: &Block,
    pending: Pending,
    at: u64,
    limits: &Limits,
) -> Result<Entry> {
    let wrong = |reason: &'static str| malformed(at, reason);
    let Pending { pax, path, link, .. } = pending;
    let mut path = path
        .filter(|p| !p.is_empty())
        .or(pax.path)
        .unwrap_or_else(|| block.name.clone());
    let link = link
        .filter(|l| !l.is_empty())
        .or(pax.link)
        .unwrap_or_else(|| block.link.clone());
    let size = pax.size.unwrap_or(block.size);
    let mut stored = u64::try_from(size).map_err(|_| wrong("size is negative"))?;
    let what = match block.kind {
        b'0' | b'7' | b'S' | 0 if !(block.kind == 0 && path.ends_with(b"/")) => {
            let found =
                sparse::find(stream, block, &pax.sparse, &mut stored, limits).map_err(|e| e.at(at))?;
            match found {
                None => What::File {
                    size: stored,
                    pieces: None,
                },
                Some(map) => {
                    path = pax.sparse.name.unwrap_or(path);
                    What::File {
                        size: map.size,
                        pieces: Some(map.pieces),
                    }
                }
            }
        }
        kind => {
            stored = 0;
            match kind {
                b'5' | 0 => What::Directory,
                b'1' => What::HardLink { target: link },
                b'2' => What::Symlink { target: link },
                b'3' => What::CharDevice {
                    major: block.major,
                    minor: block.minor,
                },
                b'4' => What::BlockDevice {
                    major: block.major,
                    minor: block.minor,
                },
                b'6' => What::Fifo,
                other => {
                    let reason = format!("entry has type {:?}, which layers do not have", char::from(other));
                    return Err(
                        Error::new(Kind::Corrupt, "read layer", format!("entry at byte {at}"))
                            .because(reason),
                    );
                }
            }
        }
    };
    let mtime = pax.mtime.unwrap_or((block.mtime, 0));
    let id = |n: i64| u32::try_from(n).ok().filter(|&n| n != u32::MAX);
    let attributes = Attributes {
        mode: u32::try_from(block.mode & 0o7777).unwrap_or(0),
        uid: id(pax.uid.unwrap_or(block.uid)).ok_or_else(|| wrong("uid does not fit in 32 bits"))?,
        gid: id(pax.gid.unwrap_or(block.gid)).ok_or_else(|| wrong("gid does not fit in 32 bits"))?,
        mtime,
        atime: pax.atime.unwrap_or(mtime),
        xattrs: pax.xattrs,
    };
    Ok(Entry {
        path,
        what,
        attributes,
        stored,
    })
}

/// The bytes that fill up the last block of `size` bytes of data.
pub(crate) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

pub(crate) fn malformed(at: u64, reason: impl std::fmt::Display) -> Error {
    Error::new(Kind::Corrupt, "read layer", format!("entry at byte {at}")).because(reason)
}

fn refused(refusal: &Refusal, at: u64) -> Error {
    match *refusal {
        Refusal::Malformed(reason) => malformed(at, reason),
        Refusal::Limit(limit, value) => reached(format!("entry at byte {at}"), limit, value),
    }
}
