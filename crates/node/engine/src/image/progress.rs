//! What is told while an image comes in.

use oci_spec::image::Digest;

/// Who is told. Called from several threads, often: to be quick, and not to call back into the engine.
pub trait Progress: Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}

/// Something that happened to an image on its way in.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// It is known what has to be done: once, before all others.
    Planned {
        /// The layers, base first; the other events count from 0 in this order.
        layers: &'a [PlannedLayer],
    },
    /// Another command is making this layer; it is waited for.
    Waiting {
        /// Which layer.
        layer: usize,
    },
    /// The layer is being fetched and unpacked.
    Started {
        /// Which layer.
        layer: usize,
    },
    /// Some bytes of the layer came in.
    Received {
        /// Which layer.
        layer: usize,
        /// How many since the last such event.
        bytes: u64,
    },
    /// The layer is unpacked and what its digests say.
    Unpacked {
        /// Which layer.
        layer: usize,
    },
    /// All layers are there; they are being written to disk and recorded.
    Storing,
}

/// A layer as planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedLayer {
    /// Digest of the blob.
    pub digest: Digest,
    /// Bytes of the blob.
    pub size: u64,
    /// Whether it is here already.
    pub present: bool,
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: &Event<'_>) {}
}
