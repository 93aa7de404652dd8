//! A log read again: over all its files, the compressed ones among them, and on while it is written and rotated.

use crate::line::{Line, Parsed, parse};
use crate::moment::Moment;
use crate::rotation::older;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result};

/// The longest line that is read: a record has up to 16 KiB of text, each byte of which may take six. What is longer was written
/// by somebody else, and is passed over.
const LONGEST: usize = 256 * 1024;
/// How many files are looked for.
const MOST: u32 = 1000;
/// How often the files may change while they are opened.
const ATTEMPTS: usize = 10;

/// What is wanted of a log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query {
    /// The last so many records alone.
    pub tail: Option<u64>,
    /// None that are older.
    pub since: Option<Moment>,
    /// None that are newer.
    pub until: Option<Moment>,
}

/// A log that is read, from its oldest record that is wanted to its newest.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    query: Query,
    /// Those to come, the next one last.
    sources: Vec<Source>,
    current: Option<Source>,
    skip: u64,
    odd: u64,
}

/// A file of a log.
#[derive(Debug)]
struct Source {
    lines: Lines,
    /// Which file it is; a compressed one is none that is ever written.
    inode: Option<(u64, u64)>,
    /// Its first line, by which it is known again when it is compressed.
    first: Option<Vec<u8>>,
}

/// A file's lines.
#[derive(Debug)]
enum Lines {
    Plain(BufReader<File>, Vec<u8>),
    Compressed(Box<BufReader<MultiGzDecoder<File>>>, Vec<u8>),
}

impl Reader {
    /// Opens a log by the path of its newest file.
    ///
    /// # Errors
    /// `NotFound` where there is none, else the kernel's.
    pub fn open(path: &Path, query: Query) -> Result<Reader> {
        let mut skip = 0;
        if let Some(tail) = query.tail {
            let mut wanted = tail;
            // From the newest on: as many files as it takes.
            for mut source in opened(path)? {
                let records = source.count(&query)?;
                if records >= wanted {
                    skip += records - wanted;
                    wanted = 0;
                } else if wanted > 0 {
                    wanted -= records;
                    continue;
                } else {
                    skip += records;
                }
            }
        }
        let mut sources = opened(path)?;
        if sources.is_empty() {
            return Err(Error::new(Kind::NotFound, "open the log", path.display()).because("there is none"));
        }
        let current = sources.pop();
        Ok(Reader {
            path: path.to_owned(),
            query,
            sources,
            current,
            skip,
            odd: 0,
        })
    }

    /// The next record. None: there is no more now. Whoever follows the log asks again, when its folder has changed
    /// (inotify(7)) or after a while; a line without its end is not there yet.
    ///
    /// # Errors
    /// The kernel's; a compressed file that is torn ends where it is.
    pub fn read(&mut self) -> Result<Option<Line>> {
        loop {
            let Some(source) = &mut self.current else {
                return Ok(None);
            };
            match source.next() {
                Ok(Some(line)) => {
                    if let Some(line) = self.wanted(&line) {
                        return Ok(Some(line));
                    }
                }
                Ok(None) if self.goes_on()? => {}
                Ok(None) => return Ok(None),
                Err(e) => return Err(e).op("read the log", self.path.display()),
            }
        }
    }

    /// How many lines were passed over so far that are no records.
    pub fn odd(&self) -> u64 {
        self.odd
    }

    fn wanted(&mut self, line: &[u8]) -> Option<Line> {
        let Parsed::Record(record) = parse(line) else {
            self.odd += 1;
            return None;
        };
        if !self.query.takes(&record) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        Some(record)
    }

