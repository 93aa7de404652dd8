//! From the limits of a document to properties of a unit (`systemd.resource-control(5)`): pure, runc's conversions.
//!
//! ```text
//! Resources + layout + systemd's version -> properties         for StartTransientUnit and SetUnitProperties
//!                                        -> settled resources  what the group is given afterwards
//! ```
//!
//! What systemd knows no property for is left out: the group's own files are written afterwards anyway. The properties
//! are there so that systemd does not write something else whenever it goes over its units.

mod cpuset;
mod devices;
mod unified;

use crate::dbus::Value;
use std::borrow::Cow;
use tare_cgroup::{Layout, swap_alone, weight_of_shares};
use tare_error::{Error, Kind, Result};
use tare_spec_oci::{Cpu, Memory, Resources};

/// systemd's word for "no limit" and for "no end of time".
const INFINITY: u64 = u64::MAX;
/// The period the kernel starts with, in microseconds.
const PERIOD: u64 = 100_000;
/// The highest rate that is written: it can still be rounded up.
const RATE_MAX: u64 = INFINITY - 10_000;

/// One property of a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Its name on the bus.
    pub name: Cow<'static, str>,
    /// Its value.
    pub value: Value,
}

impl Property {
    pub(crate) fn new(name: &'static str, value: Value) -> Property {
        Property {
            name: name.into(),
            value,
        }
    }

    /// As an array of properties holds it: `(sv)`.
    pub(crate) fn pair(self) -> Value {
        Value::Struct(vec![Value::text(self.name), self.value.boxed()])
    }
}

/// What decides which properties there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) layout: Layout,
    /// systemd's version: 252.
    pub(crate) version: u32,
}

impl Terms {
    pub(crate) fn is_v2(self) -> bool {
        self.layout == Layout::V2
    }

    /// `CPUQuotaPeriodUSec`.
    fn knows_quota_period(self) -> bool {
        self.version >= 242
    }

    /// `AllowedCPUs`, `AllowedMemoryNodes`.
    fn knows_cpusets(self) -> bool {
        self.version >= 244
    }

    /// A `CPUWeight` of 0, which is `cpu.idle`.
    fn knows_idle(self) -> bool {
        self.version >= 252
    }

    /// `OOMPolicy` of scopes.
    fn knows_oom_policy(self) -> bool {
        self.version >= 253
    }

    /// `PIDFDs` of scopes.
    pub(crate) fn knows_pidfds(self) -> bool {
        self.version >= 255
    }
}

/// The properties that stand for these limits.
///
/// # Errors
/// `Invalid` for what is no limit at all.
pub(crate) fn of_resources(resources: &Resources, terms: Terms) -> Result<Vec<Property>> {
    let mut found = devices::properties(&resources.devices, terms)?;
    match terms.is_v2() {
        true => v2(resources, terms, &mut found)?,
        false => v1(resources, terms, &mut found)?,
    }
    Ok(found)
}

fn v2(resources: &Resources, terms: Terms, found: &mut Vec<Property>) -> Result<()> {
    if let Some(memory) = &resources.memory {
        memory_v2(memory, found)?;
    }
    if let Some(cpu) = &resources.cpu {
        let is_idle = cpu.idle == Some(1) && terms.knows_idle();
        let weight = given(cpu.shares).map(weight_of_shares);
        // Both cannot be: a group that is idle has no weight.
        found.extend(is_idle.then_some(0).or(weight).map(|n| number("CPUWeight", n)));
        quota(cpu.quota.unwrap_or(0), cpu.period.unwrap_or(0), terms, found);
    }
    tasks(resources, found);
    cpusets(resources, terms, found)?;
    if let Some(weight) = weight_of_io(resources) {
        found.push(number("IOWeight", io_weight(weight)));
    }
    unified::properties(&resources.unified, terms, found)
}

/// Swap has no property on version 1, nor has the reservation.
fn v1(resources: &Resources, terms: Terms, found: &mut Vec<Property>) -> Result<()> {
    if let Some(limit) = resources.memory.as_ref().and_then(|memory| given(memory.limit)) {
        found.push(number("MemoryLimit", bytes(limit)));
    }
    if let Some(cpu) = &resources.cpu {
        found.extend(given(cpu.shares).map(|shares| number("CPUShares", shares)));
        quota(cpu.quota.unwrap_or(0), cpu.period.unwrap_or(0), terms, found);
    }
    if let Some(weight) = weight_of_io(resources) {
        found.push(number("BlockIOWeight", weight.into()));
    }
    tasks(resources, found);
    cpusets(resources, terms, found)
}

