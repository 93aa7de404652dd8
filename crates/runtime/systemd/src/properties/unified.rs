//! Version 2 files by their own names, as properties: those that systemd has a property for.

use super::{PERIOD, Property, Terms, cpuset, invalid, number, quota};
use crate::dbus::Value;
use std::collections::BTreeMap;
use tare_error::{Error, Result};

const WHAT: &str = "cgroup v2 setting";

/// Adds what is known. Other files are no error: they are written into the group.
pub(super) fn properties(
    files: &BTreeMap<String, String>,
    terms: Terms,
    found: &mut Vec<Property>,
) -> Result<()> {
    let is_idle = files.get("cpu.idle").is_some_and(|value| value.trim() == "1") && terms.knows_idle();
    for (file, value) in files {
        let value = value.trim();
        let refuse = |why: &str| -> Error { invalid(WHAT, &format!("{file} {value:?}: {why}")) };
        if file.contains('/') || file.find('.').is_none_or(|at| at == 0) {
            return Err(refuse("it is no control file, as in memory.high"));
        }
        let amount = || limit(value).ok_or_else(|| refuse("it is no number, and not max"));
        match file.as_str() {
            "cpu.idle" if is_idle => found.push(number("CPUWeight", 0)),
            "cpu.weight" if !is_idle => {
                let weight = value.parse().map_err(|_| refuse("it is no number"))?;
                found.push(number("CPUWeight", weight));
            }
            "cpu.max" => {
                let (time, period) = cpu_max(value).ok_or_else(|| refuse("it is no quota and period"))?;
                quota(time, period, terms, found);
            }
            "cpuset.cpus" | "cpuset.mems" if terms.knows_cpusets() => {
                let bits = cpuset::bits(value).map_err(refuse)?;
                let name = match file.as_str() {
                    "cpuset.cpus" => "AllowedCPUs",
                    _ => "AllowedMemoryNodes",
                };
                found.push(Property::new(name, Value::bytes(&bits)));
            }
            "memory.high" => found.push(number("MemoryHigh", amount()?)),
            "memory.low" => found.push(number("MemoryLow", amount()?)),
            "memory.min" => found.push(number("MemoryMin", amount()?)),
            "memory.max" => found.push(number("MemoryMax", amount()?)),
            "memory.swap.max" => found.push(number("MemorySwapMax", amount()?)),
            "pids.max" => found.push(number("TasksMax", amount()?.max(1))),
            _ => {}
        }
    }
    Ok(())
}

fn limit(value: &str) -> Option<u64> {
    match value {
        "max" => Some(super::INFINITY),
        value => value.parse().ok(),
    }
}

/// `max`, `50000`, `50000 100000`; a quota of 0 stands for none.
fn cpu_max(value: &str) -> Option<(i64, u64)> {
    let mut words = value.split_whitespace();
    let time = match words.next()? {
        "max" => 0,
        time => time.parse().ok()?,
    };
    let period = words.next().map_or(Some(PERIOD), |period| period.parse().ok())?;
    words.next().is_none().then_some((time, period))
}
