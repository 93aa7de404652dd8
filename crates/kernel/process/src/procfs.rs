//! Writes to procfs that reach procfs and nothing else (CVE-2019-16884, CVE-2025-52881). Nothing here allocates.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use std::ffi::CStr;
use std::mem::MaybeUninit;

/// `PROC_SUPER_MAGIC`.
const MAGIC: i64 = 0x9fa0;
/// The inode number of procfs's root.
const ROOT_INODE: u64 = 1;

/// The host's `/proc`, held open and known to be procfs's root.
#[derive(Debug)]
pub struct Procfs {
    root: OwnedFd,
}

impl Procfs {
    /// Opens `/proc` of this process's root; call it before anything of a container is mounted or entered.
    ///
    /// # Errors
    /// `ESTALE` where `/proc` is not the root of procfs, else the kernel's.
    pub fn open() -> Result<Procfs> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, c"/proc", flags, Mode::empty())?;
        if !is_procfs(root.as_fd())? || rustix::fs::fstat(&root)?.st_ino != ROOT_INODE {
            return Err(Errno::STALE);
        }
        Ok(Procfs { root })
    }

    /// Writes a file below `/proc` (`sys/net/core/somaxconn`) in one write.
    ///
    /// # Errors
    /// `EXDEV` where something is mounted over the way, `ELOOP` for a link, else the kernel's.
    pub fn write(&self, path: &CStr, data: &[u8]) -> Result<()> {
        write(self.open_verified(path, OFlags::WRONLY)?.as_fd(), data)
    }

    /// Writes a file of this very process (`oom_score_adj`, `attr/exec`).
    ///
    /// # Errors
    /// As [`Procfs::write`].
    pub fn write_own(&self, name: &CStr, data: &[u8]) -> Result<()> {
        write(self.open_own(name, OFlags::WRONLY)?.as_fd(), data)
    }

    /// Reads a file of this very process into `to`, and says how much was read.
    ///
    /// # Errors
    /// As [`Procfs::write`].
    pub fn read_own(&self, name: &CStr, to: &mut [u8]) -> Result<usize> {
        rustix::io::read(self.open_own(name, OFlags::RDONLY)?, to)
    }

    /// Opens a file of this process by its number there: the link `self` is read, not followed.
    fn open_own(&self, name: &CStr, flags: OFlags) -> Result<OwnedFd> {
        let mut number = [MaybeUninit::uninit(); 16];
        let (number, _) = rustix::fs::readlinkat_raw(&self.root, c"self", &mut number)?;
        let mut path = [0; 64];
        let name = name.to_bytes();
        let length = number.len() + 1 + name.len();
        let room = path.get_mut(..length).ok_or(Errno::NAMETOOLONG)?;
        room[..number.len()].copy_from_slice(number);
        room[number.len()] = b'/';
        room[number.len() + 1..].copy_from_slice(name);
        let path = CStr::from_bytes_until_nul(&path).map_err(|_| Errno::NAMETOOLONG)?;
        self.open_verified(path, flags)
    }

    fn open_verified(&self, path: &CStr, flags: OFlags) -> Result<OwnedFd> {
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let file = rustix::fs::openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), how)?;
        if !is_procfs(file.as_fd())? {
            return Err(Errno::STALE);
        }
        Ok(file)
    }
}

/// Whether what is open belongs to procfs.
fn is_procfs(fd: BorrowedFd<'_>) -> Result<bool> {
    Ok(rustix::fs::fstatfs(fd)?.f_type == MAGIC)
}

/// One write, whole or not at all, as procfs wants it.
fn write(file: BorrowedFd<'_>, data: &[u8]) -> Result<()> {
    match rustix::io::write(file, data)? {
        n if n == data.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_files_are_found_by_number() {
        let procfs = Procfs::open().unwrap();
        let mut text = [0; 16];
        let length = procfs.read_own(c"oom_score_adj", &mut text).unwrap();
        let direct = std::fs::read("/proc/self/oom_score_adj").unwrap();
        assert_eq!(&text[..length], direct.as_slice());
    }

    #[test]
    fn links_are_not_followed() {
        let procfs = Procfs::open().unwrap();
        assert_eq!(
            procfs.write(c"self/oom_score_adj", b"0").unwrap_err(),
            Errno::LOOP
        );
        assert_eq!(procfs.write(c"../etc/passwd", b"").unwrap_err(), Errno::XDEV);
    }
}
