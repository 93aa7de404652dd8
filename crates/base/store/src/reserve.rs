//! Space that is kept for what must be possible on a full file system: to write down that something has ended or goes.

use crate::{Durability, replace};
use rustix::fd::AsFd;
use rustix::fs::{CWD, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use tare_error::{Error, Kind, Result};

/// The longest that a spare file takes.
const PAGE: usize = 4096;

/// A file that holds space. Who finds none takes the file away and tries again; it is made again as soon as there is space.
/// Another process may be faster, and take what became free.
#[derive(Clone, Debug)]
pub struct Reserve {
    path: PathBuf,
    size: u64,
}

impl Reserve {
    /// So many bytes, in this file.
    pub fn new(path: PathBuf, size: u64) -> Reserve {
        Reserve { path, size }
    }

    /// Makes it where it is not there. Where there is no space for it, there is none now.
    pub fn keep(&self) {
        if rustix::fs::access(&self.path, rustix::fs::Access::EXISTS).is_ok() {
            return;
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let Ok(made) = rustix::fs::openat(CWD, &self.path, flags, Mode::RUSR | Mode::WUSR) else {
            return;
        };
        if fill(&made, self.size).is_err() {
            // It would promise what it does not hold.
            self.give_up();
        }
    }

    /// Gives it up; whether there was one.
    pub fn give_up(&self) -> bool {
        std::fs::remove_file(&self.path).is_ok()
    }
}

fn fill(file: &impl AsFd, size: u64) -> rustix::io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        allocated => return allocated,
    }
    let page = [0; PAGE];
    for at in (0..size).step_by(PAGE) {
        if rustix::io::pwrite(file, &page, at)? < PAGE {
            return Err(Errno::NOSPC);
        }
    }
    Ok(())
}

/// Makes a spare file of one page where there is none: for [`replace_from`].
pub fn keep_spare(path: &Path) {
    Reserve::new(path.to_owned(), PAGE as u64).keep();
}

/// The same as [`replace`] without syncing; where there is no space, the spare file becomes the new one. Its page is not given
/// back in between, so nobody can be faster.
///
/// # Errors
/// As [`replace`], also for what is longer than a page.
pub fn replace_from(spare: &Path, path: &Path, mode: u32, bytes: &[u8]) -> Result<()> {
    match replace(path, Durability::Volatile, mode, bytes) {
        Err(e) if e.kind() == Kind::Exhausted && bytes.len() <= PAGE => {
            let used = use_spare(spare, path, mode, bytes);
            used.map_err(|also| e.also(Error::os("write", spare.display(), also)))
        }
        replaced => replaced,
    }
}

fn use_spare(spare: &Path, path: &Path, mode: u32, bytes: &[u8]) -> rustix::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::openat(CWD, spare, flags, Mode::empty())?;
    if rustix::io::pwrite(&file, bytes, 0)? < bytes.len() {
        return Err(Errno::NOSPC);
    }
    rustix::fs::ftruncate(&file, bytes.len() as u64)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    rustix::fs::rename(spare, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_reserve_is_there_until_it_is_given_up() {
        let scratch = Scratch::new("reserve");
        let reserve = Reserve::new(scratch.path().join("reserve"), 64 << 10);
        assert!(!reserve.give_up());
        reserve.keep();
        reserve.keep();
        let about = std::fs::metadata(scratch.path().join("reserve")).unwrap();
        assert_eq!(about.len(), 64 << 10);
        assert!(std::os::unix::fs::MetadataExt::blocks(&about) >= 128);
        assert!(reserve.give_up());
    }

    #[test]
    fn a_spare_file_becomes_the_new_one() {
        let scratch = Scratch::new("spare");
        let (spare, path) = (scratch.path().join("spare"), scratch.path().join("exit.json"));
        keep_spare(&spare);
        use_spare(&spare, &path, 0o600, b"{}").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"{}");
        assert!(use_spare(&spare, &path, 0o600, b"{}").is_err());
        replace_from(&spare, &path, 0o600, b"[]").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"[]");
    }
}
