//! How the kernel schedules the calling thread (`sched_setattr(2)`, `ioprio_set(2)`).

use crate::call::done;
use rustix::io::Result;

/// `IOPRIO_WHO_PROCESS`.
const WHO_PROCESS: libc::c_int = 1;
/// `IOPRIO_CLASS_SHIFT`.
const CLASS_SHIFT: u32 = 13;

/// `struct sched_attr` as of Linux 5.3, without its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// `SCHED_OTHER` (0), `SCHED_FIFO` (1), `SCHED_RR` (2), `SCHED_BATCH` (3), `SCHED_IDLE` (5), `SCHED_DEADLINE` (6).
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// Nice value of `SCHED_OTHER` and `SCHED_BATCH`, -20 to 19.
    pub nice: i32,
    /// Static priority of `SCHED_FIFO` and `SCHED_RR`, 1 to 99.
    pub priority: u32,
    /// `SCHED_DEADLINE`: nanoseconds of processor time per period.
    pub runtime: u64,
    /// `SCHED_DEADLINE`: nanoseconds from the start of a period.
    pub deadline: u64,
    /// `SCHED_DEADLINE`: nanoseconds; 0 means the deadline.
    pub period: u64,
}

/// The same in the kernel's layout.
#[repr(C)]
struct Raw {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
    clamp_min: u32,
    clamp_max: u32,
}

/// Its size.
const SIZE: u32 = 56;

const _: () = assert!(size_of::<Raw>() == 56);

/// Sets the scheduling policy of this thread; it survives exec.
///
/// # Errors
/// `EPERM` without `CAP_SYS_NICE` or where the cgroup has no real-time budget, `EINVAL` for values outside their range,
/// `EBUSY` where deadlines cannot be promised, `EOPNOTSUPP` for utilisation clamps that the kernel lacks.
pub fn set_scheduling(scheduling: &Scheduling) -> Result<()> {
    let raw = Raw {
        size: SIZE,
        policy: scheduling.policy,
        flags: scheduling.flags,
        nice: scheduling.nice,
        priority: scheduling.priority,
        runtime: scheduling.runtime,
        deadline: scheduling.deadline,
        period: scheduling.period,
        clamp_min: 0,
        clamp_max: 0,
    };
    // SAFETY: the kernel reads `size` bytes of the struct, which is its own layout; it writes only where the size is
    // one that it does not know, and then the field `size`, whose place it may not take: the struct dies here.
    done(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const raw, 0) })
}

/// Sets the I/O priority of this thread: class 1 (real time), 2 (best effort) or 3 (idle), level 0 (first) to 7.
///
/// # Errors
/// `EPERM` for real time without `CAP_SYS_ADMIN` or `CAP_SYS_NICE`, `EINVAL` for a class that does not exist.
pub fn set_io_priority(class: u16, level: u16) -> Result<()> {
    let priority = u32::from(class) << CLASS_SHIFT | u32::from(level);
    // SAFETY: three integers; 0 names the calling thread.
    done(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, priority) })
}

/// Lets this thread run on every processor that its cpuset allows, now and whenever that changes: what whoever started
/// it was confined to is forgotten (`sched_setaffinity(2)`).
///
/// The kernel takes as much of the mask as it has processors, and none that is not there.
///
/// # Errors
/// `EINVAL` where the cpuset has no processor that is online.
pub fn use_all_processors() -> Result<()> {
    /// As many as any kernel can be built for, and some.
    const ALL: [u8; 8192] = [0xff; 8192];
    // SAFETY: the kernel reads at most so many bytes of the constant, and writes nothing; 0 names the calling thread.
    done(unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, ALL.len(), ALL.as_ptr()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn a_confinement_is_forgotten() {
        use rustix::thread::{sched_getaffinity, sched_setaffinity};
        // Of a thread of its own: other tests keep theirs.
        let checked = std::thread::spawn(|| {
            let all = sched_getaffinity(None).unwrap();
            let mut one = rustix::thread::CpuSet::new();
            one.set((0..).find(|n| all.is_set(*n)).unwrap());
            sched_setaffinity(None, &one).unwrap();
            use_all_processors().unwrap();
            assert_eq!(sched_getaffinity(None).unwrap(), all);
        });
        checked.join().unwrap();
    }

    #[test]
    fn what_is_there_can_be_set_again_and_nonsense_cannot() {
        assert_eq!(set_scheduling(&Scheduling::default()), Ok(()));
        let nonsense = Scheduling {
            policy: 99,
            ..Scheduling::default()
        };
        assert_eq!(set_scheduling(&nonsense), Err(Errno::INVAL));
        assert_eq!(set_io_priority(2, 4), Ok(()));
        assert_eq!(set_io_priority(7, 0), Err(Errno::INVAL));
    }
}
