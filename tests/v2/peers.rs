//! The same configuration by us, by runc and by crun: the same files afterwards, and under systemd the same unit.

use crate::case::{By, Case, Driver, TARE, properties, text};
use crate::values::{TABLE, parsed, with_bfq};
use serde_json::json;
use std::collections::BTreeMap;
use tare_kit::{World, test_in_machine};

const FILES: &[&str] = &[
    "memory.max",
    "memory.high",
    "memory.low",
    "memory.min",
    "memory.swap.max",
    "memory.oom.group",
    "cpu.max",
    "cpu.weight",
    "cpu.idle",
    "cpu.max.burst",
    "cpuset.cpus",
    "cpuset.mems",
    "pids.max",
    "io.max",
    "io.weight",
    "io.bfq.weight",
    "hugetlb.2MB.max",
    "hugetlb.2MB.rsvd.max",
    "cgroup.subtree_control",
    "cgroup.type",
];

const PROPERTIES: &[&str] = &[
    "Slice",
    "Delegate",
    "MemoryMax",
    "MemoryHigh",
    "MemoryLow",
    "MemoryMin",
    "MemorySwapMax",
    "CPUWeight",
    "CPUQuotaPerSecUSec",
    "CPUQuotaPeriodUSec",
    "AllowedCPUs",
    "AllowedMemoryNodes",
    "TasksMax",
    "IOWeight",
    "DevicePolicy",
    "DeviceAllow",
    "OOMPolicy",
    "MemoryAccounting",
    "TasksAccounting",
    "IOAccounting",
    "CPUAccounting",
];

/// What differs, and why it is right that it does: runtime, a limit that is there (`!`: is not), file or property.
const KNOWN: &[(&str, &str, &str)] = &[
    // crun limits the pages in use alone; what is reserved and not there yet is limited by runc and us.
    ("crun", "hugepageLimits", "hugetlb.2MB.rsvd.max"),
    // Without a limit of its own crun's scope has none; runc's and ours have systemd's DefaultTasksMax.
    ("crun", "!pids", "pids.max"),
    // runc takes no swap at all (0) for nothing said.
    ("runc", "swap", "MemorySwapMax"),
    // runc 1.3 does not tell systemd, which would write its own idea of them some day.
    ("runc", "memory.oom.group", "OOMPolicy"),
    ("runc", "weight", "IOWeight"),
    // systemd's, from the property: runc has told nothing, and crun told it before the disk had the scheduler.
    ("runc", "weight", "io.weight"),
    ("crun", "weight", "io.weight"),
];

type Seen = BTreeMap<String, String>;

/// The files, and properties, that one runtime leaves; none where it refuses.
fn seen(
    world: &World,
    driver: Driver,
    runtime: &'static str,
    limits: &serde_json::Value,
) -> Result<Seen, String> {
    let mut case = Case::sleeping(world, By::Root, driver);
    case.limit(limits);
    let unit = "peer-v.scope";
    let path = if driver == Driver::Systemd {
        ":peer:v"
    } else {
        "/peer/v"
    };
    case.set("/linux/cgroupsPath", json!(path));
    case.runtime = runtime;
    let bundle = case.bundle.to_str().unwrap();
    let created = case.runtime(&["create", "--bundle", bundle, "v"]).run();
    if created.code() != Some(0) {
        return Err(created.stderr);
    }
    let group = case.group();
    let mut seen: Seen = FILES
        .iter()
        .map(|file| ((*file).to_owned(), text(&group.join(file))))
        .collect();
    // crun tells systemd less, and swap wrongly: its files are what it can be measured by.
    if driver == Driver::Systemd && runtime != "crun" {
        seen.extend(properties(unit, PROPERTIES));
    }
    case.delete();
    Ok(seen)
}

fn compare(world: &World, driver: Driver) {
    with_bfq();
    let mut different = Vec::new();
    for (limits, _) in TABLE {
        let limits = parsed(limits);
        let ours = seen(world, driver, TARE, &limits).unwrap();
        for peer in ["runc", "crun"] {
            let theirs = match seen(world, driver, peer, &limits) {
                Ok(theirs) => theirs,
                Err(why) => {
                    different.push(format!("{peer} refuses {limits}: {why}"));
                    continue;
                }
            };
            for (name, value) in &theirs {
                let is_known = |row: &&(&str, &str, &str)| {
                    let there = |part| limits.to_string().contains(part);
                    let applies = row
                        .1
                        .strip_prefix('!')
                        .map_or_else(|| there(row.1), |absent| !there(absent));
                    row.0 == peer && row.2 == name && applies
                };
                let own = ours.get(name).map_or("", String::as_str);
                if sorted(own) != sorted(value) && !KNOWN.iter().any(|row| is_known(&row)) {
                    different.push(format!("{name}: {own:?}, {peer} {value:?}, of {limits}"));
                }
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
#[ignore = "in the soak"]
fn the_same_files() {
    test_in_machine(&[], |world| compare(world, Driver::Cgroupfs));
}

#[test]
#[ignore = "in the soak"]
fn the_same_files_and_units() {
    test_in_machine(&[], |world| compare(world, Driver::Systemd));
}

/// The parts of a list, in an order of their own.
fn sorted(value: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = value.split(';').collect();
    parts.sort_unstable();
    parts
}
