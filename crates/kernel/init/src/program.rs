//! The first process of a container: `init -- PROGRAM ARGUMENTS`. Compiled alone by `build.rs`; see the page of the crate.
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::mem::MaybeUninit;

// The kernel leaves the number of arguments on top of the stack, then the arguments and the environment (elf(5)).
#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {}", sym begin);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, xzr", "mov x0, sp", "bl {}", sym begin);

#[cfg(target_arch = "x86_64")]
mod call {
    pub const FORK: usize = 56;
    pub const EXECVE: usize = 59;
    pub const EXIT: usize = 231;
    pub const WAIT: usize = 61;
    pub const KILL: usize = 62;
    pub const PRCTL: usize = 157;
    pub const SET_GROUP: usize = 109;
    pub const IOCTL: usize = 16;
    pub const GETPID: usize = 39;
    pub const MASK: usize = 14;
    pub const TAKE_SIGNAL: usize = 128;
    pub const WRITE: usize = 1;
}

#[cfg(target_arch = "aarch64")]
mod call {
    pub const FORK: usize = 220;
    pub const EXECVE: usize = 221;
    pub const EXIT: usize = 94;
    pub const WAIT: usize = 260;
    pub const KILL: usize = 129;
    pub const PRCTL: usize = 167;
    pub const SET_GROUP: usize = 154;
    pub const IOCTL: usize = 29;
    pub const GETPID: usize = 172;
    pub const MASK: usize = 135;
    pub const TAKE_SIGNAL: usize = 137;
    pub const WRITE: usize = 64;
}

const SIGCHLD: isize = 17;
const SIG_SETMASK: usize = 2;
const TIOCSPGRP: usize = 0x5410;
const PR_SET_CHILD_SUBREAPER: usize = 36;
const WNOHANG: usize = 1;
const ENOENT: isize = -2;
const ENOTDIR: isize = -20;
const EACCES: isize = -13;
/// The longest path that the kernel takes.
const LONGEST: usize = 4096;
/// Where programs are where nobody says.
const USUAL: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\0";

