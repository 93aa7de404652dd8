//! **What.** Mounts by file descriptor: options as text made flags, mounts made detached, targets found or made
//! inside a held root, the two joined.
//!
//! **Not.** Which mounts a container gets, and in which order, is `tare-container`'s. No unmounting of the host's.
//!
//! **Words.** *Detached*: a mount that hangs nowhere yet and vanishes with its last fd (`fsmount(2)`, `open_tree(2)`).
//! *Table*: the kernel's list of mounts. *Attach*: `move_mount(2)` of a detached mount onto a held directory or file. *Target*: where, inside a root.
//!
//! **Life.** [`Options::parse`] and `prepare` allocate, in the parent → [`FileSystem::make`], [`clone_tree`],
//! [`Target::directory`], [`attach`] allocate nothing, and run in a child too.
//!
//! **Rules.** A target is resolved with `openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)`, the mount goes onto that
//! fd, and whoever mounts onto ground that others can change asks afterwards whether the path leads to it. Where a kernel lacks `mount_setattr` (Linux 5.12),
//! [`Attributes::apply`] remounts by `/proc/self/fd`; where overlay lacks `lowerdir+` (6.7), [`Overlay::make_old`] uses `mount(2)`.

mod attributes;
mod detached;
mod options;
mod overlay;
mod table;
mod target;

pub use attributes::{Applied, Attributes, Propagation, map_owners, write_number};
pub use detached::{FileSystem, Refused, clone_tree, clone_tree_at};
pub use options::{Bind, Links, Options, Parameter};
pub use overlay::Overlay;
pub use table::{MountLine, is_reachable, mount_lines};
pub use target::{Target, attach, make_beneath, mount_id, open_beneath, open_in_root};
