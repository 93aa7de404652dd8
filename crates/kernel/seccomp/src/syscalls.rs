//! System calls by name: their number on each architecture, the calls that carry others, and argument widths.

mod table;

use crate::arch::{Interface, X32_BIT};
use tare_spec_oci::Arch;

/// A call name that at least one architecture knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syscall {
    name: &'static str,
    numbers: Option<&'static [u16; table::COLUMNS]>,
    arm_private: Option<u32>,
}

/// Calls of 32-bit ARM alone, above the range of all others (`asm/unistd.h` of arm).
const ARM_PRIVATE: [(&str, u32); 6] = [
    ("breakpoint", 0xf_0001),
    ("cacheflush", 0xf_0002),
    ("get_tls", 0xf_0006),
    ("set_tls", 0xf_0005),
    ("usr26", 0xf_0003),
    ("usr32", 0xf_0004),
];

/// What `socketcall(2)` and `ipc(2)` carry, by their first argument (`linux/net.h`, `linux/ipc.h`), in byte order.
const CARRIED: [(&str, &str, u32); 32] = [
    ("accept", "socketcall", 5),
    ("accept4", "socketcall", 18),
    ("bind", "socketcall", 2),
    ("connect", "socketcall", 3),
    ("getpeername", "socketcall", 7),
    ("getsockname", "socketcall", 6),
    ("getsockopt", "socketcall", 15),
    ("listen", "socketcall", 4),
    ("msgctl", "ipc", 14),
    ("msgget", "ipc", 13),
    ("msgrcv", "ipc", 12),
    ("msgsnd", "ipc", 11),
    ("recv", "socketcall", 10),
    ("recvfrom", "socketcall", 12),
    ("recvmmsg", "socketcall", 19),
    ("recvmsg", "socketcall", 17),
    ("semctl", "ipc", 3),
    ("semget", "ipc", 2),
    ("semop", "ipc", 1),
    ("semtimedop", "ipc", 4),
    ("send", "socketcall", 9),
    ("sendmmsg", "socketcall", 20),
    ("sendmsg", "socketcall", 16),
    ("sendto", "socketcall", 11),
    ("setsockopt", "socketcall", 14),
    ("shmat", "ipc", 21),
    ("shmctl", "ipc", 24),
    ("shmdt", "ipc", 22),
    ("shmget", "ipc", 23),
    ("shutdown", "socketcall", 13),
    ("socket", "socketcall", 1),
    ("socketpair", "socketcall", 8),
];

/// Arguments that the kernel takes as `int` or `unsigned int`: it drops the upper half of the register, so a filter
/// that compares 64 bits sees another value than the call does. One bit an argument, from argument 0 up. Only calls
/// that profiles filter by argument are listed; the source is each call's `SYSCALL_DEFINE` in Linux 6.18.
#[rustfmt::skip]
const NARROW: [(&str, u8); 24] = [
    ("accept4", 0b1001), ("arch_prctl", 0b1), ("bpf", 0b101), ("close_range", 0b111), ("epoll_ctl", 0b111),
    ("fcntl", 0b11), ("futex", 0b100110), ("getsockopt", 0b111), ("ioctl", 0b11), ("keyctl", 0b1), ("kill", 0b11),
    ("madvise", 0b100), ("open", 0b10), ("openat", 0b101), ("personality", 0b1), ("prctl", 0b1),
    ("quotactl", 0b1), ("sched_setscheduler", 0b11), ("seccomp", 0b11), ("setns", 0b11), ("setsockopt", 0b10111),
    ("socket", 0b111), ("socketpair", 0b111), ("userfaultfd", 0b1),
];

impl Syscall {
    /// Looks a name up; absent where no architecture has such a call.
    pub(crate) fn named(name: &str) -> Option<Syscall> {
        if let Ok(row) = table::CALLS.binary_search_by_key(&name, |(n, _)| n) {
            let (name, numbers) = table::CALLS.get(row)?;
            return Some(Syscall {
                name,
                numbers: Some(numbers),
                arm_private: None,
            });
        }
        let arm = ARM_PRIVATE.iter().find(|(n, _)| *n == name);
        // `send` and `recv` have a number of their own on no architecture but those of the table.
        arm.map(|&(name, number)| Syscall {
            name,
            numbers: None,
            arm_private: Some(number),
        })
    }

    /// The number in `seccomp_data.nr` on an architecture that has the call.
    pub(crate) fn number(&self, on: &Interface) -> Option<u32> {
        if on.arch == Arch::Arm && self.arm_private.is_some() {
            return self.arm_private;
        }
        match *self.numbers?.get(on.column)? {
            table::NONE => None,
            number if on.arch == Arch::X32 => Some(u32::from(number) | X32_BIT),
            number => Some(u32::from(number)),
        }
    }

    /// Where else the call can be made: the number of `socketcall` or `ipc`, and the first argument that selects it.
    pub(crate) fn carried(&self, on: &Interface) -> Option<(u32, u32)> {
        if !on.multiplexed {
            return None;
        }
        let row = CARRIED.binary_search_by_key(&self.name, |(name, ..)| name).ok()?;
        let &(_, carrier, sub) = CARRIED.get(row)?;
        Some((Syscall::named(carrier)?.number(on)?, sub))
    }

    /// Whether the kernel looks only at the lower 32 bits of an argument.
    pub(crate) fn is_narrow(&self, argument: u8) -> bool {
        let bits = NARROW
            .iter()
            .find(|(n, _)| *n == self.name)
            .map_or(0, |(_, b)| *b);
        bits >> argument & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_byte_order() {
        assert!(CARRIED.is_sorted_by(|a, b| a.0 < b.0));
        assert!(table::CALLS.is_sorted_by(|(a, _), (b, _)| a < b));
    }

    #[test]
    fn numbers_carriers_and_widths() {
        let on = |arch| Interface::of(arch).unwrap();
        let number = |name: &str, arch| Syscall::named(name).unwrap().number(&on(arch));
        assert_eq!(number("read", Arch::X86_64), Some(0));
        assert_eq!(number("rt_sigaction", Arch::X32), Some(0x4000_0200));
        assert_eq!(number("clone3", Arch::Riscv64), Some(435));
        assert_eq!(number("open", Arch::Aarch64), None);
        assert_eq!(number("set_tls", Arch::Arm), Some(0xf_0005));
        assert_eq!(number("set_tls", Arch::X86_64), None);
        assert!(Syscall::named("no_such_call").is_none());
        let socket = Syscall::named("socket").unwrap();
        assert_eq!(socket.carried(&on(Arch::X86)), Some((102, 1)));
        assert_eq!(socket.carried(&on(Arch::X86_64)), None);
        assert!(socket.is_narrow(2) && !socket.is_narrow(3));
    }

    #[test]
    fn every_narrow_and_carried_name_is_a_call() {
        for name in NARROW.iter().map(|n| n.0).chain(CARRIED.iter().map(|n| n.0)) {
            assert!(Syscall::named(name).is_some(), "{name}");
        }
    }
}
