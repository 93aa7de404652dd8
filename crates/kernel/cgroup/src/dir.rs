//! One group directory held open, and its control files.

use crate::host::Version;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir as Entries, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use std::ffi::CString;
use std::path::Path;

/// `CGROUP_SUPER_MAGIC` and `CGROUP2_SUPER_MAGIC` of `linux/magic.h`.
const MAGIC_V1: u64 = 0x0027_e0eb;
const MAGIC_V2: u64 = 0x6367_7270;

/// No control file is longer than this; a longer one is cut (a list of two million pids has other troubles).
const FILE_MAX: usize = 16 << 20;

/// No word of a control file is longer than this.
const WORD_MAX: usize = 64;

/// How many directories are walked below one group.
const WALK_MAX: usize = 65_536;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A group directory. The file system has no links, and a name that is looked up never leaves the mount.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
}

impl Dir {
    /// Opens a mount point and makes sure that a cgroup file system is there (`EXDEV` where not).
    pub(crate) fn open_mount(at: &Path) -> Result<Dir> {
        Dir::open_any(at).map(|(dir, _)| dir)
    }

    /// The same of a place where a tree of this version should be; none where there is another, or nothing.
    pub(crate) fn open_usual(at: &Path, version: Version) -> Option<Dir> {
        let (dir, found) = Dir::open_any(at).ok()?;
        (found == version).then_some(dir)
    }

    fn open_any(at: &Path) -> Result<(Dir, Version)> {
        let fd = rustix::fs::openat(CWD, at, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty())?;
        let magic = u64::try_from(rustix::fs::fstatfs(&fd)?.f_type).unwrap_or_default();
        match magic {
            MAGIC_V1 => Ok((Dir { fd }, Version::V1)),
            MAGIC_V2 => Ok((Dir { fd }, Version::V2)),
            _ => Err(Errno::XDEV),
        }
    }

    /// The group `below` (one name or several), on the same mount.
    pub(crate) fn child(&self, below: &str) -> Result<Dir> {
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        Ok(Dir {
            fd: open_retrying(self.fd.as_fd(), below, DIRECTORY, how)?,
        })
    }

    /// The group above. The caller counts levels, so that this never leaves the mount.
    pub(crate) fn above(&self) -> Result<Dir> {
        Ok(Dir {
            fd: rustix::fs::openat(&self.fd, "..", DIRECTORY, Mode::empty())?,
        })
    }

    /// Whether `name` in here is this very `group`, and not a later one of the same name.
    pub(crate) fn is_parent_of(&self, name: &str, group: &Dir) -> Result<bool> {
        let there = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let ours = rustix::fs::fstat(&group.fd)?;
        Ok((there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino))
    }

