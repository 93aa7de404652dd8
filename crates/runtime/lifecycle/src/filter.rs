//! The system call filter of a configuration, compiled.

use rustix::fd::{AsFd, OwnedFd};
use tare_container::{Filter, FilterFlags, send_listener};
use tare_error::Result;
use tare_seccomp::Program;
use tare_spec_oci::{ContainerProcessState, SECCOMP_FD, Spec, State, VERSION};

/// Compiles the policy of a configuration, where it has one.
pub(crate) fn compile(spec: &Spec) -> Result<Option<Program>> {
    let policy = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    policy
        .map(|policy| tare_seccomp::compile(policy, tare_seccomp::native()?))
        .transpose()
}

/// Gives the listener of a process's filter to the agent that the configuration names.
pub(crate) fn give_listener(spec: &Spec, listener: &OwnedFd, pid: i32, state: State) -> Result<()> {
    let policy = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    let Some((policy, path)) = policy.and_then(|p| Some((p, p.listener_path.as_ref()?))) else {
        return Ok(());
    };
    let state = ContainerProcessState {
        oci_version: VERSION.to_owned(),
        fds: vec![SECCOMP_FD.to_owned()],
        pid,
        metadata: policy.listener_metadata.clone(),
        state,
    };
    send_listener(path, listener.as_fd(), &state)
}

/// A compiled policy as a container takes it.
pub(crate) fn of_program(program: &Program) -> Filter<'_> {
    Filter {
        program: program.as_bytes(),
        flags: FilterFlags::from_bits_retain(program.flags.bits()),
    }
}
