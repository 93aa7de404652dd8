//! What a container uses, as a shim tells it: the two shapes of containerd's statistics, read.

use super::Connection;
use tare_cgroup::{Amount, CpuUsage, IoUsage, MemoryUsage, Usage};
use tare_error::{Error, Kind, Result};
use tare_spec_containerd::task::{PidsRequest, PidsResponse, StatsRequest, StatsResponse, TaskMethod};
use tare_spec_containerd::{cgroup1, cgroup2};

/// From here on version 1's number is no limit: the largest multiple of the page size.
const NO_LIMIT: u64 = 0x7FFF_FFFF_FFFF_F000;

impl Connection {
    /// What a container uses, by whoever has it.
    ///
    /// # Errors
    /// `Unsupported` where that tells something else than a cgroup's numbers; the shim's.
    pub fn usage(&mut self, id: &str) -> Result<Usage> {
        let request = StatsRequest { id: id.to_owned() };
        let answer: StatsResponse = self.ask(TaskMethod::Stats, &request)?;
        let told = answer.stats.unwrap_or_default();
        let unread = |e| Error::new(Kind::Corrupt, "measure", id).from_source(e);
        if told.is::<cgroup1::Metrics>() {
            return told.unpack().map(|metrics| of_v1(&metrics)).map_err(unread);
        }
        if told.is::<cgroup2::Metrics>() {
            return told.unpack().map(|metrics| of_v2(&metrics)).map_err(unread);
        }
        Err(Error::new(Kind::Unsupported, "measure", id).because(format!(
            "its shim tells {:?}, which nobody here can read",
            told.type_url
        )))
    }

    /// The processes of a container, by the numbers that whoever has it gives them.
    ///
    /// # Errors
    /// The shim's.
    pub fn processes(&mut self, id: &str) -> Result<Vec<u32>> {
        let request = PidsRequest { id: id.to_owned() };
        let answer: PidsResponse = self.ask(TaskMethod::Pids, &request)?;
        Ok(answer.processes.iter().map(|process| process.pid).collect())
    }
}

fn limit(number: u64) -> Option<u64> {
    (number != 0 && number < NO_LIMIT).then_some(number)
}

fn of_v1(told: &cgroup1::Metrics) -> Usage {
    let entry = |entry: &Option<cgroup1::MemoryEntry>| {
        let entry = entry.unwrap_or_default();
        Amount {
            used: entry.usage,
            most: entry.max,
            limit: limit(entry.limit),
            refused: entry.failcnt,
        }
    };
    let transfers = |list: &[cgroup1::BlkIoEntry]| {
        let of = |io: &cgroup1::BlkIoEntry| IoUsage {
            major: io.major,
            minor: io.minor,
            operation: io.op.clone(),
            value: io.value,
        };
        list.iter().map(of).collect()
    };
    let io = told.blkio.clone().unwrap_or_default();
    Usage {
        cpu: told.cpu.as_ref().map(|cpu| {
            let usage = cpu.usage.clone().unwrap_or_default();
            let throttling = cpu.throttling.unwrap_or_default();
            CpuUsage {
                total: usage.total,
                user: usage.user,
                kernel: usage.kernel,
                by_processor: usage.per_cpu,
                periods: throttling.periods,
                throttled_periods: throttling.throttled_periods,
                throttled: throttling.throttled_time,
            }
        }),
        memory: told.memory.as_ref().map(|memory| MemoryUsage {
            memory: entry(&memory.usage),
            swap: entry(&memory.swap),
            detail: detail(&[
                ("cache", memory.cache),
                ("rss", memory.rss),
                ("inactive_file", memory.inactive_file),
                ("total_inactive_file", memory.total_inactive_file),
                ("total_rss", memory.total_rss),
                ("total_cache", memory.total_cache),
            ]),
        }),
        pids: told.pids.map(|pids| amount(pids.current, pids.limit)),
        io_bytes: transfers(&io.io_service_bytes_recursive),
        io_requests: transfers(&io.io_serviced_recursive),
    }
}

fn of_v2(told: &cgroup2::Metrics) -> Usage {
    let io = told.io.as_ref().map(|io| io.usage.as_slice()).unwrap_or_default();
    let each = |read: fn(&cgroup2::IoEntry) -> u64, write: fn(&cgroup2::IoEntry) -> u64| {
        let of = |operation: &str, entry: &cgroup2::IoEntry, value| IoUsage {
            major: entry.major,
            minor: entry.minor,
            operation: operation.to_owned(),
            value,
        };
        let both = |entry| [of("Read", entry, read(entry)), of("Write", entry, write(entry))];
        io.iter().flat_map(both).collect()
    };
    Usage {
        cpu: told.cpu.as_ref().map(|cpu| CpuUsage {
            total: cpu.usage_usec.saturating_mul(1000),
            user: cpu.user_usec.saturating_mul(1000),
            kernel: cpu.system_usec.saturating_mul(1000),
            by_processor: Vec::new(),
            periods: cpu.nr_periods,
            throttled_periods: cpu.nr_throttled,
            throttled: cpu.throttled_usec.saturating_mul(1000),
        }),
        memory: told.memory.as_ref().map(|memory| MemoryUsage {
            memory: Amount {
                most: memory.max_usage,
                ..amount(memory.usage, memory.usage_limit)
            },
            swap: Amount {
                most: memory.swap_max_usage,
                ..amount(memory.swap_usage, memory.swap_limit)
            },
            detail: detail(&[
                ("anon", memory.anon),
                ("file", memory.file),
                ("inactive_file", memory.inactive_file),
            ]),
        }),
        pids: told.pids.map(|pids| amount(pids.current, pids.limit)),
        io_bytes: each(|io| io.rbytes, |io| io.wbytes),
        io_requests: each(|io| io.rios, |io| io.wios),
    }
}

fn amount(used: u64, most: u64) -> Amount {
    Amount {
        used,
        limit: limit(most),
        ..Amount::default()
    }
}

fn detail(of: &[(&str, u64)]) -> std::collections::BTreeMap<String, u64> {
    of.iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_both_versions_are_read() {
        let one = cgroup1::Metrics {
            pids: Some(cgroup1::PidsStat { current: 3, limit: 0 }),
            memory: Some(cgroup1::MemoryStat {
                usage: Some(cgroup1::MemoryEntry {
                    usage: 7,
                    limit: NO_LIMIT,
                    ..cgroup1::MemoryEntry::default()
                }),
                total_inactive_file: 2,
                ..cgroup1::MemoryStat::default()
            }),
            ..cgroup1::Metrics::default()
        };
        let read = of_v1(&one);
        let memory = read.memory.unwrap();
        assert_eq!((memory.memory.used, memory.memory.limit), (7, None));
        assert_eq!(memory.detail["total_inactive_file"], 2);
        assert_eq!(read.pids.map(|pids| (pids.used, pids.limit)), Some((3, None)));
        let two = cgroup2::Metrics {
            cpu: Some(cgroup2::CpuStat {
                usage_usec: 5,
                ..cgroup2::CpuStat::default()
            }),
            memory: Some(cgroup2::MemoryStat {
                usage: 7,
                usage_limit: 9,
                ..cgroup2::MemoryStat::default()
            }),
            ..cgroup2::Metrics::default()
        };
        let read = of_v2(&two);
        assert_eq!(read.cpu.unwrap().total, 5000);
        assert_eq!(read.memory.unwrap().memory.limit, Some(9));
    }
}
