//! **What.** A layer's archive unpacked into a directory: inflated, hashed and placed in one pass; and files packed into one.
//!
//! **Not.** No store of layers and no mounts (`tare-snapshot`), no fetching (`tare-registry`).
//!
//! **Words.** *Layer*: a tar archive of changes (OCI image-spec, layer.md). *DiffID*: SHA-256 of the archive once
//! inflated. *Whiteout*: an entry `.wh.name` that deletes `name` of lower layers; `.wh..wh..opq` deletes all that lower
//! layers have in a directory (*opaque*). *Implied directory*: one that an entry's path needs and no entry carries.
//!
//! **Life.**
//! ```text
//! reader ─► sniff ─► inflate ─► count, hash ─► headers (ustar, GNU, star, pax) ─► place below the Root
//!                               limits                                             parents held open, by fd only
//! ```
//! A tree, held by its root ─► [`Packer`]: looked at by fd, opened where it is a file or directory ─► pax archive.
//! Whiteouts become 0/0 character devices and opaque marks, as overlayfs keeps them. What cannot be known without the
//! layers below (metadata of implied directories, hard links into lower layers) is handed back in [`Unpacked`].
//!
//! **Rules.** No name leads out of the root: every look-up is by `tare-path`, links inside it are followed inside it.
//! What is made is made exclusively and changed by fd. A later entry replaces an earlier one; whiteouts delete in lower
//! layers only, wherever in the archive they stand. An image cannot set overlayfs's own attributes or its 0/0 device.
//! Every cost has a limit ([`Limits`]). Nothing of this survives a crash or needs to: the directory is a staging one.

mod attributes;
mod block;
mod copy;
mod entry;
mod flavour;
mod held;
mod limits;
mod members;
mod name;
mod pack;
mod pax;
mod sparse;
mod stream;
mod unpack;

pub use copy::{copy, copy_files};
pub use flavour::Flavour;
pub use limits::Limits;
pub use members::{Member, MemberKind, Members};
pub use pack::{Packed, Packer, Packing};
pub use stream::{Compression, inflate};
pub use unpack::{Link, Options, Unpacked, unpack, unpack_files};
