//! Locks between processes: `flock(2)` on a file of its own, dropped by the kernel with the holder.

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, fstat, stat};
use rustix::io::Errno;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tare_error::{Context, Error, Kind, Result};

/// The longest list of locks that is read.
const LONGEST: usize = 1 << 20;

/// A held lock; dropping it releases it.
///
/// The lock belongs to the open file, which a child that is forked shares until it has closed what is not its own (at exec at
/// the latest). So dropping it unlocks, and does not merely close: a child that is slow to begin would hold it still. Where its
/// holder dies without dropping it, such a child holds it for that moment.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // It can fail for no lock that is held.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

impl Lock {
    /// Waits until nobody else holds the lock at `path`, then holds it alone. Makes the file where it is missing.
    ///
    /// # Errors
    /// The kernel's.
    pub fn exclusive(path: &Path) -> Result<Lock> {
        Lock::wait(path, FlockOperation::LockExclusive)
    }

    /// Waits until nobody holds the lock alone, then holds it together with other sharers.
    ///
    /// # Errors
    /// The kernel's.
    pub fn shared(path: &Path) -> Result<Lock> {
        Lock::wait(path, FlockOperation::LockShared)
    }

    /// Holds the lock alone if nobody holds it, else `None` at once.
    ///
    /// # Errors
    /// The kernel's.
    pub fn try_exclusive(path: &Path) -> Result<Option<Lock>> {
        Lock::acquire(path, FlockOperation::NonBlockingLockExclusive)
    }

    /// Holds the lock together with other sharers unless somebody holds it alone, else `None` at once.
    ///
    /// # Errors
    /// The kernel's.
    pub fn try_shared(path: &Path) -> Result<Option<Lock>> {
        Lock::acquire(path, FlockOperation::NonBlockingLockShared)
    }

    /// As [`Lock::try_exclusive`]; a lock that is taken is an error which names the holder.
    ///
    /// # Errors
    /// `Conflict` where it is held, else the kernel's.
    pub fn exclusive_or_conflict(path: &Path) -> Result<Lock> {
        Lock::try_exclusive(path)?.ok_or_else(|| {
            let reason = match Lock::holders(path).as_slice() {
                [] => "held by another process".to_owned(),
                pids => format!(
                    "held by {}",
                    pids.iter().map(named).collect::<Vec<_>>().join(", ")
                ),
            };
            Error::new(Kind::Conflict, "lock", path.display()).because(reason)
        })
    }

    /// The processes that hold the lock at `path` now, from `/proc/locks` (proc_locks(5)): for messages only.
    ///
    /// Empty where nobody holds it, or where the holder lives in another pid namespace.
    pub fn holders(path: &Path) -> Vec<u32> {
        // In large pieces: between two the list may change, and one be left out.
        let (Ok(metadata), Ok(locks)) = (std::fs::metadata(path), crate::read("/proc/locks", LONGEST)) else {
            return Vec::new();
        };
        let locks = String::from_utf8_lossy(&locks);
        let (major, minor) = (
            rustix::fs::major(metadata.dev()),
            rustix::fs::minor(metadata.dev()),
        );
        holders_in(&locks, &format!("{major:02x}:{minor:02x}:{}", metadata.ino()))
    }

    fn wait(path: &Path, how: FlockOperation) -> Result<Lock> {
        let none =
            || Error::new(Kind::Internal, "lock", path.display()).because("a blocking lock did not block");
        Lock::acquire(path, how)?.ok_or_else(none)
    }

    fn acquire(path: &Path, how: FlockOperation) -> Result<Option<Lock>> {
        let shown = path.display();
        loop {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file =
                rustix::fs::openat(CWD, path, flags, Mode::RUSR | Mode::WUSR).op("open lock", &shown)?;
            loop {
                match rustix::fs::flock(&file, how) {
                    Err(Errno::INTR) => {}
                    Err(Errno::WOULDBLOCK) => return Ok(None),
                    done => break done.op("lock", &shown)?,
                }
            }
            // A holder may remove the file with what it guards; who waited on the old file tries the new one.
            let held = fstat(&file).op("stat", &shown)?;
            match stat(path) {
                Ok(now) if (now.st_dev, now.st_ino) == (held.st_dev, held.st_ino) => {
                    return Ok(Some(Lock {
                        file: File::from(file),
                    }));
                }
                Ok(_) | Err(Errno::NOENT) => {}
                Err(e) => return Err(Error::os("stat", &shown, e)),
            }
        }
    }
}