    /// At the end of a file: whether there is another, or this one was begun anew.
    fn goes_on(&mut self) -> Result<bool> {
        if let Some(next) = self.sources.pop() {
            self.current = Some(next);
            return Ok(true);
        }
        let Some(source) = &mut self.current else {
            return Ok(false);
        };
        if source.is_shorter().op("look at the log", self.path.display())? {
            return Ok(true);
        }
        let named = std::fs::metadata(&self.path);
        match named {
            Ok(found) if source.inode == Some((found.dev(), found.ino())) => Ok(false),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e).op("look at the log", self.path.display()),
            Ok(_) => {
                // What was written before it was moved is read before what came after.
                if let Some(line) = source.ahead().op("read the log", self.path.display())? {
                    return Ok(line);
                }
                let newer: Vec<Source> = opened(&self.path)?.into_iter().take_while_newer(source).collect();
                self.sources = newer;
                self.current = self.sources.pop().or(self.current.take());
                Ok(true)
            }
        }
    }
}

/// Those of a log's files, newest first, that are newer than one that was read.
trait Newer: Iterator<Item = Source> + Sized {
    fn take_while_newer(self, read: &Source) -> impl Iterator<Item = Source> {
        let (inode, first) = (read.inode, read.first.clone());
        self.take_while(move |source| {
            let same_file = source.inode.is_some() && source.inode == inode;
            let same_text = source.first.is_some() && source.first == first;
            !same_file && !same_text
        })
    }
}

impl<I: Iterator<Item = Source>> Newer for I {}

impl Query {
    fn takes(&self, record: &Line) -> bool {
        self.since.is_none_or(|since| record.time >= since)
            && self.until.is_none_or(|until| record.time <= until)
    }
}

/// A log's files, the newest first, as they were at one moment.
fn opened(path: &Path) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    for _ in 0..ATTEMPTS {
        found = all(path)?;
        // A rotation while they were opened moved what has not been.
        let newest = found.first().and_then(|source: &Source| source.inode);
        let now = std::fs::metadata(path)
            .ok()
            .map(|found| (found.dev(), found.ino()));
        if newest == now || now.is_none() {
            break;
        }
    }
    Ok(found)
}

fn all(path: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut add = |path: &Path, compressed: bool| match Source::open(path, compressed) {
        Ok(source) => {
            sources.push(source);
            Ok(true)
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e).op("open", path.display()),
    };
    add(path, false)?;
    for number in 1..MOST {
        let (plain, compressed) = (older(path, number, false), older(path, number, true));
        // One that is being compressed has another name a moment later.
        let there = add(&compressed, true)? || add(&plain, false)? || add(&compressed, true)?;
        // One number may be missing where a rotation was interrupted.
        if !there && number > 2 {
            break;
        }
    }
    Ok(sources)
}

impl Source {
    fn open(path: &Path, compressed: bool) -> std::io::Result<Source> {
        let file = File::open(path)?;
        let found = file.metadata()?;
        let lines = match compressed {
            true => Lines::Compressed(Box::new(BufReader::new(MultiGzDecoder::new(file))), Vec::new()),
            false => Lines::Plain(BufReader::new(file), Vec::new()),
        };
        let mut source = Source {
            lines,
            inode: (!compressed).then_some((found.dev(), found.ino())),
            first: None,
        };
        source.first = source.next()?;
        source.rewind()?;
        Ok(source)
    }

    /// From the beginning.
    fn rewind(&mut self) -> std::io::Result<()> {
        match &mut self.lines {
            Lines::Plain(reader, begun) => {
                begun.clear();
                reader.rewind()
            }
            Lines::Compressed(reader, begun) => {
                begun.clear();
                // The very file: its name may be another's by now.
                let mut file = reader.get_ref().get_ref().try_clone()?;
                file.seek(SeekFrom::Start(0))?;
                **reader = BufReader::new(MultiGzDecoder::new(file));
                Ok(())
            }
        }
    }

