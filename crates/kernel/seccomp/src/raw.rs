//! Programs that somebody else has made: looked at as the kernel will, so that what is wrong is told by its place.

use crate::program::LONGEST;

/// Bytes of one instruction.
const INSTRUCTION: usize = 8;

/// Bytes of `struct seccomp_data`, all that a program may load.
const DATA: u32 = 64;

/// Words of memory that a program has (`BPF_MEMWORDS`).
const WORDS: u32 = 16;

/// What an operation asks of its constant and its jumps.
#[derive(Clone, Copy)]
enum Rule {
    /// Nothing.
    Free,
    /// The constant is an aligned place in the call.
    Place,
    /// It is a word of the program's memory.
    Word,
    /// It is a divisor.
    Divisor,
    /// It is a number of bits.
    Shift,
    /// It is a way, forwards.
    Jump,
    /// Both ways lie in the instruction.
    Branch,
    /// The program ends here.
    Return,
}

/// The operations that seccomp knows (`seccomp_check_filter` of the kernel), with what is asked of them.
fn rule(code: u16) -> Option<Rule> {
    Some(match code {
        0x20 => Rule::Place,
        0x60 | 0x61 | 0x02 | 0x03 => Rule::Word,
        0x34 => Rule::Divisor,
        0x64 | 0x74 => Rule::Shift,
        0x05 => Rule::Jump,
        0x15 | 0x1d | 0x25 | 0x2d | 0x35 | 0x3d | 0x45 | 0x4d => Rule::Branch,
        0x06 | 0x16 => Rule::Return,
        0x00 | 0x01 | 0x80 | 0x81 | 0x07 | 0x87 | 0x84 => Rule::Free,
        0x04 | 0x0c | 0x14 | 0x1c | 0x24 | 0x2c | 0x3c | 0x44 | 0x4c | 0x54 | 0x5c | 0x6c | 0x7c | 0xa4
        | 0xac => Rule::Free,
        _ => return None,
    })
}

/// Looks at a program of classic BPF in the kernel's layout (`struct sock_filter`, this machine's byte order) by size
/// and structure: known operations, jumps that stay inside, an end. What a program does with its memory the kernel
/// looks at when it is loaded.
///
/// # Errors
/// A sentence about what is wrong, with the instruction's place.
pub fn check_program(bytes: &[u8]) -> Result<(), String> {
    let (instructions, rest) = bytes.as_chunks::<INSTRUCTION>();
    let count = instructions.len();
    if !rest.is_empty() || count == 0 {
        return Err(format!(
            "a program is one or more instructions of {INSTRUCTION} bytes, and this has {} bytes",
            bytes.len()
        ));
    }
    if count > LONGEST {
        return Err(format!(
            "it has {count} instructions and the kernel takes at most {LONGEST}"
        ));
    }
    for (at, [a, b, yes, no, c, d, e, f]) in instructions.iter().enumerate() {
        let wrong = |why: &str| Err(format!("instruction {at}: {why}"));
        let (code, k) = (u16::from_ne_bytes([*a, *b]), u32::from_ne_bytes([*c, *d, *e, *f]));
        let inside = |way: u32| usize::try_from(way).is_ok_and(|way| way < count - at - 1);
        let last = at + 1 == count;
        let fits = match rule(code) {
            None => return wrong(&format!("{code:#x} is no operation of a filter")),
            Some(Rule::Free) => true,
            Some(Rule::Return) => continue,
            Some(Rule::Place) => k < DATA && k.is_multiple_of(4),
            Some(Rule::Word) => k < WORDS,
            Some(Rule::Divisor) => k != 0,
            Some(Rule::Shift) => k < u32::BITS,
            Some(Rule::Jump) => inside(k),
            Some(Rule::Branch) => inside(u32::from(*yes)) && inside(u32::from(*no)),
        };
        if !fits {
            return wrong("its constant or its way lies outside of what there is");
        }
        if last {
            return wrong("it is the last one, and does not return");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Facts, Kernel, compile, default_profile, native};

    fn program(instructions: &[(u16, u8, u8, u32)]) -> Vec<u8> {
        let bytes = instructions.iter().flat_map(|(code, yes, no, k)| {
            let mut one = [0; 8];
            one[..2].copy_from_slice(&code.to_ne_bytes());
            (one[2], one[3]) = (*yes, *no);
            one[4..].copy_from_slice(&k.to_ne_bytes());
            one
        });
        bytes.collect()
    }

    #[test]
    fn programs_of_ours_pass() {
        let facts = Facts {
            capabilities: &[],
            arch: native().unwrap(),
            kernel: Kernel { major: 6, minor: 1 },
        };
        let compiled = compile(&default_profile(&facts).unwrap(), facts.arch).unwrap();
        assert_eq!(check_program(compiled.as_bytes()), Ok(()));
        assert_eq!(check_program(&program(&[(0x06, 0, 0, 0x7fff_0000)])), Ok(()));
    }

    #[test]
    fn what_the_kernel_would_refuse_is_told_by_its_place() {
        let end = (0x06, 0, 0, 0x7fff_0000);
        let long = vec![end; LONGEST + 1];
        for (instructions, part) in [
            (&[][..], "0 bytes"),
            (&long, "4097 instructions"),
            (&[(0x28, 0, 0, 0), end], "instruction 0: 0x28 is no operation"),
            (&[(0x20, 0, 0, 64), end], "instruction 0: its constant"),
            (&[(0x20, 0, 0, 3), end], "instruction 0: its constant"),
            (&[(0x20, 0, 0, 0), (0x60, 0, 0, 16), end], "instruction 1"),
            (&[(0x34, 0, 0, 0), end], "instruction 0"),
            (&[(0x74, 0, 0, 32), end], "instruction 0"),
            (&[(0x05, 0, 0, 1), end], "instruction 0"),
            (&[(0x05, 0, 0, u32::MAX), end], "instruction 0"),
            (&[(0x15, 0, 1, 0), end], "instruction 0"),
            (&[(0x15, 1, 0, 0), end], "instruction 0"),
            (&[end, (0x20, 0, 0, 0)], "instruction 1: it is the last one"),
        ] {
            let told = check_program(&program(instructions)).unwrap_err();
            assert!(told.contains(part), "{told}");
        }
        assert!(check_program(&[0; 12]).unwrap_err().contains("12 bytes"));
    }
}
