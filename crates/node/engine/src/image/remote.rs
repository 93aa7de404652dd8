//! A registry as a source: one thread owns the executor and serves the synchronous side.

use super::source::{Pieces, Source};
use oci_spec::image::Descriptor;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use tare_error::{Context, Error, Kind, Result};
use tare_registry::{Bytes, Client, Document, Reference, Repository, Settings};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Pieces of one blob that wait to be taken: at 16 to 64 KiB each, a fast registry waits for a slow disk.
const WAITING: usize = 16;

/// One repository of a registry. Its thread ends when this is dropped, and with it every transfer.
#[derive(Debug)]
pub(crate) struct Remote {
    asks: Option<mpsc::UnboundedSender<Ask>>,
    thread: Option<JoinHandle<()>>,
}

type Reply<T> = SyncSender<Result<T>>;

enum Ask {
    Named(Reply<Document>),
    Described(Descriptor, Reply<Document>),
    Small(Descriptor, Reply<Vec<u8>>),
    Layer(Descriptor, mpsc::Sender<Piece>),
    Cancel,
}

/// What comes of a blob; a channel that closes without `End` was cancelled.
enum Piece {
    Bytes(Bytes),
    Failed(Error),
    End,
}

struct Arriving(mpsc::Receiver<Piece>);

impl Remote {
    /// Starts the thread and reaches out for the repository of `reference`.
    pub(crate) fn open(settings: Settings, reference: &Reference) -> Result<Remote> {
        let executor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .op("start executor for", reference)?;
        let (asks, asked) = mpsc::unbounded_channel();
        let (opened, open) = sync_channel(1);
        let reference = reference.clone();
        let thread = std::thread::Builder::new()
            .name("registry".into())
            .spawn(move || {
                executor.block_on(async {
                    match Client::new(settings).open(&reference).await {
                        Ok(repository) => {
                            opened.send(Ok(())).ok();
                            serve(Arc::new(repository), asked).await;
                        }
                        Err(e) => drop(opened.send(Err(e))),
                    }
                });
                // A credential helper that hangs must not hold us up.
                executor.shutdown_background();
            })
            .op("start thread for", "registry")?;
        let remote = Remote {
            asks: Some(asks),
            thread: Some(thread),
        };
        open.recv().map_err(|_| gone())??;
        Ok(remote)
    }

    /// The document that the reference itself names.
    pub(crate) fn named(&self) -> Result<Document> {
        self.ask(Ask::Named)
    }

    fn ask<T>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Result<T> {
        let (reply, answer) = sync_channel(1);
        self.send(ask(reply))?;
        answer.recv().map_err(|_| gone())?
    }

    fn send(&self, ask: Ask) -> Result<()> {
        self.asks.as_ref().ok_or_else(gone)?.send(ask).map_err(|_| gone())
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        drop(self.asks.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl Source for Remote {
    fn document(&self, descriptor: &Descriptor) -> Result<Document> {
        self.ask(|reply| Ask::Described(descriptor.clone(), reply))
    }

    fn configuration(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        self.ask(|reply| Ask::Small(descriptor.clone(), reply))
    }

    fn layer(&self, descriptor: &Descriptor) -> Result<Box<dyn Pieces>> {
        let (pieces, arriving) = mpsc::channel(WAITING);
        self.send(Ask::Layer(descriptor.clone(), pieces))?;
        Ok(Box::new(Arriving(arriving)))
    }

    fn cancel(&self) {
        // A thread that has ended has nothing to cancel.
        self.send(Ask::Cancel).ok();
    }
}

impl Pieces for Arriving {
    fn next(&mut self) -> Result<Option<Bytes>> {
        match self.0.blocking_recv() {
            Some(Piece::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Piece::End) => Ok(None),
            Some(Piece::Failed(e)) => Err(e),
            None => Err(gone()),
        }
    }
}

fn gone() -> Error {
    Error::new(Kind::Internal, "fetch", "").because("the transfer was given up")
}

/// Serves until the last asker is gone; dropping the set then ends what is still running.
async fn serve(repository: Arc<Repository>, mut asked: mpsc::UnboundedReceiver<Ask>) {
    let mut running = JoinSet::new();
    while let Some(ask) = asked.recv().await {
        while running.try_join_next().is_some() {}
        match ask {
            Ask::Cancel => running.abort_all(),
            other => drop(running.spawn(answer(repository.clone(), other))),
        }
    }
}

async fn answer(repository: Arc<Repository>, ask: Ask) {
    // An asker that is gone wants no answer.
    match ask {
        Ask::Named(reply) => drop(reply.send(repository.document().await)),
        Ask::Described(descriptor, reply) => drop(reply.send(repository.described(&descriptor).await)),
        Ask::Small(descriptor, reply) => drop(reply.send(repository.small_blob(&descriptor).await)),
        Ask::Layer(descriptor, pieces) => {
            let last = match transfer(&repository, &descriptor, &pieces).await {
                Ok(()) => Piece::End,
                Err(e) => Piece::Failed(e),
            };
            pieces.send(last).await.ok();
        }
        Ask::Cancel => {}
    }
}

async fn transfer(
    repository: &Repository,
    descriptor: &Descriptor,
    pieces: &mpsc::Sender<Piece>,
) -> Result<()> {
    let mut blob = repository.blob(descriptor).await?;
    while let Some(bytes) = blob.next().await? {
        if pieces.send(Piece::Bytes(bytes)).await.is_err() {
            break;
        }
    }
    Ok(())
}
