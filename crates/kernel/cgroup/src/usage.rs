//! What a group has used: processor time, memory, tasks, block devices.

use crate::dir::Dir;
use crate::group::{Group, Member};
use crate::host::{Controller, Version};
use std::collections::BTreeMap;

/// Above this a version 1 limit is none.
const NO_LIMIT: u64 = i64::MAX as u64 - 0xffff;

/// Nanoseconds of a clock tick in `cpuacct.stat` (`USER_HZ`, 100 on every architecture that is left).
const TICK: u64 = 10_000_000;

/// What a group has used. What is not accounted here is absent, or zero where it is a part of something that is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time.
    pub cpu: Option<CpuUsage>,
    /// Memory.
    pub memory: Option<MemoryUsage>,
    /// Tasks.
    pub pids: Option<Amount>,
    /// Bytes to and from block devices.
    pub io_bytes: Vec<IoUsage>,
    /// Requests to block devices.
    pub io_requests: Vec<IoUsage>,
}

/// Processor time, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuUsage {
    /// All of it.
    pub total: u64,
    /// Of that, in programs.
    pub user: u64,
    /// Of that, in the kernel.
    pub kernel: u64,
    /// By processor (version 1).
    pub by_processor: Vec<u64>,
    /// Periods of a quota that have passed.
    pub periods: u64,
    /// Of those, in which the group was stopped.
    pub throttled_periods: u64,
    /// For how long.
    pub throttled: u64,
}

/// An amount and its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Now.
    pub used: u64,
    /// The most there was.
    pub most: u64,
    /// What is allowed; absent is no limit.
    pub limit: Option<u64>,
    /// How often the limit was met.
    pub refused: u64,
}

/// Memory, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryUsage {
    /// Memory.
    pub memory: Amount,
    /// Memory and swap together on version 1, swap alone on version 2.
    pub swap: Amount,
    /// `memory.stat`, by the kernel's names.
    pub detail: BTreeMap<String, u64>,
}

/// One kind of transfer of one block device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IoUsage {
    /// Its major number.
    pub major: u64,
    /// Its minor number.
    pub minor: u64,
    /// `Read`, `Write`, ... as version 1 calls them.
    pub operation: String,
    /// Bytes or requests.
    pub value: u64,
}

impl Group {
    /// What the group and those below it have used. Files that this kernel lacks are passed over.
    pub fn usage(&self) -> Usage {
        let home = |controller| self.v1(controller).or_else(|| self.v2());
        let pids = home(Controller::Pids).filter(|member| member.dir.has("pids.current"));
        let (io_bytes, io_requests) = home(Controller::Io).map(io).unwrap_or_default();
        Usage {
            cpu: cpu(self),
            memory: home(Controller::Memory).and_then(memory),
            pids: pids.map(|member| amount(&member.dir, "pids.current", "pids.peak", "pids.max", "")),
            io_bytes,
            io_requests,
        }
    }
}

fn number(dir: &Dir, file: &str) -> Option<u64> {
    dir.read(file).ok()?.trim().parse().ok()
}

fn amount(dir: &Dir, used: &str, most: &str, limit: &str, refused: &str) -> Amount {
    Amount {
        used: number(dir, used).unwrap_or(0),
        most: number(dir, most).unwrap_or(0),
        limit: number(dir, limit).filter(|limit| *limit < NO_LIMIT),
        refused: number(dir, refused).unwrap_or(0),
    }
}

fn cpu(group: &Group) -> Option<CpuUsage> {
    let mut usage = CpuUsage::default();
    if let Some(member) = group.v1(Controller::Cpuacct) {
        let ticks = |key: &str| {
            member
                .dir
                .read_key("cpuacct.stat", key)
                .ok()
                .flatten()
                .unwrap_or(0)
                * TICK
        };
        usage.total = number(&member.dir, "cpuacct.usage")?;
        (usage.user, usage.kernel) = (ticks("user"), ticks("system"));
        let by_processor = member.dir.read("cpuacct.usage_percpu").unwrap_or_default();
        usage.by_processor = by_processor
            .split_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect();
    } else {
        let member = group.v2()?;
        let micros = |key: &str| {
            member
                .dir
                .read_key("cpu.stat", key)
                .ok()
                .flatten()
                .map(|n| n * 1000)
        };
        usage.total = micros("usage_usec")?;
        (usage.user, usage.kernel) = (
            micros("user_usec").unwrap_or(0),
            micros("system_usec").unwrap_or(0),
        );
    }
    if let Some(member) = group.v1(Controller::Cpu).or_else(|| group.v2()) {
        let key = |key: &str| member.dir.read_key("cpu.stat", key).ok().flatten();
        usage.periods = key("nr_periods").unwrap_or(0);
        usage.throttled_periods = key("nr_throttled").unwrap_or(0);
        let throttled = key("throttled_time").or_else(|| key("throttled_usec").map(|n| n * 1000));
        usage.throttled = throttled.unwrap_or(0);
    }
    Some(usage)
}

