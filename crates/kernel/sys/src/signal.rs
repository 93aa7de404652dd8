//! Signal state that a new program must not inherit.

/// Sets every signal to its default action and unblocks all, as a program expects at its start.
///
/// exec resets handlers by itself, but what was ignored (Rust ignores `SIGPIPE`) or blocked stays so.
pub fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL is a valid action for every signal number; SIGKILL, SIGSTOP and those the C library keeps
        // for itself are refused without effect.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: a zeroed sigset_t is a valid, empty set on Linux.
    let none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is a live local; the old set is not asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
}
