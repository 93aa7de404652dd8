//! The bytes of the archive: inflated, counted, hashed, and handed out by reference from one buffer.

use crate::limits::{Limits, reached};
use flate2::bufread::MultiGzDecoder;
use std::cell::{Cell, RefCell};
use std::io::{self, BufReader, Read};
use std::rc::Rc;
use tare_content::{Digest, Hasher};
use tare_error::{Context, Error, Kind, Result};

/// The buffer that inflated bytes stand in; large enough that a system call per buffer costs nothing.
const BUFFER: usize = 256 << 10;
/// The buffer that compressed bytes stand in.
const INPUT: usize = 64 << 10;
/// The unit of a tar archive.
pub(crate) const BLOCK: usize = 512;

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// A plain tar archive.
    None,
    /// gzip, one or several members (RFC 1952).
    Gzip,
    /// Zstandard, one or several frames (RFC 8878).
    Zstd,
}

/// Writes an archive as it is once inflated; its digest, a diff id where it is a layer, and how many bytes.
///
/// # Errors
/// `Unsupported` for a compression other than gzip and zstd, `Corrupt`, `Exhausted` for a limit, the reader's and the writer's.
pub fn inflate(mut reader: impl Read, out: &mut dyn io::Write, limits: &Limits) -> Result<(Digest, u64)> {
    let mut stream = Stream::open(&mut reader, limits)?;
    loop {
        let have = stream.fill()?;
        if have.is_empty() {
            break;
        }
        out.write_all(have).op("write", "the archive")?;
        let length = have.len();
        stream.consume(length);
    }
    let (digest, size, ..) = stream.finish()?;
    Ok((digest, size))
}

/// The caller's reader, counting, and keeping its error apart from those of the inflater.
struct Source<'a> {
    head: io::Cursor<Vec<u8>>,
    reader: &'a mut dyn Read,
    about: Rc<About>,
}

/// What is known about the source while an inflater owns it.
#[derive(Default)]
struct About {
    bytes: Cell<u64>,
    error: RefCell<Option<io::Error>>,
}

/// The archive as a stream of bytes.
pub(crate) struct Stream<'a> {
    inflated: Box<dyn Read + 'a>,
    about: Rc<About>,
    compression: Compression,
    hasher: Hasher,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    total: u64,
    bytes: u64,
    ratio: u64,
    ratio_after: u64,
}

impl Read for Source<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = match self.head.read(buf)? {
            0 => match self.reader.read(buf) {
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => return Err(e),
                Err(e) => {
                    self.about.error.replace(Some(e));
                    return Err(io::ErrorKind::Other.into());
                }
            },
            n => n,
        };
        self.about.bytes.set(self.about.bytes.get() + n as u64);
        Ok(n)
    }
}

