//! A tree copied: packed at one end of a pipe, unpacked at the other.

use crate::{Options, Packed, Packer, Packing, Unpacked, unpack, unpack_files};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use std::io::{BufWriter, PipeReader, Write};
use tare_error::{Context, Error, Kind, Result};
use tare_path::Root;

/// Copies the directory open at `from` (`O_PATH` will do), itself included, into the empty directory `into`.
///
/// # Errors
/// As [`Packer::add`] and [`unpack`]: of two the packer's, unless that is that nobody reads on.
pub fn copy(from: BorrowedFd<'_>, into: &Root, packing: Packing, options: &Options) -> Result<()> {
    piped(from, b"", packing, |read| unpack(read, into, options)).map(drop)
}

/// Copies what is open at `from` (`O_PATH`, itself where it is a link) into the directory `into` as `name`, or without a name
/// what is in it. No device is made; see [`unpack_files`].
///
/// # Errors
/// As [`copy`].
pub fn copy_files(
    from: BorrowedFd<'_>,
    name: &[u8],
    into: &Root,
    packing: Packing,
    options: &Options,
) -> Result<(Packed, Unpacked)> {
    piped(from, name, packing, |read| {
        unpack_files(read, into, options, false)
    })
}

fn piped(
    from: BorrowedFd<'_>,
    name: &[u8],
    packing: Packing,
    unpack: impl FnOnce(PipeReader) -> Result<Unpacked>,
) -> Result<(Packed, Unpacked)> {
    let (read, write) = std::io::pipe().op("make", "a pipe")?;
    std::thread::scope(|scope| {
        let packer = scope.spawn(move || {
            let mut write = BufWriter::with_capacity(1 << 16, write);
            let mut packer = Packer::new(&mut write, packing);
            packer.add(from, name)?;
            let packed = packer.finish()?;
            write.flush().op("write", "the archive")?;
            Ok(packed)
        });
        let unpacked = unpack(read);
        let packed = packer
            .join()
            .unwrap_or_else(|_| Err(Error::new(Kind::Internal, "pack", "a directory")));
        match (packed, unpacked) {
            (Err(e), Err(unpacked)) if e.errno() == Some(Errno::PIPE.raw_os_error()) => Err(unpacked),
            (Err(e), _) | (Ok(_), Err(e)) => Err(e),
            (Ok(packed), Ok(unpacked)) => Ok((packed, unpacked)),
        }
    })
}
