//! The system call filter of a configuration, compiled.

use tare_container::{Filter, FilterFlags};
use tare_error::Result;
use tare_seccomp::Program;
use tare_spec_oci::Spec;

/// Compiles the policy of a configuration, where it has one.
pub(crate) fn compile(spec: &Spec) -> Result<Option<Program>> {
    let policy = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    policy
        .map(|policy| tare_seccomp::compile(policy, tare_seccomp::native()?))
        .transpose()
}

/// A compiled policy as a container takes it.
pub(crate) fn of_program(program: &Program) -> Filter<'_> {
    Filter {
        program: program.as_bytes(),
        flags: FilterFlags::from_bits_retain(program.flags.bits()),
    }
}
