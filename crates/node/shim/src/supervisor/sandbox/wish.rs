//! What a pod is to have of its own, by its configuration.

use super::maker;
use crate::own::PodPlan;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tare_error::{Error, Kind, Result};
use tare_spec_containerd::Any;
use tare_spec_containerd::cri::{NamespaceMode, PodSandboxConfig};
use tare_spec_containerd::sandbox::CreateSandboxRequest;
use tare_spec_oci::Resources;

/// Parameters of the kernel that belong to an ipc namespace (ipc_namespaces(7)).
const OF_IPC: &[&str] = &["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];
/// Those of a network namespace.
const OF_NETWORK: &str = "net.";

/// What is to be made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Wish {
    /// The network namespace, which whoever asks has made.
    pub(super) network: Option<PathBuf>,
    pub(super) uts: bool,
    pub(super) ipc: bool,
    /// A pid namespace that all containers share.
    pub(super) pid: bool,
    /// What is the host's, as was asked for; the host's name is that of its network's user.
    pub(super) host: Host,
    pub(super) hostname: String,
    pub(super) resolver: Option<String>,
    /// Parameters of its namespaces, by name.
    pub(super) parameters: BTreeMap<String, String>,
    /// The group of all its containers.
    pub(super) group: String,
    /// A network namespace is made for it, where nobody else has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) own_network: bool,
    /// The group is made for it, with these limits; absent where it is somebody else's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) own_group: Option<OwnGroup>,
}

/// The group of a pod's containers, where it is the pod's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OwnGroup {
    /// Without limits it is made where that is possible.
    pub(super) limits: Option<Resources>,
}

/// Which namespaces of the host a pod's containers are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Host {
    pub(super) network: bool,
    pub(super) ipc: bool,
    pub(super) pid: bool,
}

impl Wish {
    /// What our own engine asks for.
    pub(super) fn of_plan(plan: PodPlan) -> Result<Wish> {
        let wish = Wish {
            own_network: plan.network,
            uts: plan.uts,
            ipc: plan.ipc,
            pid: plan.pid,
            hostname: plan.hostname,
            parameters: plan.parameters,
            own_group: (!plan.group.is_empty()).then_some(OwnGroup { limits: plan.limits }),
            group: plan.group,
            ..Wish::default()
        };
        wish.check()
    }

    /// The namespaces that are bound in its folder, by their names there.
    pub(super) fn bound(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            (self.uts, maker::UTS),
            (self.ipc, maker::IPC),
            (self.pid, maker::PID),
            (self.own_network, maker::NETWORK),
        ];
        all.into_iter().filter(|(own, _)| *own).map(|(_, name)| name)
    }

    /// Reads it. A sandbox that is asked for without a configuration of the CRI shares nothing but its network.
    pub(super) fn read(request: &CreateSandboxRequest) -> Result<Wish> {
        let network = Some(&request.netns_path).filter(|path| !path.is_empty());
        let network = network.map(PathBuf::from);
        let Some(config) = config(request.options.as_ref())? else {
            return Ok(Wish {
                network,
                ..Wish::default()
            });
        };
        let linux = config.linux.unwrap_or_default();
        let options = linux.security_context.unwrap_or_default().namespace_options;
        let options = options.unwrap_or_default();
        let mapped = options.userns_options.as_ref();
        if mapped.is_some_and(|mapped| mapped.mode() == NamespaceMode::Pod) {
            return Err(
                Error::new(Kind::Unsupported, "create sandbox", &request.sandbox_id)
                    .because("a user namespace for a pod is not made by this shim yet")
                    .hint("use the sandboxer podsandbox for such pods, in containerd's configuration"),
            );
        }
        let of_host = |mode: NamespaceMode| mode == NamespaceMode::Node;
        let wish = Wish {
            host: Host {
                network: of_host(options.network()),
                ipc: of_host(options.ipc()),
                pid: of_host(options.pid()),
            },
            uts: !of_host(options.network()),
            ipc: !of_host(options.ipc()),
            pid: options.pid() == NamespaceMode::Pod,
            network,
            hostname: config.hostname,
            resolver: config.dns_config.map(|dns| {
                let list = |word: &str, list: &[String]| match list {
                    [] => String::new(),
                    list => format!("{word} {}\n", list.join(" ")),
                };
                let servers = dns.servers.iter().map(|server| format!("nameserver {server}\n"));
                let servers: String = servers.collect();
                list("search", &dns.searches) + &servers + &list("options", &dns.options)
            }),
            parameters: linux.sysctls,
            group: linux.cgroup_parent,
            ..Wish::default()
        };
        wish.check()
    }

    /// Refuses what would not be the pod's own.
    fn check(self) -> Result<Wish> {
        let refuse = |name: &str, why: &str| {
            Err(Error::new(Kind::Invalid, "set", name)
                .because(why.to_owned())
                .hint("a pod sets net.*, kernel.shm*, kernel.msg*, kernel.sem and fs.mqueue.* of its own namespaces"))
        };
        for name in self.parameters.keys() {
            let network = name.starts_with(OF_NETWORK);
            if !network && !OF_IPC.iter().any(|of_ipc| name.starts_with(of_ipc)) {
                return refuse(name, "it belongs to no namespace, but to the machine");
            }
            if name.contains("..") || name.contains('\0') {
                return refuse(name, "it is no name of a parameter");
            }
            let own = match network {
                true => self.network.is_some() || self.own_network,
                false => self.ipc,
            };
            if !own {
                return refuse(name, "the pod has no namespace of its own for it");
            }
        }
        if self.hostname.len() > 64 {
            return Err(Error::new(Kind::Invalid, "set the host name", &self.hostname)
                .because("it is longer than 64 bytes"));
        }
        Ok(self)
    }
}

