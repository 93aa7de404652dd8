//! Control groups: a group of the doctor's own is made, limited and removed.

use super::read;
use crate::check::Finding;
use crate::place::Place;
use std::path::PathBuf;
use tare_cgroup::{Controller, Group, GroupPath, Host, Layout};
use tare_error::{Error, Kind};
use tare_spec_oci::{
    BlockIo, Cpu, DeviceKind, DeviceRule, HugepageLimit, Memory, Pids, Resources, ThrottleDevice,
};

pub(crate) fn layout(_: &Place) -> Finding {
    match Host::current() {
        Ok(host) => {
            let trees: Vec<String> = host
                .hierarchies()
                .iter()
                .map(tare_cgroup::Hierarchy::label)
                .collect();
            Finding::yes(format!("{}: {}", host.layout(), trees.join(" ")))
        }
        Err(e) => refused(&e),
    }
}

pub(crate) fn groups(_: &Place) -> Finding {
    try_limits(&Resources::default(), "a group was made and removed")
}

pub(crate) fn memory(_: &Place) -> Finding {
    let memory = Memory {
        limit: Some(64 << 20),
        ..Memory::default()
    };
    let limit = Resources {
        memory: Some(memory.clone()),
        ..Resources::default()
    };
    let swap = Memory {
        swap: Some(64 << 20),
        ..memory
    };
    let with_swap = Resources {
        memory: Some(swap),
        ..Resources::default()
    };
    match with_group(&limit, |_| Ok(())) {
        Err(e) => refused(&e),
        Ok(()) => match with_group(&with_swap, |_| Ok(())) {
            Ok(()) => Finding::yes("memory and swap"),
            Err(_) => Finding::partly("memory alone; swap is not accounted")
                .mended_by("start the kernel with swapaccount=1"),
        },
    }
}

pub(crate) fn cpu(_: &Place) -> Finding {
    let cpu = Cpu {
        shares: Some(512),
        quota: Some(50_000),
        period: Some(100_000),
        ..Cpu::default()
    };
    let limits = Resources {
        cpu: Some(cpu),
        ..Resources::default()
    };
    try_limits(&limits, "shares and quota")
}

pub(crate) fn cpuset(_: &Place) -> Finding {
    let cpu = Cpu {
        cpus: read("/proc/self/status").and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
            Some(line.trim().to_owned())
        }),
        ..Cpu::default()
    };
    let limits = Resources {
        cpu: Some(cpu),
        ..Resources::default()
    };
    try_limits(&limits, "chosen processors")
}

pub(crate) fn pids(_: &Place) -> Finding {
    let limits = Resources {
        pids: Some(Pids { limit: Some(100) }),
        ..Resources::default()
    };
    try_limits(&limits, "")
}

/// The rate of a disk that is there; without one only the controller is looked for.
pub(crate) fn io(_: &Place) -> Finding {
    let disk = std::fs::read_dir("/sys/block").ok().and_then(|disks| {
        let number = |disk: std::fs::DirEntry| read(disk.path().join("dev"));
        disks.flatten().find_map(number)
    });
    let numbers = disk.as_deref().and_then(|disk| disk.split_once(':'));
    let Some((Ok(major), Ok(minor))) = numbers.map(|(major, minor)| (major.parse(), minor.parse())) else {
        return Finding::unknown("not tried: no disk to limit");
    };
    let throttle = ThrottleDevice {
        major,
        minor,
        rate: 1 << 30,
    };
    let block = BlockIo {
        throttle_read_bps_device: vec![throttle],
        ..BlockIo::default()
    };
    let limits = Resources {
        block_io: Some(block),
        ..Resources::default()
    };
    try_limits(&limits, "rates")
}

pub(crate) fn hugepages(_: &Place) -> Finding {
    let sizes = std::fs::read_dir("/sys/kernel/mm/hugepages").ok();
    let size = sizes.and_then(|sizes| {
        let kib = |name: String| {
            name.strip_prefix("hugepages-")?
                .strip_suffix("kB")?
                .parse::<u64>()
                .ok()
        };
        sizes
            .flatten()
            .find_map(|size| kib(size.file_name().into_string().ok()?))
    });
    let Some(kib) = size else {
        return Finding::no("this machine has no huge pages")
            .mended_by("nothing to mend, unless the kernel is changed");
    };
    let page_size = match kib {
        kib if kib >= 1 << 20 => format!("{}GB", kib >> 20),
        kib if kib >= 1 << 10 => format!("{}MB", kib >> 10),
        kib => format!("{kib}KB"),
    };
    let limit = HugepageLimit { page_size, limit: 0 };
    let limits = Resources {
        hugepage_limits: vec![limit],
        ..Resources::default()
    };
    try_limits(&limits, "")
}

