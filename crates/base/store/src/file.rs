//! Whole files: read with a bound, replaced atomically.

use crate::id::{hex, random_bytes};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tare_error::{Context, Error, Kind, Result};

/// What every temporary's name starts with.
const TEMPORARY: &str = ".tmp-";

/// Whether a file is on disk when the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The file, then the folder's entry, are synced: for the data folder.
    Durable,
    /// Atomic, not synced: for the run folder, which a power cut empties anyway.
    Volatile,
}

/// Replaces the file at `path` by one with `bytes` and exactly `mode`, or makes it.
///
/// # Errors
/// The kernel's; then the old file is untouched and no temporary is left.
pub fn replace(path: &Path, durability: Durability, mode: u32, bytes: &[u8]) -> Result<()> {
    let shown = path.display();
    let invalid = || Error::new(Kind::Invalid, "write", &shown).because("not the path of a file");
    let name = path.file_name().ok_or_else(invalid)?;
    let parent = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(CWD, parent, flags, Mode::empty()).op("open folder", parent.display())?;
    let temporary = format!("{TEMPORARY}{}", hex(&random_bytes::<12>()?));
    let written = write_new(&dir, &temporary, durability, mode, bytes)
        .and_then(|()| Ok(rustix::fs::renameat(&dir, temporary.as_str(), &dir, name)?));
    if let Err(e) = written {
        let error = Error::os("write", &shown, e);
        return Err(
            match rustix::fs::unlinkat(&dir, temporary.as_str(), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => error,
                Err(left) => error.also(Error::os("remove", parent.join(temporary).display(), left)),
            },
        );
    }
    match durability {
        Durability::Durable => rustix::fs::fsync(&dir).op("sync folder", parent.display()),
        Durability::Volatile => Ok(()),
    }
}

/// Makes `name`, which must be new, with `bytes` and `mode` whatever the umask.
fn write_new(
    dir: &OwnedFd,
    name: &str,
    durability: Durability,
    mode: u32,
    bytes: &[u8],
) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?);
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    file.write_all(bytes)?;
    match durability {
        Durability::Durable => file.sync_all(),
        Durability::Volatile => Ok(()),
    }
}

/// How much the first read of a file asks for: one page holds most files of the kernel and all of our records.
const FIRST_READ: usize = 4096;

/// Reads the whole file at `path`, as few calls as its size allows: no metadata is asked for, as files of the kernel
/// have no size.
///
/// # Errors
/// The kernel's; `FileTooLarge` where there are more than `most` bytes.
pub fn read(path: impl AsRef<Path>, most: usize) -> std::io::Result<Vec<u8>> {
    read_until(CWD, path.as_ref(), most, |count| count == 0)
}

/// As [`read`], by one call less: for a file that one read gives as far as there is room, as a record of ours, `/proc/PID/stat`
/// and whatever else the kernel makes by `single_open` does. Lists of the kernel's (`cgroup.procs`, `/proc/mounts`) do not: they
/// stop at an entry.
///
/// # Errors
/// As [`read`].
pub fn read_at_once(path: impl AsRef<Path>, most: usize) -> std::io::Result<Vec<u8>> {
    read_at_once_in(CWD, path, most)
}

/// As [`read_at_once`], by a path that starts in an open folder: of many files in one folder, each is a shorter way.
///
/// # Errors
/// As [`read`].
pub fn read_at_once_in(folder: impl AsFd, path: impl AsRef<Path>, most: usize) -> std::io::Result<Vec<u8>> {
    read_until(folder.as_fd(), path.as_ref(), most, |count| count < FIRST_READ)
}