fn config(options: Option<&Any>) -> Result<Option<PodSandboxConfig>> {
    let Some(options) = options.filter(|any| any.is::<PodSandboxConfig>()) else {
        return Ok(None);
    };
    let config = options
        .unpack()
        .map_err(|e| Error::new(Kind::Invalid, "read", "the configuration of the sandbox").from_source(e))?;
    Ok(Some(config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tare_spec_containerd::cri::{LinuxPodSandboxConfig, LinuxSandboxSecurityContext, NamespaceOption};

    fn request(netns: &str, modes: [NamespaceMode; 3], sysctl: &str) -> CreateSandboxRequest {
        let [network, pid, ipc] = modes.map(i32::from);
        let config = PodSandboxConfig {
            hostname: "pod".to_owned(),
            linux: Some(LinuxPodSandboxConfig {
                security_context: Some(LinuxSandboxSecurityContext {
                    namespace_options: Some(NamespaceOption {
                        network,
                        pid,
                        ipc,
                        ..NamespaceOption::default()
                    }),
                    ..LinuxSandboxSecurityContext::default()
                }),
                sysctls: (!sysctl.is_empty())
                    .then(|| (sysctl.to_owned(), "1".to_owned()))
                    .into_iter()
                    .collect(),
                ..LinuxPodSandboxConfig::default()
            }),
            ..PodSandboxConfig::default()
        };
        CreateSandboxRequest {
            netns_path: netns.to_owned(),
            options: Some(Any::pack(&config)),
            ..CreateSandboxRequest::default()
        }
    }

    #[test]
    fn a_pod_gets_what_it_does_not_share_with_the_host() {
        use NamespaceMode::{Container, Node, Pod};
        for (netns, modes, expected) in [
            ("/n", [Pod, Container, Pod], (true, true, true, false)),
            ("/n", [Pod, Pod, Node], (true, true, false, true)),
            ("", [Node, Node, Pod], (false, false, true, false)),
        ] {
            let wish = Wish::read(&request(netns, modes, "")).unwrap();
            let seen = (wish.network.is_some(), wish.uts, wish.ipc, wish.pid);
            assert_eq!(seen, expected, "{modes:?}");
        }
    }

    #[test]
    fn parameters_are_those_of_its_namespaces() {
        use NamespaceMode::{Node, Pod};
        for (netns, ipc, sysctl, fine) in [
            ("/n", Pod, "net.ipv4.ip_forward", true),
            ("", Pod, "net.ipv4.ip_forward", false),
            ("/n", Pod, "kernel.shmmax", true),
            ("/n", Node, "kernel.shmmax", false),
            ("/n", Pod, "kernel.pid_max", false),
            ("/n", Pod, "net...kernel.x", false),
        ] {
            let read = Wish::read(&request(netns, [Pod, Pod, ipc], sysctl));
            assert_eq!(read.is_ok(), fine, "{sysctl} {ipc:?}");
        }
    }
}
