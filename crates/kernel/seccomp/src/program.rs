//! The program the kernel runs, and how it is handed over.

use crate::interpret::{Call, run};
use crate::{Verdict, action};
use std::fmt;
use tare_error::{Error, Kind, Result};

/// The longest program the kernel takes (`BPF_MAXINSNS`).
pub(crate) const LONGEST: usize = 4096;

/// One instruction of classic BPF: `struct sock_filter` of `linux/filter.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// How many instructions to skip where a comparison holds.
    pub yes: u8,
    /// How many instructions to skip where it does not.
    pub no: u8,
    /// The operation's constant.
    pub k: u32,
}

/// How the kernel is asked to load the program: the flags of `seccomp(SECCOMP_SET_MODE_FILTER)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the independent flags of one system call"
)]
pub struct Flags {
    /// All threads get the filter (`TSYNC`).
    pub tsync: bool,
    /// Every verdict but allow is logged (`LOG`).
    pub log: bool,
    /// No mitigation of speculative store bypass (`SPEC_ALLOW`).
    pub spec_allow: bool,
    /// The load returns a listener, since a rule asks one (`NEW_LISTENER`).
    pub new_listener: bool,
    /// A thread that cannot be synchronised is an error, not a result (`TSYNC_ESRCH`, Linux 5.7).
    pub tsync_esrch: bool,
    /// Only fatal signals end the wait for a listener (`WAIT_KILLABLE_RECV`, Linux 5.19).
    pub wait_killable_recv: bool,
}

impl Flags {
    /// The flags as the second argument of `seccomp(2)`.
    pub fn bits(self) -> u32 {
        let flags = [
            self.tsync,
            self.log,
            self.spec_allow,
            self.new_listener,
            self.tsync_esrch,
            self.wait_killable_recv,
        ];
        flags
            .iter()
            .zip(0..)
            .map(|(&set, bit)| u32::from(set) << bit)
            .sum()
    }
}

/// A compiled policy, ready to be loaded.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<Instruction>,
    bytes: Vec<u8>,
    /// How to load it.
    pub flags: Flags,
    /// Names in the policy that no architecture has a call for, sorted; they have no effect.
    pub unknown: Vec<String>,
    /// Architectures in the policy that were left out: there is no table of their calls, or this machine's kernel
    /// cannot serve them. Their calls kill the thread, as those of every architecture that is not named.
    pub skipped: Vec<tare_spec_oci::Arch>,
}

impl Program {
    /// Takes instructions, if the kernel would.
    pub(crate) fn new(instructions: Vec<Instruction>) -> Result<Program> {
        if instructions.len() > LONGEST {
            return Err(Error::new(Kind::Exhausted, "compile seccomp profile", "")
                .because(format!(
                    "the filter has {} instructions and the kernel takes at most {LONGEST}",
                    instructions.len()
                ))
                .hint("fewer rules on arguments, or fewer architectures, make it shorter"));
        }
        let bytes = instructions.iter().flat_map(|i| i.to_bytes()).collect();
        Ok(Program {
            instructions,
            bytes,
            flags: Flags::default(),
            unknown: Vec::new(),
            skipped: Vec::new(),
        })
    }

    /// The instructions; at least one, at most 4096.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// The instructions as an array of `struct sock_filter` in this machine's byte order (eight bytes each).
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the program says of a call; absent only for a program that this crate did not make.
    pub fn verdict(&self, call: &Call) -> Option<Verdict> {
        run(&self.instructions, call).map(|(value, _)| action::Verdict::from_return(value))
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("instructions", &self.instructions.len())
            .field("flags", &self.flags)
            .field("unknown", &self.unknown)
            .finish_non_exhaustive()
    }
}

impl Instruction {
    /// The instruction as `struct sock_filter` in this machine's byte order.
    fn to_bytes(self) -> [u8; 8] {
        let [a, b] = self.code.to_ne_bytes();
        let [c, d, e, f] = self.k.to_ne_bytes();
        [a, b, self.yes, self.no, c, d, e, f]
    }
}