fn memory_v2(memory: &Memory, found: &mut Vec<Property>) -> Result<()> {
    let (limit, swap) = (given(memory.limit), given(memory.swap));
    found.extend(limit.map(|limit| number("MemoryMax", bytes(limit))));
    found.extend(given(memory.reservation).map(|low| number("MemoryLow", bytes(low))));
    if let (Some(limit @ 0..), Some(swap @ 0..)) = (limit, swap)
        && swap < limit
    {
        return Err(invalid("memory and swap limit", "it is below the memory limit"));
    }
    let swap = swap_alone(limit, swap).map_err(|why| invalid("memory and swap limit", why))?;
    found.extend(swap.map(|swap| number("MemorySwapMax", bytes(swap))));
    Ok(())
}

/// systemd has whole percents of a processor: a quota between two is rounded up, as in runc.
fn quota(quota: i64, period: u64, terms: Terms, found: &mut Vec<Property>) {
    if period != 0 && terms.knows_quota_period() {
        found.push(number("CPUQuotaPeriodUSec", period));
    }
    if quota != 0 || period != 0 {
        let rate = per_second(quota, period).map_or(INFINITY, |rate| rate.next_multiple_of(10_000));
        found.push(number("CPUQuotaPerSecUSec", rate));
    }
}

/// Microseconds of processor time in a second; none for no limit.
fn per_second(quota: i64, period: u64) -> Option<u64> {
    let quota = u128::try_from(quota).ok().filter(|quota| *quota > 0)?;
    let rate = quota * 1_000_000 / u128::from(given(Some(period)).unwrap_or(PERIOD));
    Some(u64::try_from(rate).unwrap_or(RATE_MAX).min(RATE_MAX))
}

/// The resources as the group is to be given them, so that systemd and the group agree: the quota rounded as
/// [`of_resources`] rounds it.
pub(crate) fn settled(resources: &Resources) -> Resources {
    let mut settled = resources.clone();
    if let Some(Cpu {
        quota: Some(quota),
        period,
        ..
    }) = &mut settled.cpu
    {
        let period = given(*period).unwrap_or(PERIOD);
        if let Some(rate) = per_second(*quota, period).filter(|rate| rate % 10_000 != 0 && *rate < RATE_MAX) {
            let rounded = u128::from(rate.next_multiple_of(10_000)) * u128::from(period) / 1_000_000;
            *quota = i64::try_from(rounded).unwrap_or(*quota);
        }
    }
    settled
}

/// systemd takes no 0 here; a group of one process can make no second one with a limit of 1 either.
fn tasks(resources: &Resources, found: &mut Vec<Property>) {
    if let Some(limit) = resources.pids.as_ref().and_then(|pids| pids.limit) {
        found.push(number("TasksMax", bytes(limit).max(1)));
    }
}

fn cpusets(resources: &Resources, terms: Terms, found: &mut Vec<Property>) -> Result<()> {
    let Some(cpu) = resources.cpu.as_ref().filter(|_| terms.knows_cpusets()) else {
        return Ok(());
    };
    let sets = [
        ("AllowedCPUs", "set of CPUs", &cpu.cpus),
        ("AllowedMemoryNodes", "set of memory nodes", &cpu.mems),
    ];
    for (name, what, list) in sets {
        if let Some(list) = list.as_deref().filter(|list| !list.is_empty()) {
            let bits = cpuset::bits(list).map_err(|why| invalid(what, why))?;
            found.push(Property::new(name, Value::bytes(&bits)));
        }
    }
    Ok(())
}

/// What a start says about `memory.oom.group`, which no running scope can be told.
pub(crate) fn oom_policy(resources: &Resources, terms: Terms) -> Option<Property> {
    let value = resources.unified.get("memory.oom.group")?;
    let policy = match value.trim() {
        "0" => "continue",
        "1" => "kill",
        _ => return None,
    };
    let is_known = terms.is_v2() && terms.knows_oom_policy();
    is_known.then(|| Property::new("OOMPolicy", Value::text(policy)))
}

/// What systemd (since 250) writes as `io.bfq.weight` for this weight is what was asked for, 10 to 1000: it takes 1 to 10000 and
/// puts those above the default of 100 on the other scale. So does crun; runc's straight line would give 541 for 500.
fn io_weight(asked: u16) -> u64 {
    let asked = u64::from(asked);
    match asked.checked_sub(100) {
        Some(above) => 100 + above * 11,
        None => asked,
    }
}

fn weight_of_io(resources: &Resources) -> Option<u16> {
    given(resources.block_io.as_ref()?.weight)
}

fn number(name: &'static str, value: u64) -> Property {
    Property::new(name, Value::Uint64(value))
}

/// Negative is no limit.
fn bytes(amount: i64) -> u64 {
    u64::try_from(amount).unwrap_or(INFINITY)
}

/// A document's 0 is as good as absent (Go tools write it for "not given").
fn given<T: Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

fn invalid(what: &'static str, why: &str) -> Error {
    Error::new(Kind::Invalid, "set", what).because(why)
}

#[cfg(test)]
mod tests;
