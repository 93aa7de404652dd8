//! Signal state that a new program must not inherit.

use crate::call::done;

/// Bytes of the kernel's signal set.
const SET: usize = 8;

/// Signals by which a process is asked to end.
const ASKING: [libc::c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// Has this process end where it is asked to, with 128 and the signal's number, until it executes a program. The first
/// process of a pid namespace would not: the kernel gives it no signal that it does not handle (pid_namespaces(7)).
pub fn end_when_asked() {
    extern "C" fn end(signal: libc::c_int) {
        crate::exit_now(128 + signal);
    }
    let handler: extern "C" fn(libc::c_int) = end;
    for signal in ASKING {
        // SAFETY: the handler makes one system call, which may be made at any moment, and does not return.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
}

/// Has the kernel wait for the children of this process as they end, for good: a program that is executed inherits it
/// (sigaction(2), `SA_NOCLDWAIT`).
pub fn leave_children_to_the_kernel() {
    // SAFETY: it sets no handler, and may be called at any moment.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// Sets every signal to its default action and unblocks all, as a program expects at its start.
///
/// exec resets handlers by itself, but what was ignored (Rust ignores `SIGPIPE`) or blocked stays so. The kernel is
/// asked directly, as C libraries keep some signals for themselves.
pub fn reset_signals() {
    // `struct sigaction` of the kernel: handler, flags, restorer, set; all zero is SIG_DFL.
    let default = [0_u64; 4];
    for signal in 1..=64 {
        // SAFETY: the kernel reads a struct sigaction, which the array holds with room to spare, and writes nothing;
        // SIGKILL and SIGSTOP are refused without effect.
        let set = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &raw const default, 0_usize, SET) };
        // Refused ones are as they always are.
        let _ = done(set);
    }
    let none = 0_u64;
    // SAFETY: the kernel reads a set of 8 bytes, and writes nothing.
    let unblocked = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const none,
            0_usize,
            SET,
        )
    };
    let _ = done(unblocked);
}