/// Asks the kernel.
///
/// # Safety
/// The arguments are what the call wants.
unsafe fn ask(number: usize, a: [usize; 5]) -> isize {
    let answer: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: syscall(2) changes rax, rcx and r11 alone.
    unsafe {
        asm!("syscall", inlateout("rax") number => answer, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: svc changes x0 alone.
    unsafe {
        asm!("svc 0", inlateout("x0") a[0] => answer, in("x1") a[1], in("x2") a[2], in("x3") a[3], in("x4") a[4],
            in("x8") number, options(nostack));
    }
    answer
}

fn exit(code: usize) -> ! {
    loop {
        // SAFETY: it takes a number.
        unsafe { ask(call::EXIT, [code, 0, 0, 0, 0]) };
    }
}

/// Where it begins.
unsafe extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: the kernel has put them there.
    let (count, arguments) = unsafe { (*stack, stack.add(1).cast::<*const u8>()) };
    // SAFETY: the arguments end with a null, and the environment follows.
    let environment = unsafe { arguments.add(count + 1) };
    if count < 3 {
        exit(125);
    }
    let (all, mut before) = (!0_u64, 0_u64);
    let (all_at, before_at) = (&raw const all as usize, &raw mut before as usize);
    // SAFETY: sets of signals have eight bytes, and these live.
    let child = unsafe {
        ask(call::MASK, [SIG_SETMASK, all_at, before_at, 8, 0]);
        // Where it is not pid 1 it gets what its children leave all the same.
        ask(call::PRCTL, [PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0]);
        ask(call::FORK, [SIGCHLD.unsigned_abs(), 0, 0, 0, 0])
    };
    match child {
        // SAFETY: as above; after `init` and `--`.
        0 => unsafe { become_program(arguments.add(2), environment, before_at) },
        child if child < 0 => exit(125),
        // SAFETY: as above.
        child => unsafe { look_after(child, all_at) },
    }
}

/// Takes one signal after the other, until the child has ended.
unsafe fn look_after(child: isize, all_at: usize) -> ! {
    loop {
        // SAFETY: nobody wants more of a signal than its number.
        let signal = unsafe { ask(call::TAKE_SIGNAL, [all_at, 0, 0, 8, 0]) };
        if signal == SIGCHLD {
            // SAFETY: as above.
            unsafe { reap(child) };
        } else if signal > 0 {
            // SAFETY: numbers.
            unsafe { ask(call::KILL, [child.unsigned_abs(), signal.unsigned_abs(), 0, 0, 0]) };
        }
    }
}

/// Takes the status of everything that has ended; ends where that is the child.
unsafe fn reap(child: isize) {
    loop {
        let mut status = 0_i32;
        // SAFETY: the status has a place.
        let ended = unsafe { ask(call::WAIT, [usize::MAX, &raw mut status as usize, WNOHANG, 0, 0]) };
        if ended <= 0 {
            return;
        }
        if ended == child {
            let signal = status & 0x7f;
            exit(match signal {
                0 => (status >> 8 & 0xff) as usize,
                signal => 128 + signal as usize,
            });
        }
    }
}

/// The child: a group of its own, in front of the terminal, then the program.
unsafe fn become_program(command: *const *const u8, environment: *const *const u8, before_at: usize) -> ! {
    // SAFETY: numbers, and places that live.
    unsafe {
        ask(call::SET_GROUP, [0, 0, 0, 0, 0]);
        let own = ask(call::GETPID, [0; 5]) as i32;
        // Without a terminal it is refused; SIGTTOU, which it may mean, is still blocked.
        ask(call::IOCTL, [0, TIOCSPGRP, &raw const own as usize, 0, 0]);
        ask(call::MASK, [SIG_SETMASK, before_at, 0, 8, 0]);
    }
    // SAFETY: there is one.
    let name = unsafe { *command };
    // SAFETY: texts of the kernel's end with a zero.
    let error = unsafe {
        match contains_slash(name) {
            true => execute(name, command, environment),
            false => search(name, command, environment),
        }
    };
    // SAFETY: as above.
    unsafe {
        for text in [
            c"init: exec ".as_ptr().cast::<u8>(),
            name,
            c" failed\n".as_ptr().cast(),
        ] {
            ask(call::WRITE, [2, text as usize, length(text), 0, 0]);
        }
    }
    exit(if matches!(error, ENOENT | ENOTDIR) {
        127
    } else {
        126
    })
}

unsafe fn execute(path: *const u8, command: *const *const u8, environment: *const *const u8) -> isize {
    // SAFETY: all of them end as they have to.
    unsafe {
        ask(
            call::EXECVE,
            [path as usize, command as usize, environment as usize, 0, 0],
        )
    }
}

/// Looks for it where `PATH` says, as execvp(3): what is not there is passed over.
unsafe fn search(name: *const u8, command: *const *const u8, environment: *const *const u8) -> isize {
    let mut room: MaybeUninit<[u8; LONGEST]> = MaybeUninit::uninit();
    let room = room.as_mut_ptr().cast::<u8>();
    // SAFETY: within texts that end with a zero, and within the room.
    unsafe {
        let size = length(name);
        let mut place = path_of(environment);
        let mut error = ENOENT;
        loop {
            let mut end = 0;
            while !matches!(*place.add(end), 0 | b':') {
                end += 1;
            }
            if end > 0 && end + size + 2 <= LONGEST {
                copy(place, room, end);
                room.add(end).write_volatile(b'/');
                copy(name, room.add(end + 1), size + 1);
                match execute(room, command, environment) {
                    ENOENT | ENOTDIR => {}
                    EACCES => error = EACCES,
                    other => return other,
                }
            }
            if *place.add(end) == 0 {
                return error;
            }
            place = place.add(end + 1);
        }
    }
}

unsafe fn path_of(mut environment: *const *const u8) -> *const u8 {
    // SAFETY: it ends with a null.
    unsafe {
        while !(*environment).is_null() {
            let variable = *environment;
            let mut at = 0;
            while at < 5 && *variable.add(at) == b"PATH="[at] {
                at += 1;
            }
            if at == 5 {
                return variable.add(5);
            }
            environment = environment.add(1);
        }
    }
    USUAL.as_ptr()
}

/// Byte by byte, seen to be so: there is no library that has memcpy.
unsafe fn copy(from: *const u8, to: *mut u8, count: usize) {
    for at in 0..count {
        // SAFETY: the caller's.
        unsafe { to.add(at).write_volatile(from.add(at).read_volatile()) };
    }
}

unsafe fn length(text: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: it ends with a zero.
    while unsafe { text.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}

unsafe fn contains_slash(text: *const u8) -> bool {
    let mut at = 0;
    loop {
        // SAFETY: it ends with a zero.
        match unsafe { text.add(at).read_volatile() } {
            0 => return false,
            b'/' => return true,
            _ => at += 1,
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(125)
}
