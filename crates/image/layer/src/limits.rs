//! What a layer may cost at most, so that a hostile one ends as an error and not as a full disk.

use tare_error::{Error, Kind};

/// Bounds on one layer. Reaching one is an error of kind `Exhausted` that names it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Entries in the archive. Default 2,097,152.
    pub entries: u64,
    /// Bytes of the archive once inflated. Default 64 GiB.
    pub bytes: u64,
    /// Bytes a single file may claim, holes included. Default 1 TiB.
    pub file_bytes: u64,
    /// Inflated bytes per compressed byte, judged once `ratio_after` bytes came out. Default 250.
    pub ratio: u64,
    /// See `ratio`. Default 1 GiB: below that, a ratio harms nobody.
    pub ratio_after: u64,
    /// Bytes of a path, and of a link's target. Default 4095 (`PATH_MAX` less the end mark).
    pub path: usize,
    /// Directories below each other. Default 1024.
    pub depth: usize,
    /// Bytes of one extended header, which holds all extended attributes of an entry. Default 1 MiB.
    pub header: u64,
    /// Bytes of one extended attribute. Default 64 KiB (the kernel's own bound).
    pub xattr: usize,
    /// Pieces of data in one sparse file. Default 262,144.
    pub pieces: usize,
    /// Bytes of memory for names of directories and of links below, which are kept until the end. Default 256 MiB.
    pub names: usize,
    /// Extended attributes of one entry. Default 512.
    pub xattrs: usize,
    /// Bytes copied up from lower layers for hard links that lead there. Default 4 GiB.
    pub copied: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            entries: 1 << 21,
            bytes: 64 << 30,
            file_bytes: 1 << 40,
            ratio: 250,
            ratio_after: 1 << 30,
            path: 4095,
            depth: 1024,
            header: 1 << 20,
            xattr: 64 << 10,
            pieces: 1 << 18,
            names: 256 << 20,
            xattrs: 512,
            copied: 4 << 30,
        }
    }
}

impl Limits {
    /// Bounds small enough to unpack whatever a fuzzer makes.
    pub fn tiny() -> Self {
        Limits {
            entries: 256,
            bytes: 1 << 20,
            file_bytes: 1 << 24,
            ratio: 250,
            ratio_after: 1 << 16,
            path: 512,
            depth: 32,
            header: 8 << 10,
            xattr: 1 << 10,
            pieces: 64,
            names: 1 << 20,
            xattrs: 16,
            copied: 1 << 20,
        }
    }
}

/// The error of a limit that was reached.
pub(crate) fn reached(subject: impl std::fmt::Display, limit: &str, value: impl std::fmt::Display) -> Error {
    Error::new(Kind::Exhausted, "unpack", subject)
        .because(format!("limit {limit} = {value} reached"))
        .hint("if this image is trusted, raise the limit in the configuration; else it may be made to fill the disk")
}
