//! Runs a program on a call without the kernel: for explanations, tests and fuzzing.

use crate::arch::Interface;
use crate::assemble::code;
use crate::program::Instruction;
use crate::syscalls::Syscall;
use crate::{Facts, Kernel, Profile, compile};
use tare_spec_oci::Arch;

/// A system call as the kernel shows it to a filter: `struct seccomp_data` of `linux/seccomp.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The call's number on its architecture.
    pub number: u32,
    /// The architecture, as `AUDIT_ARCH_*` of `linux/audit.h`.
    pub arch: u32,
    /// Where the call was made; no filter of ours reads it.
    pub pointer: u64,
    /// The arguments.
    pub arguments: [u64; 6],
    /// Whether the machine's byte order is big-endian.
    pub big_endian: bool,
}

impl Call {
    /// A call by number on an architecture; absent where there is no table of its calls.
    pub fn numbered(arch: Arch, number: u32, arguments: [u64; 6]) -> Option<Call> {
        let on = Interface::of(arch)?;
        Some(Call {
            number,
            arch: on.token,
            pointer: 0,
            arguments,
            big_endian: on.big_endian,
        })
    }

    /// A call by name on an architecture; absent where it has no such call.
    pub fn named(arch: Arch, name: &str, arguments: [u64; 6]) -> Option<Call> {
        let number = Syscall::named(name)?.number(&Interface::of(arch)?)?;
        Call::numbered(arch, number, arguments)
    }

    /// The 32-bit word at a byte offset; the kernel takes aligned offsets below 64 only.
    fn word(&self, offset: u32) -> Option<u32> {
        let wide = match offset {
            0 => return Some(self.number),
            4 => return Some(self.arch),
            8 | 12 => self.pointer,
            _ => *self
                .arguments
                .get(usize::try_from(offset.checked_sub(16)? / 8).ok()?)?,
        };
        let upper = match offset % 8 {
            0 => self.big_endian,
            4 => !self.big_endian,
            _ => return None,
        };
        let [a, b, c, d, e, f, g, h] = wide.to_be_bytes();
        Some(u32::from_be_bytes(if upper {
            [a, b, c, d]
        } else {
            [e, f, g, h]
        }))
    }
}

/// Runs a program: the value it returns, and how many instructions that took. Absent where it leaves its bounds or has
/// an instruction that this crate never makes.
pub(crate) fn run(program: &[Instruction], call: &Call) -> Option<(u32, usize)> {
    let mut accumulator = 0;
    let mut at = 0_usize;
    for steps in 1.. {
        let i = program.get(at)?;
        let skip = |holds: bool| usize::from(if holds { i.yes } else { i.no });
        at += 1;
        match i.code {
            code::LOAD_WORD => accumulator = call.word(i.k)?,
            code::AND => accumulator &= i.k,
            code::JUMP => at = at.checked_add(usize::try_from(i.k).ok()?)?,
            code::IF_EQUAL => at += skip(accumulator == i.k),
            code::IF_GREATER => at += skip(accumulator > i.k),
            code::IF_GREATER_OR_EQUAL => at += skip(accumulator >= i.k),
            code::IF_ANY_BIT => at += skip(accumulator & i.k != 0),
            code::RETURN => return Some((i.k, steps)),
            _ => return None,
        }
    }
    None
}

/// For fuzzing: a profile from untrusted bytes is parsed, resolved, compiled and run, on every architecture. Bad input
/// ends early; a program that has no verdict for some call is our fault.
///
/// # Panics
/// Never, whatever the bytes; a panic is what fuzzing looks for.
pub fn exercise(profile: &[u8]) -> Option<usize> {
    let profile = Profile::parse(profile, "fuzz").ok()?;
    let mut longest = 0;
    for arch in [Arch::X86_64, Arch::Aarch64, Arch::S390x] {
        let facts = Facts {
            capabilities: &["CAP_SYS_ADMIN".to_owned()],
            arch,
            kernel: Kernel { major: 6, minor: 18 },
        };
        let program = compile(&profile.resolve(&facts).ok()?, arch).ok()?;
        for number in (0..1024).chain([u32::MAX, 0x4000_0000]) {
            let call = Call::numbered(arch, number, [u64::from(number); 6])?;
            assert!(program.verdict(&call).is_some(), "no verdict for {call:?}");
        }
        longest = longest.max(program.instructions().len());
    }
    Some(longest)
}