pub(crate) fn freezer(_: &Place) -> Finding {
    let frozen = |group: &Group| group.freeze().and_then(|()| group.thaw());
    match with_group(&Resources::default(), frozen) {
        Ok(()) => Finding::yes(""),
        Err(e) => refused(&e),
    }
}

pub(crate) fn devices(_: &Place) -> Finding {
    let by = match Host::current() {
        Ok(host) if host.in_user_namespace() => {
            return Finding::unknown("not tried: device rules are the first user namespace's");
        }
        Ok(host) if host.v1(Controller::Devices).is_some() => "by cgroup v1",
        Ok(_) => "by a BPF program",
        Err(e) => return refused(&e),
    };
    try_limits(&deny_all(), by)
}

/// Also where version 1 is used for devices: it says whether the machine can move to version 2.
pub(crate) fn device_program(_: &Place) -> Finding {
    let mounts = read("/proc/thread-self/mountinfo").unwrap_or_default();
    let own = read("/proc/thread-self/cgroup").unwrap_or_default();
    let unified: Vec<&str> = mounts
        .lines()
        .filter(|line| !line.contains(" - cgroup "))
        .collect();
    match Host::detect(&unified.join("\n"), &own) {
        Ok(host) if host.layout() == Layout::V2 => match with_group_on(&host, &deny_all(), |_| Ok(())) {
            Ok(()) => Finding::yes("one was loaded and attached"),
            Err(e) => refused(&e),
        },
        _ => Finding::unknown("not tried: no cgroup v2 tree is mounted"),
    }
}

fn deny_all() -> Resources {
    let rule = DeviceRule {
        allow: false,
        kind: DeviceKind::All,
        ..DeviceRule::default()
    };
    Resources {
        devices: vec![rule],
        ..Resources::default()
    }
}

fn try_limits(limits: &Resources, detail: &str) -> Finding {
    match with_group(limits, |_| Ok(())) {
        Ok(()) => Finding::yes(detail),
        Err(e) => refused(&e),
    }
}

fn refused(e: &Error) -> Finding {
    let why = tare_error::Report::new(e).to_string();
    let finding = match e.kind() {
        Kind::Denied if !rustix::process::geteuid().is_root() => {
            Finding::no("this user has no control groups of its own")
        }
        _ => Finding::no(why),
    };
    match e.first_hint() {
        Some(hint) => finding.mended_by(hint),
        None => finding,
    }
}

fn with_group(limits: &Resources, then: impl FnOnce(&Group) -> Result<(), Error>) -> Result<(), Error> {
    with_group_on(&Host::current()?, limits, then)
}

fn with_group_on(
    host: &Host,
    limits: &Resources,
    then: impl FnOnce(&Group) -> Result<(), Error>,
) -> Result<(), Error> {
    let path = GroupPath::parse(&format!("/tare-doctor-{}", std::process::id()))?;
    let given = Given::now(host);
    let done = Group::create(host, &path, limits).and_then(|group| {
        let done = then(&group);
        let removed = group.remove();
        done.and(removed)
    });
    given.restore();
    done
}

/// The controllers that the root of the version 2 tree gives to the groups below it: making a group there may add some.
struct Given {
    file: Option<PathBuf>,
    before: String,
}

impl Given {
    fn now(host: &Host) -> Given {
        let file = host
            .unified_mount()
            .map(|mount| mount.join("cgroup.subtree_control"));
        let before = file.as_ref().and_then(read).unwrap_or_default();
        Given { file, before }
    }

    /// Takes back what was added. Refused (`EBUSY`) where somebody has begun to use it meanwhile, which is right.
    fn restore(self) {
        let Some(file) = self.file else {
            return;
        };
        let now = read(&file).unwrap_or_default();
        let is_new = |name: &&str| !self.before.split_whitespace().any(|old| old == *name);
        for name in now.split_whitespace().filter(is_new) {
            let _ = std::fs::write(&file, format!("-{name}"));
        }
    }
}
