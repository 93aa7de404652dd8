//! The filter in the kernel: loaded by a child, which then tries what the policy speaks of.
#![expect(
    unsafe_code,
    reason = "fork and raw system calls; tare-sys, which loads filters, is not for this layer"
)]

use super::{docker, policy, rule};
use crate::{Program, compile};
use tare_spec_oci::{Action, Arch, Operator};

/// Makes a system call: 0 or the error number.
fn call(number: libc::c_long, a: u64, b: u64) -> i32 {
    // SAFETY: the calls of these tests take integers, or pointers that are null.
    let result = unsafe { libc::syscall(number, a, b, 0, 0, 0) };
    if result >= 0 {
        0
    } else {
        std::io::Error::last_os_error().raw_os_error().unwrap_or(-1)
    }
}

/// Runs `child` in a child process under the filter; its number is the exit status. 100: the filter did not load.
fn under(program: &Program, child: impl Fn() -> i32) -> i32 {
    let length = u16::try_from(program.instructions().len()).unwrap();
    let filter = libc::sock_fprog {
        len: length,
        filter: program.as_bytes().as_ptr().cast_mut().cast(),
    };
    // SAFETY: the child only makes system calls and leaves by _exit.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: prctl takes integers here.
        let privileges = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        // SAFETY: the program lives through the call, and its length is the one said.
        let loaded =
            unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
        let status = if privileges == 0 && loaded == 0 {
            child()
        } else {
            100
        };
        // SAFETY: ends this child without running anything of the parent's.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        1000 + libc::WTERMSIG(status)
    }
}

#[test]
fn docker_default_in_the_kernel() {
    let arch = crate::native().unwrap();
    let program = compile(&docker(&[], arch), arch).unwrap();
    let cases: [(&str, libc::c_long, u64, i32); 8] = [
        ("uname without a buffer", libc::SYS_uname, 0, libc::EFAULT),
        ("personality asks", libc::SYS_personality, 0xffff_ffff, 0),
        (
            "personality of ADDR_NO_RANDOMIZE",
            libc::SYS_personality,
            0x0004_0000,
            libc::EPERM,
        ),
        ("socket of family 40", libc::SYS_socket, 40, libc::EPERM),
        (
            "socket of family 40, dirty",
            libc::SYS_socket,
            40 | 1 << 40,
            libc::EPERM,
        ),
        ("unshare", libc::SYS_unshare, 0x2_0000, libc::EPERM),
        ("clone3", libc::SYS_clone3, 0, libc::ENOSYS),
        ("keyctl", libc::SYS_keyctl, 0, libc::EPERM),
    ];
    for (what, number, argument, expected) in cases {
        assert_eq!(under(&program, || call(number, argument, 0)), expected, "{what}");
    }
    // A namespace flag is refused, an ordinary clone works (its child ends at once).
    assert_eq!(
        under(&program, || call(libc::SYS_clone, 0x2_0000 | 17, 0)),
        libc::EPERM
    );
    let clone = || {
        // SAFETY: a fork by its other name; both ends only leave.
        match unsafe { libc::syscall(libc::SYS_clone, 17, 0, 0, 0, 0) } {
            // SAFETY: ends the child's child.
            0 => unsafe { libc::_exit(0) },
            made => i32::from(made < 0),
        }
    };
    assert_eq!(under(&program, clone), 0);
}

#[test]
fn verdicts_in_the_kernel() {
    let mut rules = vec![
        rule("mkdir", Action::Allow, &[(1, Operator::MaskedEq, 0o7000, 0)]),
        rule("sync", Action::KillProcess, &[]),
        rule("acct", Action::Trap, &[]),
    ];
    rules[0].names.push("mkdirat".into());
    let mut policy = policy(rules, &[]);
    policy.default_action = Action::Allow;
    policy.syscalls[0].action = Action::Errno;
    policy.syscalls[0].errno_ret = Some(71);
    let arch = crate::native().unwrap();
    let program = compile(&policy, arch).unwrap();
    assert_eq!(under(&program, || call(libc::SYS_getpid, 0, 0)), 0);
    assert_eq!(
        under(&program, || call(libc::SYS_sync, 0, 0)),
        1000 + libc::SIGSYS
    );
    assert_eq!(
        under(&program, || call(libc::SYS_acct, 0, 0)),
        1000 + libc::SIGSYS
    );
    if arch == Arch::X86_64 {
        assert_eq!(under(&program, || call(83, 0, 0o755)), 71);
        assert_eq!(under(&program, || call(83, 0, 0o1755)), libc::EFAULT);
    }
}
