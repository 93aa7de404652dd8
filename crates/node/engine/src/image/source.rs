//! Where an image comes from: a registry, an archive, a folder.

use oci_spec::image::Descriptor;
use tare_error::Result;
use tare_registry::{Bytes, Document};

/// A place that holds the parts of an image.
pub(crate) trait Source: Sync {
    /// The manifest or index of this digest; checked.
    fn document(&self, descriptor: &Descriptor) -> Result<Document>;

    /// The configuration of this digest; checked.
    fn configuration(&self, descriptor: &Descriptor) -> Result<Vec<u8>>;

    /// A layer's blob; its digest is checked by who reads it.
    fn layer(&self, descriptor: &Descriptor) -> Result<Box<dyn Pieces>>;

    /// Ends all transfers soon: another one failed.
    fn cancel(&self) {}
}

/// A blob piece by piece.
pub(crate) trait Pieces: Send {
    /// The next piece, not empty; `None` at the end.
    fn next(&mut self) -> Result<Option<Bytes>>;
}
