//! Containers: what is asked, what that means for an image on a machine, and their life from create to remove.
//!
//! ```text
//! RunRequest + Image ─look─▶ Found ─contributors─▶ Draft
//!   ─▶ pod folder, locked          (from here on the next command can undo it)
//!   ─▶ record: id and name taken   (first synced commit)
//!   ─▶ snapshot ─▶ bundle ─▶ supervisor ─▶ process ─▶ exit
//!   ─▶ snapshot, bundle, record removed, or the end recorded (second synced commit)
//!   ─▶ pod folder removed          (nothing is left to undo)
//! ```

pub mod request;

pub mod facts;
pub mod look;

pub mod draft;

mod place;

mod again;
mod attach;
mod builtin;
mod bundle;
mod create;
mod files;
mod filter;
mod first;
mod handler;
mod health;
mod inspect;
mod list;
mod note;
mod reap;
mod reconcile;
mod restart;
mod run;
mod running;
mod settings;
mod top;
mod update;
mod why;

pub use again::Changes;
pub use attach::Attachable;
pub use create::{Container, Programs};
pub(crate) use draft::resources::{GROUP, together};
pub use files::{Change, ChangeKind, Copied, CopyOptions};
pub use filter::Filter;
pub use first::first_processes;
pub(crate) use first::living;
pub use list::{Listed, Status};
pub(crate) use look::host_facts;
pub(crate) use place::{ATTEMPTS, Pod, make_folder};
pub(crate) use reconcile::names;
pub use running::Execute;
pub use settings::{Setting, Settings};
pub use tare_cgroup::{Pressure, Stall};
pub use top::{ProcessLine, Sample};
pub use why::{Why, about_memory};

/// What a container or a process says of itself, to be shown: it moves no cursor.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
