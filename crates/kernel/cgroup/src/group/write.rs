//! Writing limits and device rules into a group's control files.

use super::{Group, Member, unsupported};
use crate::bpf;
use crate::devices::{self, Policy};
use crate::dir::write_value;
use crate::host::{Controller, Version};
use crate::limits::{Absent, Draft, Home, Setting, Step};
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::process::geteuid;
use std::borrow::Cow;
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::{DeviceRule, Resources};

pub(super) fn apply(group: &Group, resources: &Resources) -> Result<()> {
    let resources = &*completed(group, resources);
    let homes = Homes::of(group);
    let draft = Draft::of(resources, &homes);
    if let Some(first) = first_with_rest(draft.refused) {
        return Err(first);
    }
    set_devices(group, &resources.devices)?;
    for step in &draft.steps {
        set_all(group, step)?;
    }
    Ok(())
}

pub(super) fn apply_where_possible(group: &Group, resources: &Resources) -> Vec<Error> {
    let homes = Homes::of(group);
    let draft = Draft::of(resources, &homes);
    let mut refused = draft.refused;
    refused.extend(set_devices(group, &resources.devices).err());
    refused.extend(draft.steps.iter().filter_map(|step| set_all(group, step).err()));
    refused
}

/// `resources` with quota and period where one of the two is given, the other as it stands: version 2 has one file for both,
/// and systemd one property.
pub(super) fn completed<'a>(group: &Group, resources: &'a Resources) -> Cow<'a, Resources> {
    let given = resources.cpu.as_ref().map(|cpu| {
        let is = |value: bool| value.then_some(());
        (is(cpu.quota.unwrap_or(0) != 0), is(cpu.period.unwrap_or(0) != 0))
    });
    let (Some((quota, period)), Some((old_quota, old_period))) = (given, quota_and_period(group)) else {
        return Cow::Borrowed(resources);
    };
    if quota.is_some() == period.is_some() {
        return Cow::Borrowed(resources);
    }
    let mut whole = resources.clone();
    if let Some(cpu) = &mut whole.cpu {
        match quota {
            Some(()) => cpu.period = Some(old_period),
            None => cpu.quota = Some(old_quota),
        }
    }
    Cow::Owned(whole)
}

/// As the kernel holds them; no quota is -1.
fn quota_and_period(group: &Group) -> Option<(i64, u64)> {
    if let Some(member) = group.v1(Controller::Cpu) {
        let quota = member.dir.read("cpu.cfs_quota_us").ok()?.trim().parse().ok()?;
        let period = member.dir.read("cpu.cfs_period_us").ok()?.trim().parse().ok()?;
        return Some((quota, period));
    }
    let text = group.v2()?.dir.read("cpu.max").ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    Some((quota.parse().unwrap_or(-1), period.parse().ok()?))
}

fn first_with_rest(errors: Vec<Error>) -> Option<Error> {
    errors.into_iter().reduce(Error::also)
}

/// Which version has which controller for this group, asked once per call.
#[derive(Debug)]
struct Homes<'a> {
    group: &'a Group,
    on_v2: Vec<Controller>,
}

impl<'a> Homes<'a> {
    fn of(group: &'a Group) -> Homes<'a> {
        let listed = group
            .v2()
            .and_then(|member| member.dir.read("cgroup.controllers").ok());
        let names = listed.unwrap_or_default();
        Homes {
            group,
            on_v2: names.split_whitespace().filter_map(Controller::from_v2).collect(),
        }
    }
}

impl Home for Homes<'_> {
    fn version(&self, controller: Controller) -> Option<Version> {
        if self.group.v1(controller).is_some() {
            return Some(Version::V1);
        }
        self.on_v2.contains(&controller).then_some(Version::V2)
    }

    fn has_unified(&self) -> bool {
        self.group.v2().is_some()
    }

