//! Which namespaces are made, and which are a pod's. What is not listed stays the engine's own.

use super::{Draft, Input};
use crate::container::request::{CgroupMode, IpcMode, NetworkMode, PidMode, UtsMode};
use crate::records::pods::Shares;
use tare_error::Result;
use tare_spec_oci::{Namespace, NamespaceKind};

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    let asked = &input.request.namespaces;
    let shared = |is: fn(&Shares) -> bool, name: &str| asked.of_pod(is).map(|pod| pod.namespaces.join(name));
    let made = [
        (NamespaceKind::Mount, true, None),
        (
            NamespaceKind::Uts,
            asked.uts == UtsMode::Private,
            shared(|shares| shares.uts, "uts"),
        ),
        (
            NamespaceKind::Pid,
            asked.pid == PidMode::Private,
            shared(|shares| shares.pid, "pid"),
        ),
        (
            NamespaceKind::Ipc,
            asked.ipc == IpcMode::Private,
            shared(|shares| shares.ipc, "ipc"),
        ),
        (
            NamespaceKind::Network,
            asked.network == NetworkMode::None,
            shared(|shares| shares.network, "net"),
        ),
        (NamespaceKind::Cgroup, asked.cgroup == CgroupMode::Private, None),
    ];
    draft.linux.namespaces = made
        .into_iter()
        .filter(|(_, own, _)| *own)
        .map(|(kind, _, path)| Namespace { kind, path })
        .collect();
    draft.linux.rootfs_propagation = None;
    Ok(())
}
