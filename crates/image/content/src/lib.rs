//! **What.** The blobs of images, named by their digest, checked while they stream in.
//!
//! **Not.** No meaning: manifests, configurations and layers are bytes here (see `tare-registry` and `tare-layer`).
//! No references and no garbage collection: who needs a blob is recorded in the database by `tare-engine`.
//!
//! **Words.** *Blob*: immutable bytes with a *digest* (OCI image-spec, descriptor.md#digests; SHA-256 and SHA-512 are
//! taken). *Partial*: the file a blob is written into until it is whole. *Publish*: give verified bytes their name.
//!
//! **Life.**
//! ```text
//! Store::ingest ─► Ingestion::Present(file)                      somebody had it already
//!              └─► Ingestion::Absent(Ingest) ─write─► verify ─► Verified ─► Store::publish ─► content/sha256/<hex>
//!                     │ dropped, wrong digest or length: the partial is removed
//! ```
//! ```text
//! content/                                   0700
//!   sha256/<64 hex>                          0600, a whole blob
//!   sha256/.<64 hex>.<16 hex>.partial        0600, locked (flock) by its writer; bytes 0..n in order, nothing else
//!   sha512/...
//! ```
//!
//! **Rules.** Data before metadata: bytes are flushed (`fsync`, or one `syncfs` for several blobs), then renamed to
//! their name, then the directory is flushed; so a name stands for a whole blob even after a power cut. A partial
//! without a lock belongs to a dead writer: [`Store::sweep`] removes it once it is old; until then a later resume may
//! take it up. Two writers of one digest use two partials, and the second rename replaces equal bytes by equal bytes.

mod hasher;
mod ingest;
mod store;

pub use hasher::Hasher;
pub use ingest::{Ingest, Verified};
pub use oci_spec::image::{Digest, DigestAlgorithm};
pub use store::{Ingestion, Store, Swept};

#[cfg(test)]
mod tests;
