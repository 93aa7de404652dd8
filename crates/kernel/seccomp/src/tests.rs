//! Whole programs: against libseccomp, against docker's documentation, and in the kernel.

mod differential;
mod docker;
mod kernel;
mod oracle;
mod programs;

use crate::{Call, Facts, Kernel, Profile, Program, Verdict};
use tare_spec_oci::{Action, Arch, Arg, Operator, Seccomp, SyscallRule};

/// A rule of a test.
fn rule(name: &str, action: Action, args: &[(u32, Operator, u64, u64)]) -> SyscallRule {
    SyscallRule {
        names: vec![name.to_owned()],
        action,
        errno_ret: None,
        args: args
            .iter()
            .map(|&(index, op, value, value_two)| Arg {
                index,
                op,
                value,
                value_two,
            })
            .collect(),
    }
}

/// A policy of a test that refuses by default.
fn policy(rules: Vec<SyscallRule>, architectures: &[Arch]) -> Seccomp {
    Seccomp {
        default_action: Action::Errno,
        architectures: architectures.to_vec(),
        syscalls: rules,
        ..Seccomp::default()
    }
}

/// What a program says of a call by name.
fn ask(program: &Program, arch: Arch, name: &str, arguments: &[u64]) -> Verdict {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    program.verdict(&Call::named(arch, name, all).unwrap()).unwrap()
}

/// Docker's default for x86_64 and a recent kernel.
fn docker(capabilities: &[&str], arch: Arch) -> Seccomp {
    let capabilities: Vec<_> = capabilities.iter().map(|&c| c.to_owned()).collect();
    let facts = Facts {
        capabilities: &capabilities,
        arch,
        kernel: Kernel { major: 6, minor: 1 },
    };
    crate::default_profile(&facts).unwrap()
}

/// A profile's text resolved for x86_64 without capabilities.
fn resolve(text: &str) -> tare_error::Result<Seccomp> {
    Profile::parse(text.as_bytes(), "test.json")?.resolve(&Facts {
        capabilities: &[],
        arch: Arch::X86_64,
        kernel: Kernel { major: 6, minor: 1 },
    })
}

/// Numbers that look random and are the same in every run (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 11).unwrap() % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
