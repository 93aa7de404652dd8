//! **What.** The image inside the program: `tare run hello` needs no network, no registry and no file of its own.
//!
//! **Not.** It is stored, unpacked and run as every other image, by the engine; nothing here touches a disk.
//!
//! **Words.** *Program*: the static executable that `build.rs` compiled from `program/`. *Archive*: the image as an
//! OCI image layout in a tar archive, what `tare load` reads.
//!
//! **Life.** [`archive`] → the engine loads it under a name of its own the first time somebody runs [`NAME`] and no
//! image has that name → from then on an image as others.
//!
//! **Rules.** The archive is the same bytes every time for one build of the program: times are zero, owners root. The
//! program prints what the kernel says about it and reads nothing else but `TARE_STARTED`.
//!
//! ```
//! let archive = tare_hello::archive();
//! assert!(archive.config_digest.starts_with("sha256:"));
//! ```

mod archive;

pub use archive::{Archive, archive};

/// The static program, an ELF executable.
pub const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hello"));

/// The name that runs it.
pub const NAME: &str = "hello";

/// The variable by which the engine tells the program when `tare` started: nanoseconds since 1970, real-time clock.
pub const STARTED_VARIABLE: &str = "TARE_STARTED";

#[cfg(test)]
#[path = "../program/facts.rs"]
#[expect(
    unreachable_pub,
    reason = "public between the modules of the embedded program"
)]
mod facts;
#[cfg(test)]
#[path = "../program/page.rs"]
#[expect(
    unreachable_pub,
    reason = "public between the modules of the embedded program"
)]
mod page;
#[cfg(test)]
mod tests;