    /// The next whole line, without its end.
    fn next(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        match &mut self.lines {
            Lines::Plain(reader, begun) => whole_line(reader, begun),
            Lines::Compressed(reader, begun) => match whole_line(reader.as_mut(), begun) {
                // Torn, or no such file at all: what is there was read.
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput
                    ) =>
                {
                    Ok(None)
                }
                other => other,
            },
        }
    }

    fn count(&mut self, query: &Query) -> Result<u64> {
        let mut records = 0;
        while let Some(line) = self.next().op("read", "the log")? {
            let taken = matches!(parse(&line), Parsed::Record(record) if query.takes(&record));
            records += u64::from(taken);
        }
        Ok(records)
    }

    /// Whether the file is shorter than what was read of it: it was begun anew, and is read from there.
    fn is_shorter(&mut self) -> std::io::Result<bool> {
        let Lines::Plain(reader, begun) = &mut self.lines else {
            return Ok(false);
        };
        let at = reader.stream_position()?;
        if reader.get_ref().metadata()?.len() >= at {
            return Ok(false);
        }
        begun.clear();
        reader.rewind()?;
        Ok(true)
    }

    /// Whether more has come since its end was seen; none where nothing has.
    fn ahead(&mut self) -> std::io::Result<Option<bool>> {
        match &mut self.lines {
            Lines::Plain(reader, _) => Ok((!reader.fill_buf()?.is_empty()).then_some(true)),
            Lines::Compressed(..) => Ok(None),
        }
    }
}