impl<'a> Stream<'a> {
    /// Looks at the first bytes and chooses the inflater.
    pub(crate) fn open(reader: &'a mut dyn Read, limits: &Limits) -> Result<Stream<'a>> {
        let mut head = Vec::with_capacity(6);
        let read = reader.take(6).read_to_end(&mut head);
        read.map_err(source_error)?;
        let compression = sniff(&head)?;
        let about = Rc::new(About::default());
        let source = Source {
            head: io::Cursor::new(head),
            reader,
            about: Rc::clone(&about),
        };
        let inflated: Box<dyn Read + 'a> = match compression {
            Compression::None => Box::new(source),
            Compression::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(INPUT, source))),
            Compression::Zstd => Box::new(
                zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(INPUT, source))
                    .map_err(|e| Error::new(Kind::Internal, "start zstd", "").from_source(e))?,
            ),
        };
        Ok(Stream {
            inflated,
            about,
            compression,
            hasher: Hasher::sha256(),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            total: 0,
            bytes: limits.bytes,
            ratio: limits.ratio,
            ratio_after: limits.ratio_after,
        })
    }

    /// The bytes at hand, at least one unless the archive is at its end.
    pub(crate) fn fill(&mut self) -> Result<&[u8]> {
        if self.start == self.end {
            let n = loop {
                match self.inflated.read(&mut self.buffer) {
                    Ok(n) => break n,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(self.failed(e)),
                }
            };
            (self.start, self.end) = (0, n);
            self.total += n as u64;
            self.hasher.update(&self.buffer[..n]);
            self.check()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Marks `n` of the bytes at hand as used.
    pub(crate) fn consume(&mut self, n: usize) {
        self.start = self.end.min(self.start + n);
    }

    /// The next block, or `None` at the end of the archive.
    pub(crate) fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        match self.read_into(&mut block)? {
            0 => Ok(None),
            BLOCK => Ok(Some(block)),
            _ => Err(self.short()),
        }
    }

    /// The next `n` bytes, in memory; the caller has checked `n` against a limit.
    pub(crate) fn take(&mut self, n: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; n];
        if self.read_into(&mut bytes)? < n {
            return Err(self.short());
        }
        Ok(bytes)
    }

    /// Passes over `n` bytes.
    pub(crate) fn skip(&mut self, mut n: u64) -> Result<()> {
        while n > 0 {
            let have = self.fill()?.len();
            if have == 0 {
                return Err(self.short());
            }
            let now = usize::try_from(n).map_or(have, |n| n.min(have));
            self.consume(now);
            n -= now as u64;
        }
        Ok(())
    }

    /// Reads to the very end, so that the digest covers everything, and gives the result.
    pub(crate) fn finish(mut self) -> Result<(Digest, u64, u64, Compression)> {
        loop {
            let have = self.fill()?.len();
            if have == 0 {
                break;
            }
            self.consume(have);
        }
        let compressed = self.about.bytes.get();
        Ok((self.hasher.finish()?, self.total, compressed, self.compression))
    }

    /// The error of an archive that ends inside an entry.
    pub(crate) fn short(&self) -> Error {
        Error::new(Kind::Corrupt, "read layer", "")
            .because(format!("ends too early, after {} bytes", self.total))
    }

    /// How many bytes of the archive were used: where an error is.
    pub(crate) fn position(&self) -> u64 {
        self.total - (self.end - self.start) as u64
    }

    fn read_into(&mut self, out: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < out.len() {
            let have = self.fill()?;
            if have.is_empty() {
                break;
            }
            let n = have.len().min(out.len() - done);
            out[done..done + n].copy_from_slice(&have[..n]);
            self.consume(n);
            done += n;
        }
        Ok(done)
    }

    fn check(&self) -> Result<()> {
        if self.total > self.bytes {
            return Err(reached("layer", "bytes", self.bytes));
        }
        let compressed = self.about.bytes.get();
        if self.total > self.ratio_after && self.total / self.ratio > compressed {
            return Err(reached("layer", "ratio", self.ratio));
        }
        Ok(())
    }

    fn failed(&self, e: io::Error) -> Error {
        if let Some(source) = self.about.error.take() {
            return source_error(source);
        }
        if e.kind() == io::ErrorKind::UnexpectedEof {
            return self.short();
        }
        let name = match self.compression {
            Compression::None => "archive",
            Compression::Gzip => "gzip data",
            Compression::Zstd => "zstd data",
        };
        Error::new(Kind::Corrupt, "inflate layer", "")
            .because(format!("{name} damaged after {} bytes", self.total))
            .from_source(e)
    }
}

/// An error of the caller's reader; one of ours inside it comes out as it went in.
fn source_error(e: io::Error) -> Error {
    match e.downcast::<Error>() {
        Ok(ours) => ours,
        Err(e) => Error::os("read layer", "", e),
    }
}

/// The compression that the first bytes tell.
fn sniff(head: &[u8]) -> Result<Compression> {
    let other = match head {
        [0x1f, 0x8b, ..] => return Ok(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => return Ok(Compression::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => "xz",
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41] => "bzip2",
        _ => return Ok(Compression::None),
    };
    Err(Error::new(Kind::Unsupported, "read layer", "")
        .because(format!("compressed with {other}"))
        .hint("layers are plain, gzip or zstd (OCI image-spec, layer.md)"))
}
