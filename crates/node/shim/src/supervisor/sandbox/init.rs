//! The tiny program that is pid 1 of a shared pid namespace: it is nobody's copy, holds nothing, and does nothing.
//!
//! Its children are waited for by the kernel, as it is executed with `SIGCHLD` ignored (sigaction(2)); as pid 1 it gets no other
//! signal from its own namespace (pid_namespaces(7)). So it only says that it may not be looked into (`PR_SET_DUMPABLE` 0: with
//! an exec that is undone), what it is called, and pauses, for ever. 300 bytes of machine code need no compiler: this is the whole of it.

use rustix::fd::OwnedFd;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use tare_error::{Context, Error, Kind, Result};

/// What lists of processes call it.
const NAME: &[u8] = b"tare-init\0";
/// Where it is in memory.
const ADDRESS: u64 = 0x40_0000;
/// Bytes of an ELF header and two program headers (elf(5)).
const HEADERS: usize = 64 + 2 * 56;

/// The machine's number (`e_machine`) and the code.
#[cfg(target_arch = "x86_64")]
const MACHINE: Option<(u16, &[u8])> = Some((
    62,
    &[
        0xb8, 0x9d, 0, 0, 0, 0xbf, 4, 0, 0, 0, 0x31, 0xf6, 0x0f, 0x05, // prctl(PR_SET_DUMPABLE, 0)
        0xb8, 0x9d, 0, 0, 0, 0xbf, 15, 0, 0, 0, // prctl(PR_SET_NAME,
        0x48, 0x8d, 0x35, 0x0b, 0, 0, 0, 0x0f, 0x05, //     what follows the code)
        0xb8, 0x22, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7, // pause(), again
    ],
));

#[cfg(target_arch = "aarch64")]
const MACHINE: Option<(u16, &[u8])> = Some((
    183,
    &[
        0xe8, 0x14, 0x80, 0xd2, 0x80, 0, 0x80, 0xd2, 1, 0, 0x80, 0xd2, 1, 0, 0,
        0xd4, // prctl(PR_SET_DUMPABLE, 0)
        0xe8, 0x14, 0x80, 0xd2, 0xe0, 1, 0x80, 0xd2, 0x21, 1, 0, 0x10, 1, 0, 0,
        0xd4, // prctl(PR_SET_NAME, NAME)
        0x28, 9, 0x80, 0xd2, 0, 0, 0x80, 0xd2, 1, 0, 0x80, 0xd2, 2, 0, 0x80, 0xd2, 3, 0, 0x80,
        0xd2, // ppoll(nothing,
        1, 0, 0, 0xd4, 0xfa, 0xff, 0xff, 0x17, //     for ever), again
    ],
));

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const MACHINE: Option<(u16, &[u8])> = None;

/// The program, in memory, sealed.
pub(super) fn program() -> Result<OwnedFd> {
    let what = "the init of a shared pid namespace";
    let (machine, code) = MACHINE.ok_or_else(|| {
        Error::new(Kind::Unsupported, "make", what).because("there is none for this processor")
    })?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // MFD_EXEC is of Linux 6.3.
    let file = match memfd_create(c"tare-init", flags | MemfdFlags::EXEC) {
        Err(rustix::io::Errno::INVAL) => memfd_create(c"tare-init", flags),
        made => made,
    };
    let file = file.op("make", what)?;
    let bytes = elf(machine, code);
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest).op("write", what)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(&file, seals).op("seal", what)?;
    Ok(file)
}

/// An executable of one segment: headers, code, name.
fn elf(machine: u16, code: &[u8]) -> Vec<u8> {
    let length = (HEADERS + code.len() + NAME.len()) as u64;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut put = |bytes: &[u8]| elf.extend_from_slice(bytes);
    for half in [2, machine] {
        put(&half.to_le_bytes());
    }
    put(&1_u32.to_le_bytes());
    // Where it begins, and where the program headers are; there are no sections.
    for word in [ADDRESS + HEADERS as u64, 64, 0] {
        put(&word.to_le_bytes());
    }
    put(&0_u32.to_le_bytes());
    for half in [64_u16, 56, 2, 0, 0, 0] {
        put(&half.to_le_bytes());
    }
    // PT_LOAD, to be read and executed; PT_GNU_STACK, not to be executed.
    for (kind, flags, words) in [
        (1_u32, 5_u32, [0, ADDRESS, ADDRESS, length, length, 0x1_0000]),
        (0x6474_e551, 6, [0, 0, 0, 0, 0, 16]),
    ] {
        put(&kind.to_le_bytes());
        put(&flags.to_le_bytes());
        for word in words {
            put(&word.to_le_bytes());
        }
    }
    put(code);
    put(NAME);
    elf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_whole_and_small() {
        let Some((machine, code)) = MACHINE else {
            return;
        };
        let bytes = elf(machine, code);
        assert!(bytes.len() < 512, "{}", bytes.len());
        assert_eq!(bytes.get(HEADERS..HEADERS + code.len()), Some(code));
        assert!(bytes.ends_with(NAME));
        let entry = bytes
            .get(24..32)
            .and_then(|word| word.try_into().ok())
            .map(u64::from_le_bytes);
        assert_eq!(entry, Some(ADDRESS + HEADERS as u64));
    }
}
