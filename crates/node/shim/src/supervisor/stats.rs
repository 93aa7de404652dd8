//! What a container uses, in the two shapes that containerd's clients know.

use tare_cgroup::{Amount, IoUsage, Usage};
use tare_container::Cgroups;
use tare_spec_containerd::{Any, cgroup1, cgroup2};

/// "No limit" on version 1: the largest multiple of the page size.
const NO_LIMIT_V1: u64 = 0x7FFF_FFFF_FFFF_F000;

/// Statistics as the host's mode has them: a hybrid host is one of version 1.
pub(super) fn metrics(usage: &Usage) -> Any {
    match Cgroups::are_unified() {
        true => Any::pack(&v2(usage)),
        false => Any::pack(&v1(usage)),
    }
}

fn v1(usage: &Usage) -> cgroup1::Metrics {
    cgroup1::Metrics {
        pids: usage.pids.map(|pids| cgroup1::PidsStat {
            current: pids.used,
            limit: pids.limit.unwrap_or(0),
        }),
        cpu: usage.cpu.as_ref().map(|cpu| cgroup1::CpuStat {
            usage: Some(cgroup1::CpuUsage {
                total: cpu.total,
                kernel: cpu.kernel,
                user: cpu.user,
                per_cpu: cpu.by_processor.clone(),
            }),
            throttling: Some(cgroup1::Throttle {
                periods: cpu.periods,
                throttled_periods: cpu.throttled_periods,
                throttled_time: cpu.throttled,
            }),
        }),
        memory: usage.memory.as_ref().map(memory_v1),
        blkio: Some(cgroup1::BlkIoStat {
            io_service_bytes_recursive: usage.io_bytes.iter().map(transfer).collect(),
            io_serviced_recursive: usage.io_requests.iter().map(transfer).collect(),
            ..cgroup1::BlkIoStat::default()
        }),
        memory_oom_control: Some(cgroup1::MemoryOomControl::default()),
        ..cgroup1::Metrics::default()
    }
}

fn memory_v1(memory: &tare_cgroup::MemoryUsage) -> cgroup1::MemoryStat {
    let of = |name: &str| memory.detail.get(name).copied().unwrap_or(0);
    let entry = |amount: &Amount| cgroup1::MemoryEntry {
        limit: amount.limit.unwrap_or(NO_LIMIT_V1),
        usage: amount.used,
        max: amount.most,
        failcnt: amount.refused,
    };
    cgroup1::MemoryStat {
        cache: of("cache"),
        rss: of("rss"),
        rss_huge: of("rss_huge"),
        mapped_file: of("mapped_file"),
        dirty: of("dirty"),
        writeback: of("writeback"),
        pg_pg_in: of("pgpgin"),
        pg_pg_out: of("pgpgout"),
        pg_fault: of("pgfault"),
        pg_maj_fault: of("pgmajfault"),
        inactive_anon: of("inactive_anon"),
        active_anon: of("active_anon"),
        inactive_file: of("inactive_file"),
        active_file: of("active_file"),
        unevictable: of("unevictable"),
        hierarchical_memory_limit: of("hierarchical_memory_limit"),
        hierarchical_swap_limit: of("hierarchical_memsw_limit"),
        total_cache: of("total_cache"),
        total_rss: of("total_rss"),
        total_rss_huge: of("total_rss_huge"),
        total_mapped_file: of("total_mapped_file"),
        total_dirty: of("total_dirty"),
        total_writeback: of("total_writeback"),
        total_pg_pg_in: of("total_pgpgin"),
        total_pg_pg_out: of("total_pgpgout"),
        total_pg_fault: of("total_pgfault"),
        total_pg_maj_fault: of("total_pgmajfault"),
        total_inactive_anon: of("total_inactive_anon"),
        total_active_anon: of("total_active_anon"),
        total_inactive_file: of("total_inactive_file"),
        total_active_file: of("total_active_file"),
        total_unevictable: of("total_unevictable"),
        usage: Some(entry(&memory.memory)),
        swap: Some(entry(&memory.swap)),
        kernel: None,
        kernel_tcp: None,
    }
}

fn transfer(io: &IoUsage) -> cgroup1::BlkIoEntry {
    cgroup1::BlkIoEntry {
        op: io.operation.clone(),
        device: String::new(),
        major: io.major,
        minor: io.minor,
        value: io.value,
    }
}