/// Reads up to the end of a line, keeping what has no end yet; a line that is too long is passed over as an empty one.
fn whole_line(reader: &mut impl BufRead, begun: &mut Vec<u8>) -> std::io::Result<Option<Vec<u8>>> {
    loop {
        let room = LONGEST.saturating_sub(begun.len()) + 1;
        let read = reader
            .by_ref()
            .take(u64::try_from(room).unwrap_or(0))
            .read_until(b'\n', begun)?;
        if begun.last() == Some(&b'\n') {
            let mut line = std::mem::take(begun);
            line.pop();
            return Ok(Some(line));
        }
        if read == 0 {
            return Ok(None);
        }
        if begun.len() > LONGEST {
            // One byte stays, so that what ends it makes no record of its rest.
            begun.truncate(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Stream;
    use crate::format::Format;
    use crate::piece::{End, Piece};
    use std::io::Write;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("tare-logs-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).unwrap();
            Scratch(path)
        }

        fn log(&self) -> PathBuf {
            self.0.join("x.log")
        }

        /// Adds records with these numbers, at as many seconds.
        fn write(&self, name: &str, numbers: std::ops::Range<i64>) {
            let mut bytes = Vec::new();
            for number in numbers {
                let time = Moment {
                    seconds: number,
                    nanoseconds: 0,
                };
                let format = if number % 2 == 0 {
                    Format::Json
                } else {
                    Format::Cri
                };
                let text = number.to_string();
                let piece = Piece {
                    text: text.as_bytes(),
                    end: End::Line,
                };
                format.write(piece, Stream::Stdout, &time.to_string(), &mut bytes);
            }
            self.add(name, &bytes);
        }

        fn add(&self, name: &str, bytes: &[u8]) {
            let mut file = File::options()
                .create(true)
                .append(true)
                .open(self.0.join(name))
                .unwrap();
            file.write_all(bytes).unwrap();
        }

        fn compress(&self, name: &str) {
            let plain = std::fs::read(self.0.join(name)).unwrap();
            let file = File::create(self.0.join(format!("{name}.gz"))).unwrap();
            let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            encoder.write_all(&plain).unwrap();
            encoder.finish().unwrap();
            std::fs::remove_file(self.0.join(name)).unwrap();
        }

        fn rename(&self, from: &str, to: &str) {
            std::fs::rename(self.0.join(from), self.0.join(to)).unwrap();
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn rest(reader: &mut Reader) -> Vec<i64> {
        let mut found = Vec::new();
        while let Some(line) = reader.read().unwrap() {
            let text = String::from_utf8(line.text).unwrap();
            assert_eq!(text.trim_end().parse::<i64>().unwrap(), line.time.seconds);
            found.push(line.time.seconds);
        }
        found
    }

    #[test]
    fn all_files_are_one_log_and_parts_of_it_can_be_asked_for() {
        let scratch = Scratch::new("query");
        scratch.write("x.log.3", 0..10);
        scratch.compress("x.log.3");
        scratch.write("x.log.1", 10..20);
        scratch.write("x.log", 20..30);
        scratch.add("x.log", b"{\"log\":\"torn");
        let at = |seconds| {
            Some(Moment {
                seconds,
                nanoseconds: 0,
            })
        };
        for (query, expected) in [
            (Query::default(), 0..30),
            (
                Query {
                    tail: Some(3),
                    ..Query::default()
                },
                27..30,
            ),
            (
                Query {
                    tail: Some(15),
                    ..Query::default()
                },
                15..30,
            ),
            (
                Query {
                    tail: Some(20),
                    ..Query::default()
                },
                10..30,
            ),
            (
                Query {
                    tail: Some(100),
                    ..Query::default()
                },
                0..30,
            ),
            (
                Query {
                    tail: Some(0),
                    ..Query::default()
                },
                30..30,
            ),
            (
                Query {
                    since: at(5),
                    until: at(24),
                    ..Query::default()
                },
                5..25,
            ),
            (
                Query {
                    since: at(5),
                    until: at(24),
                    tail: Some(6),
                },
                19..25,
            ),
        ] {
            let mut reader = Reader::open(&scratch.log(), query).unwrap();
            assert_eq!(rest(&mut reader), expected.collect::<Vec<i64>>(), "{query:?}");
        }
        assert_eq!(
            Reader::open(&scratch.0.join("y"), Query::default())
                .unwrap_err()
                .kind(),
            Kind::NotFound
        );
    }

    #[test]
    fn a_log_is_followed_over_rotations_compression_and_torn_lines() {
        let scratch = Scratch::new("follow");
        scratch.write("x.log", 0..3);
        let mut reader = Reader::open(&scratch.log(), Query::default()).unwrap();
        assert_eq!(rest(&mut reader), [0, 1, 2]);
        scratch.add("x.log", b"1970-01-01T00:00:03Z std");
        assert_eq!(rest(&mut reader), [0; 0]);
        scratch.add("x.log", b"out F 3\n");
        assert_eq!(rest(&mut reader), [3]);
        // Rotated, with more in it before.
        scratch.write("x.log", 4..6);
        scratch.rename("x.log", "x.log.1");
        assert_eq!(rest(&mut reader), [4, 5]);
        scratch.write("x.log", 6..8);
        assert_eq!(rest(&mut reader), [6, 7]);
        // Twice while nobody looked, and compressed.
        scratch.rename("x.log.1", "x.log.3");
        scratch.compress("x.log.3");
        scratch.write("x.log", 8..9);
        scratch.rename("x.log", "x.log.2");
        scratch.compress("x.log.2");
        scratch.write("x.log.1", 9..12);
        scratch.compress("x.log.1");
        scratch.write("x.log", 12..13);
        assert_eq!(rest(&mut reader), [8, 9, 10, 11, 12]);
        // Begun anew in place.
        std::fs::write(scratch.log(), b"").unwrap();
        assert_eq!(rest(&mut reader), [0; 0]);
        scratch.write("x.log", 13..14);
        assert_eq!(rest(&mut reader), [13]);
    }

    #[test]
    fn nothing_that_is_in_a_file_is_too_much() {
        let scratch = Scratch::new("bounds");
        scratch.write("x.log", 0..1);
        scratch.add("x.log", &vec![b'{'; 3 * LONGEST + 7]);
        scratch.add("x.log", b"\n\n\xff\n");
        scratch.write("x.log", 1..2);
        scratch.add("x.log.1.gz", b"no gzip at all");
        let mut reader = Reader::open(&scratch.log(), Query::default()).unwrap();
        assert_eq!(rest(&mut reader), [0, 1]);
        assert_eq!(reader.odd(), 3);
    }
}
