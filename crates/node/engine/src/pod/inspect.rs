//! One pod in full, in the shape of podman's `pod inspect`.

use super::create::group;
use crate::Engine;
use serde_json::{Value, json};
use tare_error::Result;
use tare_logs::Moment;

impl Engine {
    /// One pod in full, as podman shows it; there is no infra container, so there is nothing of one.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where several ids begin so; the database's.
    pub fn inspect_pod(&self, typed: &str) -> Result<Value> {
        let pod = self.pod(typed)?;
        let (record, config) = (&pod.record, &pod.record.config);
        let shared = config.shares.words();
        let containers: Vec<Value> = pod
            .containers
            .iter()
            .map(|one| {
                json!({
                    "Id": one.record.id,
                    "Name": one.record.name,
                    "State": one.status.word(),
                })
            })
            .collect();
        let limits = config.limits.clone().unwrap_or_default();
        let memory = limits.memory.unwrap_or_default();
        let cpu = limits.cpu.unwrap_or_default();
        let created = Moment {
            seconds: record.created,
            ..Moment::default()
        };
        Ok(json!({
            "Id": record.id,
            "Name": record.name,
            "Created": created.to_string(),
            "ExitPolicy": if config.stops_with_last { "stop" } else { "continue" },
            "State": pod.status.to_string(),
            "Hostname": if config.shares.uts { config.hostname.as_str() } else { "" },
            "Labels": config.labels,
            "CreateCgroup": true,
            "CgroupParent": config.cgroup_parent,
            "CgroupPath": group(record),
            "CreateInfra": false,
            "SharedNamespaces": shared,
            "HostNetwork": config.host_network,
            "NumContainers": containers.len(),
            "Containers": containers,
            "memory_limit": memory.limit.unwrap_or_default(),
            "memory_swap": memory.swap.unwrap_or_default(),
            "cpu_quota": cpu.quota.unwrap_or_default(),
            "cpu_period": cpu.period.unwrap_or_default(),
            "cpu_shares": cpu.shares.unwrap_or_default(),
            "cpuset_cpus": cpu.cpus.unwrap_or_default(),
            "pids_limit": limits.pids.and_then(|pids| pids.limit).unwrap_or_default(),
        }))
    }
}
