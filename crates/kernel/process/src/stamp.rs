//! What is known of a process across the death of whoever knew it: pid, start time and boot.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};
use tare_error::{Context, Error, Kind, Result};
use tare_store::BootId;

/// More than `/proc/PID/stat` has, whatever its name and numbers are.
const STAT_MOST: usize = 4096;

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Its id in the pid namespace of the machine that wrote the record.
    pub pid: i32,
    /// When it started, in clock ticks after boot: field 22 of `/proc/PID/stat` (proc_pid_stat(5)).
    pub start: u64,
    /// The boot in which this was.
    pub boot: String,
}

impl Stamp {
    /// The stamp of a process that lives or is a zombie.
    ///
    /// # Errors
    /// `NotFound` where there is no such process.
    pub fn of(pid: i32) -> Result<Stamp> {
        let path = format!("/proc/{pid}/stat");
        let stat = tare_store::read(&path, STAT_MOST).op("read", &path)?;
        let start = start_time(&stat)
            .ok_or_else(|| Error::new(Kind::Corrupt, "read", &path).because("it has no start time"))?;
        Ok(Stamp {
            pid,
            start,
            boot: BootId::current()?.to_string(),
        })
    }

    /// A handle on the process where it still lives (or is a zombie), `None` where it is gone.
    ///
    /// # Errors
    /// The kernel's, other than that there is no such process.
    pub fn find(&self) -> Result<Option<OwnedFd>> {
        Ok(self.look()?.map(|(handle, _)| handle))
    }

    /// A handle on the process where it runs, or will: it is there, and neither a zombie nor on its way out.
    ///
    /// A process that was killed closes its descriptors, which others see, well before it counts as ended: the end of
    /// its mount namespace alone takes milliseconds.
    ///
    /// # Errors
    /// As [`Stamp::find`].
    pub fn running(&self) -> Result<Option<OwnedFd>> {
        let found = self.look()?;
        Ok(found
            .filter(|(_, stat)| !is_exiting(stat))
            .map(|(handle, _)| handle))
    }

    /// Whether the process runs: see [`Stamp::running`]. No handle is made for it, as lists of hundreds ask this.
    ///
    /// # Errors
    /// Where the boot's id cannot be read.
    pub fn runs(&self) -> Result<bool> {
        Ok(self.stat()?.is_some_and(|stat| !is_exiting(&stat)))
    }

    /// The process and its `stat`, where it is the one that was meant.
    fn look(&self) -> Result<Option<(OwnedFd, Vec<u8>)>> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(None);
        };
        // The handle first, then the look at the start time: what was looked at is what is held.
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(Errno::SRCH | Errno::INVAL) => return Ok(None),
            other => other.op("open a handle on process", self.pid)?,
        };
        Ok(self.stat()?.map(|stat| (handle, stat)))
    }

    /// The `stat` of the process that was meant.
    fn stat(&self) -> Result<Option<Vec<u8>>> {
        let stat = tare_store::read_at_once(format!("/proc/{}/stat", self.pid), STAT_MOST);
        let meant = |stat: &Vec<u8>| start_time(stat) == Some(self.start);
        match stat.ok().filter(meant) {
            Some(stat) if BootId::current()?.to_string() == self.boot => Ok(Some(stat)),
            _ => Ok(None),
        }
    }
}

/// `PF_EXITING` of the kernel's `include/linux/sched.h`.
const EXITING: u64 = 0x4;

/// Field 22 of `/proc/PID/stat`.
fn start_time(stat: &[u8]) -> Option<u64> {
    field(stat, 22)
}

/// Whether field 9 of `/proc/PID/stat`, the kernel's flags, says that the process is ending.
fn is_exiting(stat: &[u8]) -> bool {
    field(stat, 9).is_none_or(|flags| flags & EXITING != 0)
}

/// A field by its number in proc_pid_stat(5); the name in field 2 may hold spaces and parentheses.
fn field(stat: &[u8], number: usize) -> Option<u64> {
    let after_name = stat.iter().rposition(|b| *b == b')')? + 2;
    let fields = std::str::from_utf8(stat.get(after_name..)?).ok()?;
    fields.split(' ').nth(number.checked_sub(3)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_whatever_the_name_is() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        for name in ["sh", "a b", "x) S 1 (", ")"] {
            let stat = format!("77 ({name}) {rest}");
            assert_eq!(start_time(stat.as_bytes()), Some(4711), "{name}");
        }
        assert_eq!(start_time(b"77 (sh"), None);
        assert!(!is_exiting(b"77 (sh) S 1 2 3 4 5 4194560 7"));
        assert!(is_exiting(b"77 (sh) Z 1 2 3 4 5 4194316 7"));
        assert_eq!(start_time(b""), None);
    }

    #[test]
    fn a_living_process_is_found_and_an_impostor_is_not() {
        let own = i32::try_from(std::process::id()).unwrap();
        let stamp = Stamp::of(own).unwrap();
        assert!(stamp.find().unwrap().is_some());
        assert!(stamp.runs().unwrap());
        let older = Stamp {
            start: stamp.start - 1,
            ..stamp.clone()
        };
        assert!(older.find().unwrap().is_none());
        let other_boot = Stamp {
            boot: "00000000-0000-0000-0000-000000000000".into(),
            ..stamp
        };
        assert!(other_boot.find().unwrap().is_none());
    }
}
