//! **What.** Unpacked layers by chain id, writable tops over them, and the mounts that make a root of both.
//!
//! **Not.** No mounting (`tare-mount`, in the container's own namespace), no fetching, no records of who uses what
//! (`tare-engine`'s database): what is asked to be removed is removed.
//!
//! **Words.** *Chain id*: the identity of a layer on top of given layers (OCI image-spec, config.md#layer-chainid).
//! *Lower*: a directory overlayfs reads from; *upper*: the one it writes to; *top*: an upper with its work directory.
//! *Settle*: give a layer that was unpacked alone what it would have got when unpacked on top of its parents.
//!
//! **Life.**
//! ```text
//! stage(&[LayerId]) ─► Staging::unpack, all in parallel ─► Stages::commit: settle in parent order, one syncfs, rename
//! prepare(id, &[ChainId]) ─► mounts(id) ─► remove(id)                 view(&[ChainId]): the same, read-only
//!
//! snapshots/                       0700
//!   sha256-<64 hex>/               a whole layer: fs/, layer.json
//!   <container id>/                a top: fs/, work/, top.json
//!   .ground/                       what every container has something mounted over, below all layers
//!   .stage-<64 hex>/               a layer being made; its maker holds a flock on it, who comes second waits there
//!   .new-<16 hex>/                 a top being made, locked
//!   .trash-<16 hex>/               what is being removed, locked
//! ```
//!
//! **Rules.** A name without a dot stands for a whole snapshot, at any instruction: it is made beside and renamed in,
//! removed by renaming out. A layer's data is flushed before it has its name. Dotted names without a lock, but the
//! ground's, belong to the dead: [`Snapshots::sweep`] removes them. Layers are staged in the order of their chain by everybody, so waiting for
//! each other cannot become a circle. Everything lies below a directory of mode 0700: setuid files of images are out of
//! reach of the host's users.

mod attributes;
mod chain;
mod copy_up;
mod ground;
mod relocate;
mod removal;
mod settle;
mod stage;
mod store;
mod top;
mod view;

pub use chain::{ChainId, LayerId};
pub use stage::{Stages, Staging};
pub use store::{Snapshots, Usage, measure};
pub use tare_layer::{Compression, Flavour, Limits, Unpacked};