    fn why_not(&self, controller: Controller, what: &str) -> Error {
        let error = unsupported(format!("set the {what} of"), &self.group.path);
        let host = &self.group.host;
        if let Some(tree) = host.v1(controller) {
            let at = tree.mount_point.display();
            return error
                .because(format!(
                    "the {controller} controller is not available: it is mounted read-only at {at}"
                ))
                .hint(format!(
                    "have it mounted read-write (mount -o remount,rw {at}), or leave the limit out"
                ));
        }
        if let Some((holder, at)) = self.nearest_holder(controller) {
            let name = controller.v2_name();
            return error
                .because(format!("the {name} controller is not available: {holder} has it and does not pass it on"))
                .hint(format!(
                    "echo +{name} > {at}/cgroup.subtree_control (refused while processes are in that group itself; \
                     systemd: Delegate={name}), or leave the limit out"
                ));
        }
        let cure = match controller {
            Controller::Memory => "start the kernel with cgroup_enable=memory".to_owned(),
            _ if controller.v2_name().is_empty() => format!(
                "it is of cgroup v1: mount -t cgroup -o {controller} {controller} /sys/fs/cgroup/{controller}"
            ),
            _ => "enable it in the groups above, or mount it as cgroup v1".to_owned(),
        };
        error
            .because(format!(
                "the {controller} controller is not available: this machine has it on no cgroup mount (layout: {})",
                host.layout
            ))
            .hint(format!("{cure}; or leave the limit out"))
    }

    fn subject(&self) -> String {
        self.group.path.to_string()
    }
}

impl Homes<'_> {
    /// The lowest version 2 group above that has a controller which this group has not: its path, and its folder.
    fn nearest_holder(&self, controller: Controller) -> Option<(String, String)> {
        let member = self.group.v2()?;
        let tree = self.group.host.hierarchies.get(member.hierarchy)?;
        let mut path = Some(self.group.path.clone());
        let mut dir = member.dir.above().ok()?;
        loop {
            path = path.and_then(|path| path.parent());
            let listed = dir.read("cgroup.controllers").ok()?;
            let shown = path.as_ref().map_or_else(|| "/".to_owned(), ToString::to_string);
            if listed.split_whitespace().any(|name| name == controller.v2_name()) {
                let at = format!(
                    "{}{}",
                    tree.mount_point.display(),
                    if shown == "/" { "" } else { &shown }
                );
                return Some((format!("group {shown}"), at));
            }
            path.as_ref()?;
            dir = dir.above().ok()?;
        }
    }
}

/// Sets all settings of a step in whichever order the kernel takes them.
fn set_all(group: &Group, step: &Step) -> Result<()> {
    let mut left: Vec<&Setting> = step.iter().collect();
    loop {
        let before = left.len();
        let mut refused = Vec::new();
        let mut first_error = None;
        for setting in left {
            match set(group, setting) {
                Ok(()) => {}
                Err(e) if e.kind() == Kind::Invalid && step.len() > 1 => {
                    first_error.get_or_insert(e);
                    refused.push(setting);
                }
                Err(e) => return Err(e),
            }
        }
        match first_error {
            None => return Ok(()),
            Some(e) if refused.len() == before => return Err(e),
            Some(_) => left = refused,
        }
    }
}

fn set(group: &Group, setting: &Setting) -> Result<()> {
    let Some(member) = home_of(group, setting) else {
        return Err(explain(group, setting, Errno::NOENT));
    };
    if let Some(file) = setting.not_below {
        let used = member
            .dir
            .read(file)
            .ok()
            .and_then(|text| text.trim().parse::<i64>().ok());
        let asked = setting.value.parse::<i64>().ok();
        if let (Some(used), Some(asked)) = (used, asked)
            && asked < used
        {
            return Err(Error::new(Kind::Conflict, operation(setting), &group.path)
                .because(format!("{used} bytes are in use"))
                .hint("give a higher limit, or leave checkBeforeUpdate out"));
        }
    }
    match (member.dir.write(&setting.file, &setting.value), &setting.absent) {
        (Ok(()), _) | (Err(Errno::NOENT), Absent::Skip) => Ok(()),
        (Err(Errno::NOENT), Absent::Instead(other)) => set(group, other),
        (Err(e), _) => Err(explain(group, setting, e)),
    }
}

