//! **What.** Where Tare keeps its state on disk: folders, atomic files, locks, ids and the boot stamp.
//!
//! **Not.** No SQLite (tare-database), no blobs (tare-content), no knowledge of what a file means. The environment
//! is not read here: a program hands the folders in.
//!
//! **Words.** *Data*: survives a reboot, synced. *Run*: dies with the boot. *Config*: written by people, read by
//! us. *Durable*: on disk when the call returns; *volatile*: atomic but not synced, for the run folder.
//!
//! **Life.**
//! ```text
//! Roots::system() | Roots::user(..) -> prepare() -> folders exist, 0700, ours
//!                                                -> run is stamped with this boot's id, or emptied first
//! replace(path, ..): temporary beside it -> fsync -> rename -> fsync folder
//! Lock::exclusive(path) .. drop
//! ```
//!
//! **Rules.** A reader of a file made by [`replace`] sees the old bytes or the new, never a mixture, and after a
//! crash at most a temporary (`.tmp-*`) is left, which [`sweep_temporaries`] removes. Locks are `flock(2)`: the
//! kernel drops them with their holder. Nothing here follows a symbolic link below a folder of ours, and
//! [`remove_tree`] never crosses a mount.
//!
//! ```
//! # fn main() -> tare_error::Result<()> {
//! # let base = std::env::temp_dir().join(format!("tare-store-doc-{}", std::process::id()));
//! use tare_store::{Durability, Id, Lock, Roots};
//! let roots = Roots::at(base.join("data"), base.join("run"), base.join("config"));
//! roots.prepare()?;
//! let lock = Lock::exclusive(&roots.run().join("example.lock"))?;
//! tare_store::replace(&roots.data().join("name"), Durability::Durable, 0o600, b"web")?;
//! drop(lock);
//! assert_eq!(Id::random()?.short().len(), 12);
//! # std::fs::remove_dir_all(base).ok();
//! # Ok(())
//! # }
//! ```

mod boot;
mod file;
mod id;
mod lock;
mod reserve;
mod roots;
mod tree;

pub use boot::BootId;
pub use file::{Durability, read, read_at_once, read_at_once_in, replace, sweep_temporaries};
pub use id::Id;
pub use lock::Lock;
pub use reserve::{Reserve, keep_spare, replace_from};
pub use roots::Roots;
pub use tree::{remove_contents, remove_tree};

#[cfg(test)]
mod scratch;
