//! Layers in parallel, each one pipeline: source → blob with its digest → inflate, hash, unpack.
//!
//! ```text
//! source ─pieces─► taker: Ingest (sha256, partial file) ─pieces, bounded─► worker: Staging::unpack (inflate, diff id)
//! ```

use super::progress::{Event, Progress};
use super::source::{Pieces, Source};
use oci_spec::image::Descriptor;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use tare_content::{Ingest, Ingestion, Store, Verified};
use tare_error::{Context, Error, Kind, Result};
use tare_registry::Bytes;
use tare_snapshot::Staging;

/// Layers on their way at once.
const PARALLEL: usize = 3;
/// Pieces between the blob's file and the unpacker.
const BETWEEN: usize = 8;

/// One layer to be made.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    /// Its place in the image.
    pub(crate) layer: usize,
    /// Its blob.
    pub(crate) descriptor: Descriptor,
    /// Where it is unpacked.
    pub(crate) staging: &'a mut Staging,
}

/// What all workers of one image use.
pub(crate) struct Works<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) content: &'a Store,
    pub(crate) progress: &'a dyn Progress,
}

/// The first error of any worker, and the sign for the others to stop.
#[derive(Default)]
struct Fault {
    first: Mutex<Option<Error>>,
    met: AtomicBool,
}

impl Fault {
    fn set(&self, error: Error) {
        self.first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
        self.met.store(true, Ordering::Release);
    }

    fn met(&self) -> bool {
        self.met.load(Ordering::Acquire)
    }
}

/// Fetches and unpacks all jobs; the blobs that came in wait for their names.
pub(crate) fn run(works: &Works<'_>, jobs: Vec<Job<'_>>) -> Result<Vec<Verified>> {
    let workers = jobs.len().min(PARALLEL);
    let (queue, fault) = (Mutex::new(VecDeque::from(jobs)), Fault::default());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while !fault.met() {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(job) = next else { break };
                    match one(works, job, &fault) {
                        Ok(blob) => done.lock().unwrap_or_else(PoisonError::into_inner).extend(blob),
                        Err(e) => {
                            fault.set(e);
                            works.source.cancel();
                        }
                    }
                }
            });
        }
    });
    match fault.first.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// One layer; its blob, unless that was here.
fn one(works: &Works<'_>, job: Job<'_>, fault: &Fault) -> Result<Option<Verified>> {
    let Job {
        layer,
        descriptor,
        staging,
    } = job;
    works.progress.event(&Event::Started { layer });
    let blob = match works
        .content
        .ingest(descriptor.digest(), Some(descriptor.size()))?
    {
        Ingestion::Present(file) => {
            staging.unpack(file)?;
            None
        }
        Ingestion::Absent(ingest) => {
            let pieces = works.source.layer(&descriptor)?;
            let tell = |bytes| works.progress.event(&Event::Received { layer, bytes });
            Some(take_and_unpack(pieces, ingest, staging, &tell, fault)?)
        }
    };
    works.progress.event(&Event::Unpacked { layer });
    Ok(blob)
}

/// Both ends of one pipeline. Of two errors the cause is returned: a wrong digest explains a damaged archive.
fn take_and_unpack(
    mut pieces: Box<dyn Pieces>,
    ingest: Ingest,
    staging: &mut Staging,
    tell: &(dyn Fn(u64) + Sync),
    fault: &Fault,
) -> Result<Verified> {
    let stop = AtomicBool::new(false);
    let goes_on = || !stop.load(Ordering::Acquire) && !fault.met();
    let (forward, feed) = sync_channel(BETWEEN);
    std::thread::scope(|scope| {
        let taker = scope.spawn(|| take(pieces.as_mut(), ingest, forward, tell, &goes_on));
        let unpacked = staging
            .unpack(Feed {
                feed,
                piece: Bytes::new(),
                ended: false,
            })
            .map(drop);
        // Whether the blob is what it should be is worth knowing only where its content seems damaged.
        if unpacked.as_ref().is_err_and(|e| e.kind() != Kind::Corrupt) {
            stop.store(true, Ordering::Release);
        }
        let taken = taker
            .join()
            .map_err(|_| Error::new(Kind::Internal, "take in blob", ""))?;
        match (taken, unpacked) {
            (Err(cause), _) => Err(cause),
            (Ok(_), Err(cause)) => Err(cause),
            (Ok(Some(blob)), Ok(())) => Ok(blob),
            (Ok(None), Ok(())) => Err(given_up()),
        }
    })
}

fn given_up() -> Error {
    Error::new(Kind::Internal, "take in blob", "").because("another layer failed")
}

/// What goes from taker to unpacker; a channel that closes without it was given up.
enum Passed {
    Piece(Bytes),
    End,
}

/// Writes the blob to its file and hands each piece on; `None` where it was told to stop.
fn take(
    pieces: &mut dyn Pieces,
    mut ingest: Ingest,
    forward: SyncSender<Passed>,
    tell: &(dyn Fn(u64) + Sync),
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<Option<Verified>> {
    let mut forward = Some(forward);
    while let Some(piece) = pieces.next()? {
        if !goes_on() {
            return Ok(None);
        }
        if let Err(e) = ingest.write_all(&piece) {
            return Err(match e.downcast::<Error>() {
                Ok(ours) => ours,
                Err(e) => Error::os("write blob", ingest.digest(), e),
            });
        }
        tell(piece.len() as u64);
        // An unpacker that has given up is not waited for, but the digest still is.
        forward = forward.filter(|to| to.send(Passed::Piece(piece)).is_ok());
    }
    if let Some(to) = forward {
        to.send(Passed::End).ok();
    }
    ingest.verify().map(Some)
}

/// The unpacker's end, as a reader.
struct Feed {
    feed: Receiver<Passed>,
    piece: Bytes,
    ended: bool,
}

impl Read for Feed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.ended {
            match self.feed.recv() {
                Ok(Passed::Piece(piece)) => self.piece = piece,
                Ok(Passed::End) => self.ended = true,
                Err(_) => return Err(io::Error::other(given_up())),
            }
        }
        let now = buf.len().min(self.piece.len());
        buf[..now].copy_from_slice(&self.piece.split_to(now));
        Ok(now)
    }
}

/// A file, or a part of one, piece by piece.
pub(crate) struct FilePieces<R: Read + Send>(pub(crate) R);

/// Bytes read from a file at once.
const PIECE: usize = 256 * 1024;

impl<R: Read + Send> Pieces for FilePieces<R> {
    fn next(&mut self) -> Result<Option<Bytes>> {
        let mut piece = vec![0; PIECE];
        loop {
            match self.0.read(&mut piece) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => return Ok(None),
                read => {
                    piece.truncate(read.op("read", "layer")?);
                    return Ok(Some(piece.into()));
                }
            }
        }
    }
}
