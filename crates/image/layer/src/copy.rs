//! A tree copied: packed at one end of a pipe, unpacked at the other.

use crate::{Options, Packer, Packing, unpack};
use rustix::fd::BorrowedFd;
use std::io::{BufWriter, Write};
use tare_error::{Context, Error, Kind, Result};
use tare_path::Root;

/// Copies the directory open at `from` (`O_PATH` will do), itself included, into the empty directory `into`.
///
/// # Errors
/// As [`Packer::add`] and [`unpack`]: of two the packer's, unless that is that nobody reads on.
pub fn copy(from: BorrowedFd<'_>, into: &Root, packing: Packing, options: &Options) -> Result<()> {
    let (read, write) = std::io::pipe().op("make", "a pipe")?;
    std::thread::scope(|scope| {
        let packer = scope.spawn(move || {
            let mut write = BufWriter::with_capacity(1 << 16, write);
            let mut packer = Packer::new(&mut write, packing);
            packer.add(from, b"")?;
            packer.finish()?;
            write.flush().op("write", "the archive")
        });
        let unpacked = unpack(read, into, options);
        let packed = packer
            .join()
            .map_err(|_| Error::new(Kind::Internal, "pack", "a directory"))?;
        match (packed, unpacked) {
            (Err(e), Err(unpacked)) if e.errno() == Some(rustix::io::Errno::PIPE.raw_os_error()) => {
                Err(unpacked)
            }
            (Err(e), _) | (Ok(()), Err(e)) => Err(e),
            (Ok(()), Ok(_)) => Ok(()),
        }
    })
}
