//! Kernel parameters: two defaults as docker's, and those asked for, each only in a namespace of the container's own.

use super::{Draft, Input};
use crate::container::request::{IpcMode, NetworkMode, Scope, UtsMode};
use tare_error::{Error, Kind, Result};

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    let asked = &input.request.namespaces;
    // Those of a pod are set with its namespaces.
    if asked.network == NetworkMode::None && asked.of_pod(|shares| shares.network).is_none() {
        let mut set = |name: &str, value: &str| draft.linux.sysctl.insert(name.to_owned(), value.to_owned());
        set("net.ipv4.ip_unprivileged_port_start", "0");
        // The range must consist of ids of the namespace, which only the machine's own surely has.
        if !input.host.rootless {
            set("net.ipv4.ping_group_range", "0 2147483647");
        }
    }
    for sysctl in &asked.sysctls {
        let of_machine = match sysctl.scope() {
            Scope::Ipc => (asked.ipc == IpcMode::Host).then_some("ipc"),
            Scope::Network => (asked.network == NetworkMode::Host).then_some("network"),
            Scope::Uts => (asked.uts == UtsMode::Host).then_some("uts"),
        };
        if let Some(option) = of_machine {
            return Err(
                Error::new(Kind::Denied, "set kernel parameter", sysctl.name()).because(format!(
                    "with --{option} host it would be set for the whole machine"
                )),
            );
        }
        let of_pod = asked.of_pod(|shares| match sysctl.scope() {
            Scope::Ipc => shares.ipc,
            Scope::Network => shares.network,
            Scope::Uts => shares.uts,
        });
        if of_pod.is_some() {
            return Err(Error::new(Kind::Denied, "set kernel parameter", sysctl.name())
                .because("it would be set for every container of the pod"));
        }
        draft
            .linux
            .sysctl
            .insert(sysctl.name().to_owned(), sysctl.value().to_owned());
    }
    Ok(())
}
