//! Limits of the cgroup, and where it is.

use super::{Draft, Input};
use crate::container::facts::HostFacts;
use crate::container::request::{PidsLimit, ResourcesRequest, SwapLimit, show_size};
use tare_error::{Error, Kind, Result};
use tare_spec_oci::{Cpu, Memory, Pids, Resources};

/// Microseconds of a period of processor time (the kernel's default).
const PERIOD: u64 = 100_000;

/// The cgroup above those of containers.
pub(crate) const GROUP: &str = "/tare";

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    let above = match &input.request.namespaces.pod {
        Some(pod) => &pod.group,
        None => GROUP,
    };
    draft.linux.cgroups_path = Some(format!("{above}/{}", input.id.as_str()));
    let asked = &input.request.resources;
    let mut told = Vec::new();
    limit(asked, input.host, &mut draft.resources, &mut told)?;
    if let (Some(memory), Some(limit), None) = (&mut draft.resources.memory, asked.memory, asked.swap) {
        // With a memory limit alone as much swap again, as docker's.
        memory.swap = input.host.swap_limit.then(|| signed(limit.saturating_mul(2)));
    }
    told.into_iter().for_each(|text| draft.warn(text));
    Ok(())
}

/// The limits of a pod, and what is to be told; none where none are asked for.
pub(crate) fn together(
    asked: &ResourcesRequest,
    host: &HostFacts,
) -> Result<(Option<Resources>, Vec<String>)> {
    let (mut resources, mut told) = (Resources::default(), Vec::new());
    limit(asked, host, &mut resources, &mut told)?;
    if let (Some(memory), Some(limit), None) = (&mut resources.memory, asked.memory, asked.swap) {
        memory.swap = host.swap_limit.then(|| signed(limit.saturating_mul(2)));
    }
    Ok(((resources != Resources::default()).then_some(resources), told))
}

/// Changes limits to what is asked for; what is not stays. What is served in part is told.
pub(in crate::container) fn limit(
    asked: &ResourcesRequest,
    host: &HostFacts,
    resources: &mut Resources,
    told: &mut Vec<String>,
) -> Result<()> {
    resources.memory = memory(asked, host, resources.memory.take(), told)?;
    resources.cpu = cpu(asked, host, resources.cpu.take(), told)?;
    if let Some(limit) = asked.pids {
        let limit = match limit {
            PidsLimit::Unlimited => -1,
            PidsLimit::Max(n) => i64::from(n),
        };
        resources.pids = Some(Pids { limit: Some(limit) });
    }
    if asked.block_weight.is_some() {
        let block = resources.block_io.get_or_insert_default();
        block.weight = asked.block_weight;
    }
    Ok(())
}

/// Memory and swap.
fn memory(
    asked: &ResourcesRequest,
    host: &HostFacts,
    before: Option<Memory>,
    told: &mut Vec<String>,
) -> Result<Option<Memory>> {
    let known = before.is_some();
    let mut memory = before.unwrap_or_default();
    if asked.memory.is_some() {
        memory.limit = asked.memory.map(signed);
    }
    if asked.reservation.is_some() {
        memory.reservation = asked.reservation.map(signed);
    }
    let swap = match asked.swap {
        Some(SwapLimit::Unlimited) => memory.limit.map(|_| -1),
        Some(SwapLimit::Total(total)) => Some(signed(total)),
        None => memory.swap,
    };
    check_memory(asked, &memory, swap)?;
    if asked.swap.is_some() && !host.swap_limit {
        told.push(
            "this kernel cannot limit swap: the memory limit holds, the swap limit does not".to_owned(),
        );
    } else {
        memory.swap = swap;
    }
    Ok((known || memory != Memory::default()).then_some(memory))
}

/// Limits that contradict each other.
fn check_memory(asked: &ResourcesRequest, memory: &Memory, swap: Option<i64>) -> Result<()> {
    let size = |bytes: i64| show_size(u64::try_from(bytes).unwrap_or_default());
    let (limit, both) = (memory.limit, swap.filter(|swap| *swap > 0));
    match (limit, both, memory.reservation) {
        (None, Some(_), _) => Err(Error::new(Kind::Invalid, "limit swap", "")
            .because("--memory-swap limits memory and swap together and needs --memory beside it")),
        (Some(limit), Some(both), _) if both < limit && asked.swap.is_some() => {
            Err(Error::new(Kind::Invalid, "limit swap", size(both))
                .because(format!(
                    "memory and swap together are less than the memory limit of {}",
                    size(limit)
                ))
                .hint("--memory-swap is the sum of both; the same number as --memory means no swap"))
        }
        (Some(limit), Some(both), _) if both < limit => {
            Err(Error::new(Kind::Invalid, "limit memory", size(limit)).because(
                "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
            ))
        }
        (Some(limit), _, Some(reserved)) if limit < reserved => {
            Err(Error::new(Kind::Invalid, "reserve memory", size(reserved))
                .because("Minimum memory limit can not be less than memory reservation limit, see usage"))
        }
        _ => Ok(()),
    }
}

/// Processor time, weight and set. More processors than there are is no limit, and said.
fn cpu(
    asked: &ResourcesRequest,
    host: &HostFacts,
    before: Option<Cpu>,
    told: &mut Vec<String>,
) -> Result<Option<Cpu>> {
    let known = before.is_some();
    let mut cpu = before.unwrap_or_default();
    if asked.cpus.is_some() && (asked.quota.is_some() || asked.period.is_some()) {
        return Err(Error::new(Kind::Invalid, "limit processor time", "")
            .because("conflicting options: Nano CPUs and CPU Period/Quota cannot both be set")
            .hint("give --cpus alone, or --cpu-quota and --cpu-period"));
    }
    if asked.cpu_shares.is_some() {
        cpu.shares = asked.cpu_shares;
    }
    if let Some(cpus) = asked.cpus {
        let there = u64::from(host.processors) * 1000;
        let given = cpus.0.min(there);
        if given < cpus.0 {
            let n = host.processors;
            told.push(format!(
                "this machine has {n} processors: the container may use all of them and no more"
            ));
        }
        cpu.period = Some(PERIOD);
        cpu.quota = Some(signed(given * PERIOD / 1000));
    }
    if asked.quota.is_some() {
        cpu.quota = asked.quota;
    }
    if asked.period.is_some() {
        cpu.period = asked.period;
    }
    if let Some(set) = &asked.cpuset {
        if set.highest() >= host.processors {
            return Err(
                Error::new(Kind::Invalid, "use processors", set.as_str()).because(format!(
                    "this machine has the processors 0 to {}",
                    host.processors - 1
                )),
            );
        }
        cpu.cpus = Some(set.as_str().to_owned());
    }
    if let Some(nodes) = &asked.memory_nodes {
        cpu.mems = Some(nodes.as_str().to_owned());
    }
    Ok((known || cpu != Cpu::default()).then_some(cpu))
}

/// Sizes are below 2^63 since they were read.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