fn v2(usage: &Usage) -> cgroup2::Metrics {
    cgroup2::Metrics {
        pids: usage.pids.map(|pids| cgroup2::PidsStat {
            current: pids.used,
            limit: pids.limit.unwrap_or(0),
        }),
        cpu: usage.cpu.as_ref().map(|cpu| cgroup2::CpuStat {
            usage_usec: cpu.total / 1000,
            user_usec: cpu.user / 1000,
            system_usec: cpu.kernel / 1000,
            nr_periods: cpu.periods,
            nr_throttled: cpu.throttled_periods,
            throttled_usec: cpu.throttled / 1000,
            ..cgroup2::CpuStat::default()
        }),
        memory: usage.memory.as_ref().map(memory_v2),
        io: Some(cgroup2::IoStat {
            usage: transfers(usage),
            psi: None,
        }),
        ..cgroup2::Metrics::default()
    }
}

fn memory_v2(memory: &tare_cgroup::MemoryUsage) -> cgroup2::MemoryStat {
    let of = |name: &str| memory.detail.get(name).copied().unwrap_or(0);
    cgroup2::MemoryStat {
        anon: of("anon"),
        file: of("file"),
        kernel_stack: of("kernel_stack"),
        slab: of("slab"),
        sock: of("sock"),
        shmem: of("shmem"),
        file_mapped: of("file_mapped"),
        file_dirty: of("file_dirty"),
        file_writeback: of("file_writeback"),
        anon_thp: of("anon_thp"),
        inactive_anon: of("inactive_anon"),
        active_anon: of("active_anon"),
        inactive_file: of("inactive_file"),
        active_file: of("active_file"),
        unevictable: of("unevictable"),
        slab_reclaimable: of("slab_reclaimable"),
        slab_unreclaimable: of("slab_unreclaimable"),
        pgfault: of("pgfault"),
        pgmajfault: of("pgmajfault"),
        workingset_refault: of("workingset_refault"),
        workingset_activate: of("workingset_activate"),
        workingset_nodereclaim: of("workingset_nodereclaim"),
        pgrefill: of("pgrefill"),
        pgscan: of("pgscan"),
        pgsteal: of("pgsteal"),
        pgactivate: of("pgactivate"),
        pgdeactivate: of("pgdeactivate"),
        pglazyfree: of("pglazyfree"),
        pglazyfreed: of("pglazyfreed"),
        thp_fault_alloc: of("thp_fault_alloc"),
        thp_collapse_alloc: of("thp_collapse_alloc"),
        usage: memory.memory.used,
        usage_limit: memory.memory.limit.unwrap_or(u64::MAX),
        swap_usage: memory.swap.used,
        swap_limit: memory.swap.limit.unwrap_or(u64::MAX),
        max_usage: memory.memory.most,
        swap_max_usage: memory.swap.most,
        psi: None,
    }
}

/// Both kinds of numbers of a device in one entry, by the names that version 1 has for the operations.
fn transfers(usage: &Usage) -> Vec<cgroup2::IoEntry> {
    let mut entries: Vec<cgroup2::IoEntry> = Vec::new();
    let all = [(&usage.io_bytes, true), (&usage.io_requests, false)];
    for (io, bytes) in all
        .iter()
        .flat_map(|(list, bytes)| list.iter().map(|io| (io, *bytes)))
    {
        let same = |entry: &&mut cgroup2::IoEntry| (entry.major, entry.minor) == (io.major, io.minor);
        let entry = match entries.iter_mut().find(same) {
            Some(entry) => entry,
            None => {
                entries.push(cgroup2::IoEntry {
                    major: io.major,
                    minor: io.minor,
                    ..cgroup2::IoEntry::default()
                });
                match entries.last_mut() {
                    Some(entry) => entry,
                    None => continue,
                }
            }
        };
        match (io.operation.as_str(), bytes) {
            ("Read", true) => entry.rbytes = io.value,
            ("Write", true) => entry.wbytes = io.value,
            ("Read", false) => entry.rios = io.value,
            ("Write", false) => entry.wios = io.value,
            _ => {}
        }
    }
    entries
}