fn memory(member: &Member) -> Option<MemoryUsage> {
    let dir = &member.dir;
    let detail = dir.read("memory.stat").ok()?;
    let detail = detail.lines().filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        Some((key.to_owned(), value.parse().ok()?))
    });
    let detail = detail.collect();
    let v1 = |name: &str| {
        let file = |rest: &str| format!("memory.{name}{rest}");
        let (used, most) = (file("usage_in_bytes"), file("max_usage_in_bytes"));
        amount(dir, &used, &most, &file("limit_in_bytes"), &file("failcnt"))
    };
    Some(match member.version {
        Version::V1 => MemoryUsage {
            memory: v1(""),
            swap: v1("memsw."),
            detail,
        },
        Version::V2 => MemoryUsage {
            memory: Amount {
                refused: dir.read_key("memory.events", "max").ok().flatten().unwrap_or(0),
                ..amount(dir, "memory.current", "memory.peak", "memory.max", "")
            },
            swap: amount(
                dir,
                "memory.swap.current",
                "memory.swap.peak",
                "memory.swap.max",
                "",
            ),
            detail,
        },
    })
}

/// Bytes and requests by device.
fn io(member: &Member) -> (Vec<IoUsage>, Vec<IoUsage>) {
    match member.version {
        Version::V1 => {
            let file = |name: &str| {
                let recursive = member.dir.read(&format!("blkio.throttle.{name}_recursive"));
                let text = recursive.or_else(|_| member.dir.read(&format!("blkio.throttle.{name}")));
                text.unwrap_or_default().lines().filter_map(v1_line).collect()
            };
            (file("io_service_bytes"), file("io_serviced"))
        }
        Version::V2 => {
            let text = member.dir.read("io.stat").unwrap_or_default();
            let all = |keys: &[(&str, &str)]| text.lines().flat_map(|line| v2_line(line, keys)).collect();
            let bytes = [("rbytes", "Read"), ("wbytes", "Write"), ("dbytes", "Discard")];
            (
                all(&bytes),
                all(&[("rios", "Read"), ("wios", "Write"), ("dios", "Discard")]),
            )
        }
    }
}

/// `8:0 Read 4096`; the line `Total 4096` is about no device.
fn v1_line(line: &str) -> Option<IoUsage> {
    let mut words = line.split_whitespace();
    let (major, minor) = words.next()?.split_once(':')?;
    Some(IoUsage {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
        operation: words.next()?.to_owned(),
        value: words.next()?.parse().ok()?,
    })
}

/// `8:0 rbytes=4096 wbytes=0 rios=1 ...`.
fn v2_line(line: &str, keys: &[(&str, &str)]) -> Vec<IoUsage> {
    let Some((device, rest)) = line.split_once(' ') else {
        return Vec::new();
    };
    let Some((major, minor)) = device.split_once(':') else {
        return Vec::new();
    };
    let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) else {
        return Vec::new();
    };
    let pairs = rest.split_whitespace().filter_map(|pair| pair.split_once('='));
    let known = pairs.filter_map(|(key, value)| {
        let (_, operation) = keys.iter().find(|(name, _)| *name == key)?;
        Some(IoUsage {
            major,
            minor,
            operation: (*operation).to_owned(),
            value: value.parse().ok()?,
        })
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_devices_are_read_in_both_forms() {
        let read = |major, minor, operation: &str, value| IoUsage {
            major,
            minor,
            operation: operation.to_owned(),
            value,
        };
        assert_eq!(v1_line("8:16 Write 4096"), Some(read(8, 16, "Write", 4096)));
        assert_eq!(v1_line("Total 4096"), None);
        let keys = [("rbytes", "Read"), ("wbytes", "Write")];
        assert_eq!(
            v2_line("253:0 rbytes=1 wbytes=2 rios=3", &keys),
            [read(253, 0, "Read", 1), read(253, 0, "Write", 2)]
        );
        assert_eq!(v2_line("nonsense", &keys), []);
    }
}
