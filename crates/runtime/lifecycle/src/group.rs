//! The cgroup of a container.

use rustix::process::geteuid;
use std::time::Duration;
use tare_cgroup::{Group, GroupPath, Host, Layout};
use tare_error::{Kind, Result};
use tare_process::rootless::{self, Standing};
use tare_spec_oci::{DeviceKind, DeviceRule, IdMapping, Resources, Spec};

/// Where the groups of containers are whose configuration names none.
const PARENT: &str = "/tare";

/// How long a group without processes may take to be removed: the kernel buries its dead a little later.
const REMOVING: Duration = Duration::from_secs(2);

/// Devices that every container may use, as runc allows them besides the configuration's rules.
const ALWAYS: &[(DeviceKind, Option<i64>, Option<i64>, &str)] = &[
    (DeviceKind::Char, None, None, "m"),
    (DeviceKind::Block, None, None, "m"),
    (DeviceKind::Char, Some(1), Some(3), "rwm"),
    (DeviceKind::Char, Some(1), Some(8), "rwm"),
    (DeviceKind::Char, Some(1), Some(7), "rwm"),
    (DeviceKind::Char, Some(5), Some(0), "rwm"),
    (DeviceKind::Char, Some(1), Some(5), "rwm"),
    (DeviceKind::Char, Some(1), Some(9), "rwm"),
    (DeviceKind::Char, Some(136), None, "rwm"),
    (DeviceKind::Char, Some(5), Some(2), "rwm"),
    (DeviceKind::Char, Some(10), Some(200), "rwm"),
];

/// The group that a configuration asks for, or one of our own naming.
///
/// Who is not root of the machine owns groups, if any, where it is itself: a path that is not absolute, or none, is beside
/// the group of this process then, as in runc (that group holds processes, so it could hand no controllers on). Version 2 alone
/// can be delegated so.
pub(crate) fn path(spec: &Spec, id: &str) -> Result<GroupPath> {
    let asked = spec
        .linux
        .as_ref()
        .and_then(|linux| linux.cgroups_path.as_deref())
        .filter(|path| !path.is_empty());
    if let Some(path) = asked.filter(|path| path.starts_with('/')) {
        return GroupPath::parse(path);
    }
    if let Some(above) = above_own()? {
        return above.join(asked.unwrap_or(id));
    }
    match asked {
        Some(path) => GroupPath::parse(path),
        None => GroupPath::parse(PARENT)?.join(id),
    }
}

/// The group above the own one, for who is not root of the machine; none for root, and where there is none above.
fn above_own() -> Result<Option<GroupPath>> {
    if geteuid().is_root() && rootless::standing()? == Standing::Root {
        return Ok(None);
    }
    let host = Host::current()?;
    let own = host.v2().filter(|_| host.layout() == Layout::V2);
    let own = own.and_then(|tree| tree.own_group.as_deref());
    Ok(own
        .and_then(|path| GroupPath::parse(path).ok())
        .and_then(|path| path.parent()))
}

/// The limits that a configuration asks for, with the device rules that every container has.
pub(crate) fn resources(spec: &Spec) -> Resources {
    let asked = spec.linux.as_ref().and_then(|linux| linux.resources.clone());
    let asked = asked.unwrap_or_default();
    Resources {
        devices: rules(&asked.devices),
        ..asked
    }
}

/// Makes the group with its limits; none for an ordinary user to whom none is delegated, unless limits are asked for.
pub(crate) fn create(spec: &Spec, path: &GroupPath) -> Result<Option<Group>> {
    let resources = resources(spec);
    match Group::create(&Host::current()?, path, &resources) {
        Ok(group) => Ok(Some(group)),
        Err(e) if matches!(e.kind(), Kind::Denied | Kind::Unsupported) && !limits_anything(&resources) => {
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// Whom on the host the container's root is, where it is in a new user namespace: user and group.
pub(crate) fn owner(spec: &Spec) -> Option<(u32, u32)> {
    let linux = spec.linux.as_ref()?;
    let root = |maps: &[IdMapping]| maps.iter().find(|m| m.container_id == 0).map(|m| m.host_id);
    root(&linux.uid_mappings).zip(root(&linux.gid_mappings))
}

/// Opens the group of a record; none where it is gone.
pub(crate) fn open(host: &Host, path: &str) -> Result<Option<Group>> {
    match Group::open(host, &GroupPath::parse(path)?) {
        Ok(group) => Ok(Some(group)),
        Err(e) if e.kind() == Kind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Removes a group whose processes are gone or going.
pub(crate) fn remove(group: &Group) -> Result<()> {
    group.remove_within(REMOVING)
}

/// The same within this time at most.
pub(crate) fn remove_within(group: &Group, time: Duration) -> Result<()> {
    group.remove_within(REMOVING.min(time))
}

/// Everything is denied but what the configuration and every container has.
fn rules(asked: &[DeviceRule]) -> Vec<DeviceRule> {
    let nothing = DeviceRule::default();
    let always = ALWAYS.iter().map(|(kind, major, minor, access)| DeviceRule {
        allow: true,
        kind: *kind,
        major: *major,
        minor: *minor,
        access: Some((*access).to_owned()),
    });
    std::iter::once(nothing)
        .chain(asked.iter().cloned())
        .chain(always)
        .collect()
}

/// Whether there is anything but device rules, which every configuration has.
fn limits_anything(resources: &Resources) -> bool {
    let devices = Resources {
        devices: resources.devices.clone(),
        ..Resources::default()
    };
    *resources != devices
}