/// Reads a file; `is_last` says, by how much a read within its first page gave, whether that was all.
fn read_until(
    folder: BorrowedFd<'_>,
    path: &Path,
    most: usize,
    is_last: impl Fn(usize) -> bool,
) -> std::io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, path, flags, Mode::empty())?;
    // On the stack: an allocator may map a page for each file, and give it back.
    let mut first = [0; FIRST_READ];
    let mut known = 0;
    while let Some(room) = first.get_mut(known..).filter(|room| !room.is_empty()) {
        match rustix::io::read(&file, room) {
            Ok(count) => {
                known += count;
                if is_last(count) {
                    return limited(first.get(..known).unwrap_or_default().to_vec(), most);
                }
            }
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let mut bytes = Vec::with_capacity(4 * FIRST_READ);
    bytes.extend_from_slice(&first);
    loop {
        bytes = limited(bytes, most)?;
        match rustix::io::read(&file, rustix::buffer::spare_capacity(&mut bytes)) {
            Ok(0) => return Ok(bytes),
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        if bytes.len() == bytes.capacity() {
            bytes.reserve(3 * bytes.len());
        }
    }
}

fn limited(bytes: Vec<u8>, most: usize) -> std::io::Result<Vec<u8>> {
    match bytes.len() > most {
        true => Err(std::io::ErrorKind::FileTooLarge.into()),
        false => Ok(bytes),
    }
}

/// Removes temporaries that a killed process left in `dir` at least `age` ago; returns how many.
///
/// # Errors
/// The kernel's, where the folder cannot be read or an entry cannot be removed.
pub fn sweep_temporaries(dir: &Path, age: Duration) -> Result<usize> {
    let mut swept = 0;
    let now = SystemTime::now();
    for entry in std::fs::read_dir(dir).op("read folder", dir.display())? {
        let entry = entry.op("read folder", dir.display())?;
        if !entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            continue;
        }
        // One that is gone by now was renamed or swept by its owner.
        let Ok(metadata) = entry.metadata() else { continue };
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        if !metadata.is_file() || now.duration_since(modified).unwrap_or_default() < age {
            continue;
        }
        match std::fs::remove_file(entry.path()) {
            Ok(()) => swept += 1,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::os("remove", entry.path().display(), e)),
        }
    }
    Ok(swept)
}

/// Opens the folder `name` in `parent` without following a link.
pub(crate) fn open_folder(
    parent: BorrowedFd<'_>,
    name: impl rustix::path::Arg,
) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent.as_fd(), name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_whole_with_its_mode() {
        let scratch = Scratch::new("replace");
        let path = scratch.path().join("state.json");
        for (bytes, mode, how) in [
            (&b"one"[..], 0o600, Durability::Durable),
            (&b"two, longer"[..], 0o644, Durability::Volatile),
            (&b""[..], 0o666, Durability::Durable),
        ] {
            replace(&path, how, mode, bytes).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
            assert_eq!(
                std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
                mode
            );
        }
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_in_the_way_is_replaced_and_not_followed() {
        let scratch = Scratch::new("link");
        let (target, link) = (scratch.path().join("target"), scratch.path().join("link"));
        std::fs::write(&target, "kept").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        replace(&link, Durability::Volatile, 0o600, b"new").unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"kept");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_file());
    }

    #[test]
    fn a_file_is_read_whole_or_refused() {
        let scratch = Scratch::new("read");
        let path = scratch.path().join("file");
        for length in [0, 1, FIRST_READ - 1, FIRST_READ, FIRST_READ + 1, 5 * FIRST_READ] {
            let bytes = vec![7; length];
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(read(&path, length).unwrap(), bytes);
            if length > 0 {
                let refused = read(&path, length - 1).unwrap_err();
                assert_eq!(refused.kind(), std::io::ErrorKind::FileTooLarge, "{length}");
            }
        }
        let missing = read(scratch.path().join("nothing"), 1).unwrap_err();
        assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
    }

    #[test]
    fn a_failure_leaves_no_temporary() {
        let scratch = Scratch::new("fails");
        std::fs::create_dir(scratch.path().join("folder")).unwrap();
        assert!(replace(&scratch.path().join("folder"), Durability::Volatile, 0o600, b"x").is_err());
        assert!(replace(&scratch.path().join("no/such"), Durability::Volatile, 0o600, b"x").is_err());
        assert!(replace(Path::new("/"), Durability::Volatile, 0o600, b"x").is_err());
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_old_temporaries_are_swept() {
        let scratch = Scratch::new("sweep");
        std::fs::write(scratch.path().join(".tmp-1"), "").unwrap();
        std::fs::write(scratch.path().join("kept"), "").unwrap();
        assert_eq!(
            sweep_temporaries(scratch.path(), Duration::from_secs(3600)).unwrap(),
            0
        );
        assert_eq!(sweep_temporaries(scratch.path(), Duration::ZERO).unwrap(), 1);
        assert!(scratch.path().join("kept").exists());
    }
}