    pub(crate) fn make(&self, name: &str) -> Result<()> {
        rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o755))
    }

    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)
    }

    /// Gives the group itself (`.`) or one of its files to another owner; a file that this kernel lacks is passed over.
    pub(crate) fn give(&self, file: &str, user: u32, group: u32) -> Result<()> {
        let (user, group) = (rustix::fs::Uid::from_raw(user), rustix::fs::Gid::from_raw(group));
        match rustix::fs::chownat(&self.fd, file, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(()),
            done => done,
        }
    }

    /// Opens a control file for one write.
    pub(crate) fn open_write(&self, file: &str) -> Result<OwnedFd> {
        open_file(self.fd.as_fd(), file, OFlags::WRONLY)
    }

    /// Opens a control file for reading, also again and again.
    pub(crate) fn open_read(&self, file: &str) -> Result<OwnedFd> {
        open_file(self.fd.as_fd(), file, OFlags::RDONLY)
    }

    /// Writes a value by one `write(2)`, as the kernel wants it.
    pub(crate) fn write(&self, file: &str, value: &str) -> Result<()> {
        write_value(self.open_write(file)?.as_fd(), value)
    }

    /// Reads a control file as a whole.
    pub(crate) fn read(&self, file: &str) -> Result<String> {
        read_fd(self.open_read(file)?.as_fd())
    }

    /// Reads the one word that a control file of a group below holds, by its path from here.
    pub(crate) fn word_below(&self, path: &str) -> Result<String> {
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let file = open_retrying(self.fd.as_fd(), path, OFlags::RDONLY | OFlags::CLOEXEC, how)?;
        let mut word = [0; WORD_MAX];
        let known = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut word))?;
        let text = String::from_utf8_lossy(word.get(..known).unwrap_or_default());
        Ok(text.trim_end().to_owned())
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        rustix::fs::accessat(&self.fd, file, rustix::fs::Access::EXISTS, AtFlags::empty()).is_ok()
    }

    /// The value of `key` in a file of `key value` lines.
    pub(crate) fn read_key(&self, file: &str, key: &str) -> Result<Option<u64>> {
        Ok(find_key(&self.read(file)?, key))
    }

    /// Whether there are groups right below: each is a link, besides the two that a directory has itself.
    pub(crate) fn has_children(&self) -> Result<bool> {
        Ok(rustix::fs::fstat(&self.fd)?.st_nlink > 2)
    }

    /// The names of the groups right below.
    pub(crate) fn children(&self) -> Result<Vec<CString>> {
        let mut names = Vec::new();
        for entry in Entries::read_from(&self.fd)? {
            let entry = entry?;
            let name = entry.file_name();
            if entry.file_type() == FileType::Directory && !matches!(name.to_bytes(), b"." | b"..") {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Every group below, deepest last; those that vanish meanwhile are left out.
    ///
    /// Paths are kept, not fds, so that a container with thousands of groups costs no fd.
    pub(crate) fn descendants(&self) -> Result<Vec<CString>> {
        let mut found: Vec<CString> = self.children()?;
        let mut next = 0;
        while let Some(path) = found.get(next).cloned() {
            if found.len() > WALK_MAX {
                return Err(Errno::NFILE);
            }
            next += 1;
            let names = match self.open_below(&path).and_then(|dir| dir.children()) {
                Ok(names) => names,
                Err(Errno::NOENT | Errno::NODEV) => continue,
                Err(e) => return Err(e),
            };
            for name in names {
                let mut longer = path.as_bytes().to_vec();
                longer.push(b'/');
                longer.extend_from_slice(name.as_bytes());
                found.push(CString::new(longer).map_err(|_| Errno::INVAL)?);
            }
        }
        Ok(found)
    }

    /// A descendant by a path that [`Dir::descendants`] gave.
    pub(crate) fn open_below(&self, path: &CString) -> Result<Dir> {
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        Ok(Dir {
            fd: open_retrying(self.fd.as_fd(), path, DIRECTORY, how)?,
        })
    }

    /// Removes a descendant by a path that [`Dir::descendants`] gave.
    pub(crate) fn remove_below(&self, path: &CString) -> Result<()> {
        rustix::fs::unlinkat(&self.fd, path, AtFlags::REMOVEDIR)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Reads an open control file from its beginning.
pub(crate) fn read_fd(fd: BorrowedFd<'_>) -> Result<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0_u8; 4096];
    loop {
        let at = u64::try_from(bytes.len()).map_err(|_| Errno::OVERFLOW)?;
        match rustix::io::pread(fd, &mut buffer, at) {
            Ok(0) => break,
            Ok(n) => bytes.extend_from_slice(buffer.get(..n).unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
        if bytes.len() > FILE_MAX {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The number after `key` in text of `key number` lines.
pub(crate) fn find_key(text: &str, key: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Writes one value to an open control file, which takes the next one as well.
pub(crate) fn write_value(file: BorrowedFd<'_>, value: &str) -> Result<()> {
    loop {
        match rustix::io::write(file, value.as_bytes()) {
            Ok(n) if n == value.len() => return Ok(()),
            Ok(_) => return Err(Errno::INVAL),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
}

fn open_file(dir: BorrowedFd<'_>, file: &str, flags: OFlags) -> Result<OwnedFd> {
    if file.contains('/') {
        return Err(Errno::INVAL);
    }
    rustix::fs::openat(
        dir,
        file,
        flags | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// `openat2`, tried again while a rename elsewhere makes the kernel unsure (`EAGAIN`).
fn open_retrying<P: rustix::path::Arg + Copy>(
    dir: BorrowedFd<'_>,
    path: P,
    flags: OFlags,
    how: ResolveFlags,
) -> Result<OwnedFd> {
    for _ in 0..32 {
        match rustix::fs::openat2(dir, path, flags, Mode::empty(), how) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done,
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_whole_words() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(find_key(text, "oom_kill"), Some(3));
        assert_eq!(find_key(text, "oom"), None);
        assert_eq!(find_key("oom 1\noom_kill x\n", "oom_kill"), None);
    }

    #[test]
    fn another_file_system_is_no_cgroup_mount() {
        assert_eq!(Dir::open_mount(Path::new("/proc")).unwrap_err(), Errno::XDEV);
        assert_eq!(Dir::open_mount(Path::new("/no/such")).unwrap_err(), Errno::NOENT);
    }
}
