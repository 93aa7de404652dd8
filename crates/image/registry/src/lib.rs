//! **What.** Image references, platforms, docker credentials, and the client of OCI registries.
//!
//! **Not.** No storage (tare-content), no unpacking (tare-layer), no push, no mirrors yet. The environment is not
//! read here: a program hands the paths in.
//!
//! **Words.** As in the OCI distribution-spec 1.1: *registry*, *repository*, *manifest*, *index*, *blob*; *reference*
//! and *familiar name* as in docker. *Origin*: scheme, host and port, what credentials are bound to.
//!
//! **Life.**
//! ```text
//! Reference::parse ─► Client::open ─► Repository::document ─► Index ─ select(platform) ─► described ─► Manifest
//!                          │                   │ 401                                                     │
//!                     TLS or plain      login ─► token                              small_blob(config), blob(layer)
//! ```
//!
//! **Rules.** Everything from the network is parsed once into types, with a bound on its size. Bytes are what their
//! digest says, or an error; `Docker-Content-Digest` is not looked at. A login goes to its registry and to the token
//! server that registry names, by TLS unless the registry itself is plain, and never along a redirect. A [`Secret`]
//! cannot be printed. Every wait has an end. Futures are cancel safe and need a tokio runtime with I/O and time.
//!
//! ```
//! use tare_registry::Reference;
//! let image = Reference::parse("busybox")?;
//! assert_eq!(image.canonical(), "docker.io/library/busybox:latest");
//! # Ok::<(), tare_error::Error>(())
//! ```

mod reference;

mod platform;

mod document;

mod secret;

mod credentials;

pub mod challenge;

mod hosts;

mod address;

mod transport;

mod fault;

mod token;

mod client;

pub use client::{Blob, Client, Repository, Settings};
pub use credentials::{Credentials, Login, Proof};
pub use document::{Content, DOCUMENT_LIMIT, Document, LAYERS_LIMIT, digest_of};
pub use hosts::{Host, Hosts};
/// A piece of a blob: shared, cheap to hand on.
pub use hyper::body::Bytes;
pub use platform::{Platform, no_platform, select};
pub use reference::{DEFAULT_DOMAIN, DEFAULT_TAG, Reference};
pub use secret::Secret;
pub use transport::{Timeouts, Trust};
