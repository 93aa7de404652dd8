//! Which namespaces are made. What is not listed stays the engine's own.

use super::{Draft, Input};
use crate::container::request::{CgroupMode, IpcMode, NetworkMode, PidMode, UtsMode};
use tare_error::Result;
use tare_spec_oci::{Namespace, NamespaceKind};

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    let asked = &input.request.namespaces;
    let made = [
        (NamespaceKind::Mount, true),
        (NamespaceKind::Uts, asked.uts == UtsMode::Private),
        (NamespaceKind::Pid, asked.pid == PidMode::Private),
        (NamespaceKind::Ipc, asked.ipc == IpcMode::Private),
        (NamespaceKind::Network, asked.network == NetworkMode::None),
        (NamespaceKind::Cgroup, asked.cgroup == CgroupMode::Private),
    ];
    draft.linux.namespaces = made
        .into_iter()
        .filter(|(_, own)| *own)
        .map(|(kind, _)| Namespace { kind, path: None })
        .collect();
    draft.linux.rootfs_propagation = None;
    Ok(())
}