fn home_of<'a>(group: &'a Group, setting: &Setting) -> Option<&'a Member> {
    match setting.controller {
        None => group.v2(),
        Some(controller) => group.v1(controller).or_else(|| group.v2()),
    }
}

fn operation(setting: &Setting) -> String {
    format!(
        "set the {} ({} = {}) of",
        setting.what, setting.file, setting.value
    )
}

/// The kernel's number in words that help.
fn explain(group: &Group, setting: &Setting, e: Errno) -> Error {
    let error = match e {
        Errno::NOENT => Error::new(Kind::Unsupported, operation(setting), &group.path)
            .because("the kernel has no such control file"),
        Errno::RANGE => {
            Error::new(Kind::Invalid, operation(setting), &group.path).from_source(std::io::Error::from(e))
        }
        _ => Error::os(operation(setting), &group.path, e),
    };
    let of_above = |file: &str| {
        let above = home_of(group, setting)?.dir.above().ok()?;
        let list = above.read(file).ok().filter(|list| !list.trim().is_empty());
        Some(
            list.or_else(|| above.read("cpuset.cpus.effective").ok())?
                .trim()
                .to_owned(),
        )
    };
    match (e, setting.controller) {
        (Errno::NOENT, _) => match setting.absent {
            Absent::Refuse(hint) => error.hint(hint),
            _ => error,
        },
        (Errno::BUSY, Some(Controller::Memory)) => {
            let read = |file| home_of(group, setting)?.dir.read(file).ok();
            let used = read("memory.usage_in_bytes")
                .or_else(|| read("memory.current"))
                .unwrap_or_default();
            error.hint(format!(
                "{} bytes are in use and cannot be given back; give a higher limit",
                used.trim()
            ))
        }
        (Errno::INVAL | Errno::ACCESS | Errno::RANGE, Some(Controller::Cpuset)) => {
            match of_above(&setting.file) {
                Some(list) => error.hint(format!("the group above has {list}")),
                None => error,
            }
        }
        (Errno::NODEV | Errno::NXIO, Some(Controller::Io)) => {
            error.hint("no block device has this number (a partition has none of its own: name the disk)")
        }
        (Errno::INVAL, _) => error.hint("the kernel does not take this value"),
        _ => error,
    }
}

/// Brings the device rules to what `rules` mean; no rules, no change.
fn set_devices(group: &Group, rules: &[DeviceRule]) -> Result<()> {
    // The kernel takes none from an ordinary user, nor from a user namespace.
    if rules.is_empty() || group.host.in_user_namespace || !geteuid().is_root() {
        return Ok(());
    }
    let policy = Policy::of(rules)?;
    let refused = |e: Errno, line: &str| {
        let error = Error::os(format!("set device rule {line:?} of"), &group.path, e);
        match e {
            Errno::PERM => error.hint("run as root; and no group can allow what the group above it denies"),
            _ => error,
        }
    };
    if let Some(member) = group.v1(Controller::Devices) {
        let list = member
            .dir
            .read("devices.list")
            .op("read the device rules of", &group.path)?;
        for lines in policy.lines_from(&list).chunk_by(|a, b| a.0 == b.0) {
            let Some((name, first)) = lines.first() else {
                continue;
            };
            let file = member.dir.open_write(name).map_err(|e| refused(e, first))?;
            for (_, line) in lines {
                write_value(file.as_fd(), line).map_err(|e| refused(e, line))?;
            }
        }
        return Ok(());
    }
    let Some(member) = group.v2() else {
        return Err(unsupported("set device rules of", &group.path)
            .because("the devices controller is not available: no cgroup mount has it")
            .hint("mount it: mount -t cgroup -o devices devices /sys/fs/cgroup/devices"));
    };
    let program = bpf::load(&devices::program::assemble(&policy)).map_err(|e| refused(e, "program"))?;
    bpf::attach_only(member.dir.as_fd(), &program).map_err(|e| refused(e, "program"))
}
