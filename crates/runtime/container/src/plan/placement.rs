//! How the kernel treats the process: scheduling, I/O priority, memory policy, execution domain.

use crate::numbers::{self, ExecAffinity};
use crate::plan::Draft;
use crate::step::{Action, Place};
use tare_error::{Error, Kind, Result};
use tare_spec_oci::{
    IoPriorityClass, MemoryPolicy, MemoryPolicyFlag, MemoryPolicyMode, PersonalityDomain, Scheduler,
    SchedulerFlag, SchedulerPolicy,
};
use tare_sys::Scheduling;

/// No kernel has more NUMA nodes (`NODES_SHIFT` is at most 10).
const NODES: usize = 1024;

/// `PER_LINUX32` (personality(2)).
const LINUX32: u32 = 0x0008;

/// Adds what is asked for.
pub(crate) fn contribute(draft: &mut Draft<'_>) -> Result<()> {
    let process = draft.process;
    // It means processes executed later; what is wrong is told here, as the specification asks.
    ExecAffinity::read(process.exec_cpu_affinity.as_ref())?;
    // Those of whoever called are not the container's; its own cpuset says which are (runc's rule).
    if !draft.request.options.enters || process.exec_cpu_affinity.is_none() {
        draft.push(
            Place::Processors,
            "use",
            "the group's processors",
            Action::AllProcessors,
        );
    }
    if let Some(scheduler) = &process.scheduler {
        let action = Action::Scheduling(scheduling(scheduler)?);
        draft.push(
            Place::Placement,
            "set scheduling policy",
            scheduler.policy,
            action,
        );
    }
    if let Some(priority) = &process.io_priority {
        let level = u16::try_from(priority.priority).ok().filter(|p| *p <= 7);
        let level = level.ok_or_else(|| {
            invalid(
                "process.ioPriority.priority",
                priority.priority,
                "it must lie between 0 and 7",
            )
        })?;
        let class = match priority.class {
            IoPriorityClass::Rt => 1,
            IoPriorityClass::Be => 2,
            IoPriorityClass::Idle => 3,
        };
        let subject = format!("{} {level}", priority.class);
        draft.push(
            Place::Placement,
            "set I/O priority",
            subject,
            Action::IoPriority { class, level },
        );
    }
    if let Some(policy) = &draft.linux.memory_policy {
        let (mode, nodes) = memory_policy(policy)?;
        let action = Action::MemoryPolicy { mode, nodes };
        draft.push(Place::Placement, "set memory policy", policy.mode, action);
    }
    if let Some(personality) = &draft.linux.personality {
        if let Some(flag) = personality.flags.first() {
            return Err(invalid(
                "linux.personality.flags",
                flag,
                "the specification has no flag of an execution domain",
            ));
        }
        let domain = match personality.domain {
            PersonalityDomain::Linux => 0,
            PersonalityDomain::Linux32 => LINUX32,
        };
        let action = Action::Personality(domain);
        draft.push(
            Place::Placement,
            "set execution domain",
            personality.domain,
            action,
        );
    }
    Ok(())
}

fn invalid(field: &str, value: impl std::fmt::Display, reason: &str) -> Error {
    Error::new(Kind::Invalid, "use", format!("{field} {value}")).because(reason)
}

