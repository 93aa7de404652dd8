//! **What.** What the kernel and the machine offer to containers: each feature and tool the stack can use, present or
//! not, what is lost without it, and the command that mends it.
//!
//! **Not.** No repairs (a person runs the command), no printing (`tare doctor`'s), no advice on containers.
//!
//! **Words.** *Check*: one row of the table. *Probe*: the function that finds out, by doing the thing itself where
//! that leaves nothing behind. *Finding*: what it found. *Needed*: without it nothing runs at all.
//!
//! **Life.** [`examine`] → one [`Outcome`] per check, in the table's order → [`Report::is_healthy`], printed as a
//! table or as JSON (the types serialize).
//!
//! **Rules.** A probe leaves nothing behind: mounts are made detached and dropped, folders and groups are its own and
//! removed, children are waited for. Nothing is guessed from a version where it can be tried. A probe that cannot
//! be tried here (not root, several threads) says *unknown* and why, never *no*.
//!
//! ```no_run
//! let report = tare_doctor::examine(&tare_store::Roots::system(), "/usr/sbin:/usr/bin");
//! for outcome in report.checks.iter().filter(|outcome| !outcome.is_present()) {
//!     assert!(!outcome.lost.is_empty());
//! }
//! ```

mod check;
mod place;
mod probe;
mod table;

pub use check::{Check, Finding, Outcome, Presence, Report, Weight};
pub use place::Place;
pub use table::CHECKS;

use tare_store::Roots;

/// Runs every check for the folders in `roots`, as the user who runs this process. `search_path` is the value of
/// `PATH`, in which tools are looked for (`/usr/sbin` and `/sbin` always are).
pub fn examine(roots: &Roots, search_path: &str) -> Report {
    let place = Place::new(roots, search_path);
    Report {
        user: rustix::process::geteuid().as_raw(),
        kernel: place.release.clone(),
        checks: CHECKS.iter().map(|check| check.run(&place)).collect(),
    }
}
