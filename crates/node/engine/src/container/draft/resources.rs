//! Limits of the cgroup, and where it is.

use super::{Draft, Input};
use crate::container::request::{PidsLimit, SwapLimit, show_size};
use tare_error::{Error, Kind, Result};
use tare_spec_oci::{Cpu, Memory, Pids};

/// Microseconds of a period of processor time (the kernel's default).
const PERIOD: u64 = 100_000;

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    draft.linux.cgroups_path = Some(format!("/tare/{}", input.id.as_str()));
    draft.resources.memory = memory(input, draft)?;
    draft.resources.cpu = cpu(input, draft)?;
    draft.resources.pids = input.request.resources.pids.map(|limit| Pids {
        limit: Some(match limit {
            PidsLimit::Unlimited => -1,
            PidsLimit::Max(n) => i64::from(n),
        }),
    });
    Ok(())
}

/// Memory and swap: with a memory limit alone as much swap again, as docker's.
fn memory(input: &Input<'_>, draft: &mut Draft) -> Result<Option<Memory>> {
    let asked = &input.request.resources;
    let Some(limit) = asked.memory else {
        return match asked.swap {
            None | Some(SwapLimit::Unlimited) => Ok(None),
            Some(SwapLimit::Total(_)) => Err(Error::new(Kind::Invalid, "limit swap", "")
                .because("--memory-swap limits memory and swap together and needs --memory beside it")),
        };
    };
    let swap = match asked.swap {
        None => Some(signed(limit.saturating_mul(2))),
        Some(SwapLimit::Unlimited) => Some(-1),
        Some(SwapLimit::Total(total)) if total < limit => {
            return Err(Error::new(Kind::Invalid, "limit swap", show_size(total))
                .because(format!(
                    "memory and swap together are less than the memory limit of {}",
                    show_size(limit)
                ))
                .hint("--memory-swap is the sum of both; the same number as --memory means no swap"));
        }
        Some(SwapLimit::Total(total)) => Some(signed(total)),
    };
    if swap.is_some() && !input.host.swap_limit {
        if asked.swap.is_some() {
            draft.warn("this kernel cannot limit swap: the memory limit holds, the swap limit does not");
        }
        return Ok(Some(memory_of(limit, None)));
    }
    Ok(Some(memory_of(limit, swap)))
}

fn memory_of(limit: u64, swap: Option<i64>) -> Memory {
    Memory {
        limit: Some(signed(limit)),
        swap,
        ..Memory::default()
    }
}

/// Processor time, weight and set. More processors than there are is no limit, and said.
fn cpu(input: &Input<'_>, draft: &mut Draft) -> Result<Option<Cpu>> {
    let asked = &input.request.resources;
    let mut cpu = Cpu {
        shares: asked.cpu_shares,
        ..Cpu::default()
    };
    if let Some(cpus) = asked.cpus {
        let there = u64::from(input.host.processors) * 1000;
        let given = cpus.0.min(there);
        if given < cpus.0 {
            let n = input.host.processors;
            draft.warn(format!(
                "this machine has {n} processors: the container may use all of them and no more"
            ));
        }
        cpu.period = Some(PERIOD);
        cpu.quota = Some(signed(given * PERIOD / 1000));
    }
    if let Some(set) = &asked.cpuset {
        if set.highest() >= input.host.processors {
            return Err(
                Error::new(Kind::Invalid, "use processors", set.as_str()).because(format!(
                    "this machine has the processors 0 to {}",
                    input.host.processors - 1
                )),
            );
        }
        cpu.cpus = Some(set.as_str().to_owned());
    }
    Ok((cpu != Cpu::default()).then_some(cpu))
}

/// Sizes are below 2^63 since they were read.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