/// The members that belong to the policy, as `sched_setattr(2)` takes them (runc's checks).
fn scheduling(from: &Scheduler) -> Result<Scheduling> {
    use SchedulerPolicy as P;
    let (nice, priority) = (from.nice.unwrap_or(0), from.priority.unwrap_or(0));
    if matches!(from.policy, P::Other | P::Batch) && !(-20..=19).contains(&nice) {
        return Err(invalid(
            "process.scheduler.nice",
            nice,
            "it must lie between -20 and 19",
        ));
    }
    if priority != 0 && !matches!(from.policy, P::Fifo | P::Rr) {
        let why = "only SCHED_FIFO and SCHED_RR have a priority";
        return Err(invalid("process.scheduler.priority", priority, why));
    }
    let times = [
        ("process.scheduler.runtime", from.runtime),
        ("process.scheduler.deadline", from.deadline),
        ("process.scheduler.period", from.period),
    ];
    for (field, value) in times {
        if let (Some(value @ 1..), false) = (value, from.policy == P::Deadline) {
            return Err(invalid(field, value, "only SCHED_DEADLINE has it"));
        }
    }
    Ok(Scheduling {
        policy: match from.policy {
            P::Other => 0,
            P::Fifo => 1,
            P::Rr => 2,
            P::Batch => 3,
            P::Iso => 4,
            P::Idle => 5,
            P::Deadline => 6,
        },
        flags: from.flags.iter().fold(0, |all, flag| all | flag_bit(*flag)),
        nice,
        priority: u32::try_from(priority)
            .map_err(|_| invalid("process.scheduler.priority", priority, "it must not be negative"))?,
        runtime: from.runtime.unwrap_or(0),
        deadline: from.deadline.unwrap_or(0),
        period: from.period.unwrap_or(0),
    })
}

/// `SCHED_FLAG_*` of `linux/sched.h`.
fn flag_bit(flag: SchedulerFlag) -> u64 {
    match flag {
        SchedulerFlag::ResetOnFork => 0x01,
        SchedulerFlag::Reclaim => 0x02,
        SchedulerFlag::DlOverrun => 0x04,
        SchedulerFlag::KeepPolicy => 0x08,
        SchedulerFlag::KeepParams => 0x10,
        SchedulerFlag::UtilClampMin => 0x20,
        SchedulerFlag::UtilClampMax => 0x40,
    }
}

/// Mode with flags and the mask of nodes (`linux/mempolicy.h`; runc's checks).
fn memory_policy(from: &MemoryPolicy) -> Result<(i32, Vec<usize>)> {
    use MemoryPolicyMode as M;
    let numbers = numbers::parse("linux.memoryPolicy.nodes", &from.nodes, NODES)?;
    let without = matches!(from.mode, M::Default | M::Local);
    if without && !numbers.is_empty() {
        // Runc's words.
        let why = format!("memory policy mode requires 0 nodes but got {}", numbers.len());
        return Err(invalid("linux.memoryPolicy.nodes", &from.nodes, &why));
    }
    if !without && from.mode != M::Preferred && numbers.is_empty() {
        let why = "it needs at least one node in linux.memoryPolicy.nodes";
        return Err(invalid("linux.memoryPolicy.mode", from.mode, why));
    }
    let has = |flag| from.flags.contains(&flag);
    if has(MemoryPolicyFlag::StaticNodes) && has(MemoryPolicyFlag::RelativeNodes) {
        let why = "nodes are either static or relative";
        return Err(invalid(
            "linux.memoryPolicy.flags",
            "MPOL_F_STATIC_NODES, MPOL_F_RELATIVE_NODES",
            why,
        ));
    }
    let mode = match from.mode {
        M::Default => 0,
        M::Preferred => 1,
        M::Bind => 2,
        M::Interleave => 3,
        M::Local => 4,
        M::PreferredMany => 5,
        M::WeightedInterleave => 6,
    };
    let flags = from.flags.iter().fold(0, |all, flag| {
        all | match flag {
            MemoryPolicyFlag::NumaBalancing => 1 << 13,
            MemoryPolicyFlag::RelativeNodes => 1 << 14,
            MemoryPolicyFlag::StaticNodes => 1 << 15,
        }
    });
    let words = numbers
        .iter()
        .max()
        .map_or(0, |last| last / usize::BITS as usize + 1);
    let mut mask = vec![0; words];
    for number in numbers {
        if let Some(word) = mask.get_mut(number / usize::BITS as usize) {
            *word |= 1 << (number % usize::BITS as usize);
        }
    }
    Ok((mode | flags, mask))
}