/// The pids of granted flocks on `file` ("MAJ:MIN:INODE") in the text of `/proc/locks`.
fn holders_in(locks: &str, file: &str) -> Vec<u32> {
    let holder = |line: &str| {
        // "12: FLOCK  ADVISORY  WRITE 3456 08:01:131 0 EOF"; a waiting one has "->" in second place.
        let mut fields = line.split_ascii_whitespace().skip(1);
        (fields.next()? == "FLOCK").then_some(())?;
        let pid = fields.nth(2)?.parse().ok()?;
        (fields.next()? == file).then_some(pid)
    };
    locks.lines().filter_map(holder).filter(|&pid| pid != 0).collect()
}

/// "tare (pid 12)", or "pid 12" where its name cannot be read.
fn named(pid: &u32) -> String {
    match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("{} (pid {pid})", name.trim_end().escape_debug()),
        Err(_) => format!("pid {pid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_child_that_still_has_the_file_open_holds_nothing() {
        let path = std::env::temp_dir().join(format!("tare-store-shared-{}", std::process::id()));
        let lock = Lock::exclusive(&path).unwrap();
        let of_child = lock.file.try_clone().unwrap();
        assert!(Lock::try_exclusive(&path).unwrap().is_none());
        drop(lock);
        assert!(Lock::try_exclusive(&path).unwrap().is_some());
        drop(of_child);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn one_holder_alone_or_several_together() {
        let scratch = Scratch::new("lock");
        let path = scratch.path().join("a.lock");
        let first = Lock::exclusive(&path).unwrap();
        assert!(Lock::try_exclusive(&path).unwrap().is_none());
        assert!(Lock::try_shared(&path).unwrap().is_none());
        drop(first);
        let second = Lock::shared(&path).unwrap();
        assert!(Lock::try_shared(&path).unwrap().is_some());
        assert!(Lock::try_exclusive(&path).unwrap().is_none());
        drop(second);
        assert!(Lock::try_exclusive(&path).unwrap().is_some());
    }

    #[test]
    fn a_conflict_names_the_holder() {
        let scratch = Scratch::new("holder");
        let path = scratch.path().join("a.lock");
        let _held = Lock::exclusive(&path).unwrap();
        let mine = format!("(pid {})", std::process::id());
        let told = || {
            let error = Lock::exclusive_or_conflict(&path).unwrap_err();
            assert_eq!(error.kind(), Kind::Conflict);
            error.to_string()
        };
        // The kernel's list may leave one out while others come and go.
        assert!((0..100).any(|_| told().contains(&mine)), "{}", told());
    }

    #[test]
    fn a_waiter_does_not_take_a_removed_file_for_the_lock() {
        let scratch = Scratch::new("removed");
        let path = scratch.path().join("a.lock");
        let first = Lock::exclusive(&path).unwrap();
        let waiter = {
            let path = path.clone();
            std::thread::spawn(move || Lock::exclusive(&path).unwrap())
        };
        // Whether the waiter has opened the old file or not by now, it must end with the new one.
        std::fs::remove_file(&path).unwrap();
        drop(first);
        let second = waiter.join().unwrap();
        assert!(Lock::try_exclusive(&path).unwrap().is_none());
        drop(second);
    }

    #[test]
    fn proc_locks_is_read_by_its_columns() {
        let text = "1: POSIX  ADVISORY  WRITE 10 08:01:77 0 EOF\n\
                    2: FLOCK  ADVISORY  WRITE 11 08:01:77 0 EOF\n\
                    2: -> FLOCK  ADVISORY  WRITE 12 08:01:77 0 EOF\n\
                    3: FLOCK  ADVISORY  READ 13 08:01:78 0 EOF\n3: FLOCK\n\n";
        assert_eq!(holders_in(text, "08:01:77"), [11]);
        assert_eq!(holders_in("", "08:01:77"), []);
    }
}
