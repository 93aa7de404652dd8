//! A device policy as an eBPF program of type `BPF_PROG_TYPE_CGROUP_DEVICE` (Linux 4.15).
//!
//! ```text
//! r1 -> { u32 access << 16 | type; u32 major; u32 minor; }      struct bpf_cgroup_dev_ctx
//! r2 = type   r3 = access   r4 = major   r5 = minor
//! for each exception:  does it match?  -> r0 = opposite of the default, exit
//! r0 = the default, exit                                        1 allows, 0 is EPERM
//! ```

use super::{Access, Device, Policy};

/// One instruction (`struct bpf_insn`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Instruction {
    code: u8,
    /// Destination in the low four bits, source in the high ones.
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// `BPF_DEVCG_DEV_BLOCK` and `BPF_DEVCG_DEV_CHAR`.
const BLOCK: i32 = 1;
const CHAR: i32 = 2;

// Operation codes (`linux/bpf_common.h`, `linux/bpf.h`): class | source | operation.
const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xb7;
const MOVE_REGISTER: u8 = 0xbf;
const AND_32: u8 = 0x54;
const SHIFT_RIGHT_32: u8 = 0x74;
const JUMP_NOT_EQUAL_32: u8 = 0x56;
const JUMP_EQUAL_32: u8 = 0x16;
const EXIT: u8 = 0x95;

fn op(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction {
        code,
        registers: to | from << 4,
        offset,
        immediate,
    }
}

/// Assembles the program of `policy`.
pub(crate) fn assemble(policy: &Policy) -> Vec<Instruction> {
    let mut code = vec![
        op(LOAD_WORD, 3, 1, 0, 0),
        op(MOVE_REGISTER, 2, 3, 0, 0),
        op(AND_32, 2, 0, 0, 0xffff),
        op(SHIFT_RIGHT_32, 3, 0, 0, 16),
        op(LOAD_WORD, 4, 1, 4, 0),
        op(LOAD_WORD, 5, 1, 8, 0),
    ];
    for (device, access) in &policy.exceptions {
        exception(*device, *access, policy.allow_by_default, &mut code);
    }
    code.extend([
        op(MOVE, 0, 0, 0, i32::from(policy.allow_by_default)),
        op(EXIT, 0, 0, 0, 0),
    ]);
    code
}

fn exception(device: Device, access: Access, allow_by_default: bool, code: &mut Vec<Instruction>) {
    let mut block = Vec::with_capacity(8);
    let kind = if device.is_block { BLOCK } else { CHAR };
    block.push(op(JUMP_NOT_EQUAL_32, 2, 0, 0, kind));
    if let Some(major) = device.major {
        block.push(op(JUMP_NOT_EQUAL_32, 4, 0, 0, major.cast_signed()));
    }
    if let Some(minor) = device.minor {
        block.push(op(JUMP_NOT_EQUAL_32, 5, 0, 0, minor.cast_signed()));
    }
    block.push(op(MOVE_REGISTER, 1, 3, 0, 0));
    if allow_by_default {
        // Denied is what touches any denied access.
        block.push(op(AND_32, 1, 0, 0, access.bits()));
        block.push(op(JUMP_EQUAL_32, 1, 0, 0, 0));
    } else {
        // Allowed is what asks for nothing but allowed access.
        block.push(op(AND_32, 1, 0, 0, !access.bits()));
        block.push(op(JUMP_NOT_EQUAL_32, 1, 0, 0, 0));
    }
    block.push(op(MOVE, 0, 0, 0, i32::from(!allow_by_default)));
    block.push(op(EXIT, 0, 0, 0, 0));
    // Every jump leads behind this block; a block has at most eight instructions.
    let end = block.len();
    for (at, instruction) in block.iter_mut().enumerate() {
        if matches!(instruction.code, JUMP_NOT_EQUAL_32 | JUMP_EQUAL_32) {
            instruction.offset = i16::try_from(end - at - 1).unwrap_or(i16::MAX);
        }
    }
    code.extend(block);
}

#[cfg(test)]
pub(crate) mod machine {
    //! A machine for the eight operations above, so that programs are tested as data, without a kernel.

    use super::*;

    pub(crate) fn run(code: &[Instruction], kind: u32, access: u32, major: u32, minor: u32) -> bool {
        let context = [access << 16 | kind, major, minor];
        let mut r = [0_u64; 11];
        let mut at = 0_usize;
        loop {
            let i = code[at];
            let (to, from) = (usize::from(i.registers & 15), usize::from(i.registers >> 4));
            let immediate = i.immediate.cast_unsigned();
            let low = |v: u64| u32::try_from(v & 0xffff_ffff).unwrap();
            at += 1;
            let jump = usize::try_from(i.offset).unwrap();
            match i.code {
                LOAD_WORD => r[to] = u64::from(context[jump / 4]),
                MOVE => r[to] = u64::from(immediate),
                MOVE_REGISTER => r[to] = r[from],
                AND_32 => r[to] = u64::from(low(r[to]) & immediate),
                SHIFT_RIGHT_32 => r[to] = u64::from(low(r[to]) >> immediate),
                JUMP_NOT_EQUAL_32 if low(r[to]) != immediate => at += jump,
                JUMP_EQUAL_32 if low(r[to]) == immediate => at += jump,
                JUMP_NOT_EQUAL_32 | JUMP_EQUAL_32 => {}
                EXIT => return r[0] == 1,
                other => unreachable!("operation {other:#x}"),
            }
        }
    }
}
