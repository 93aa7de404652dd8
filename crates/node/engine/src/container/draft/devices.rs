//! Device nodes and who may use which: docker's few, and those asked for.

use super::{Draft, Input};
use tare_error::Result;
use tare_spec_oci::{Device, DeviceKind, DeviceRule};

/// Characters devices that every container may use: null, zero, full, random, urandom, tty, console, ptmx.
const DEFAULT: [(i64, i64); 8] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)];

/// Major number of the terminals of devpts(5): all of them are the container's own.
const PTS: i64 = 136;

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    for device in &input.found.devices {
        draft.linux.devices.push(Device {
            path: device.target.clone(),
            kind: device.kind,
            major: i64::from(device.major),
            minor: i64::from(device.minor),
            file_mode: Some(device.mode & 0o7777),
            uid: Some(device.uid).filter(|_| !input.host.rootless),
            gid: Some(device.gid).filter(|_| !input.host.rootless),
        });
    }
    // An ordinary user has no say over devices: the nodes are the machine's own and their permissions hold.
    if input.host.rootless {
        return Ok(());
    }
    let rules = &mut draft.resources.devices;
    if input.request.security.privileged {
        rules.push(rule(true, DeviceKind::All, None, None, "rwm"));
        return Ok(());
    }
    rules.push(rule(false, DeviceKind::All, None, None, "rwm"));
    // A node may be made (capability mknod) without being usable.
    rules.push(rule(true, DeviceKind::Char, None, None, "m"));
    rules.push(rule(true, DeviceKind::Block, None, None, "m"));
    for (major, minor) in DEFAULT {
        rules.push(rule(true, DeviceKind::Char, Some(major), Some(minor), "rwm"));
    }
    rules.push(rule(true, DeviceKind::Char, Some(PTS), None, "rwm"));
    for device in &input.found.devices {
        let (major, minor) = (i64::from(device.major), i64::from(device.minor));
        rules.push(rule(true, device.kind, Some(major), Some(minor), &device.access));
    }
    Ok(())
}

fn rule(allow: bool, kind: DeviceKind, major: Option<i64>, minor: Option<i64>, access: &str) -> DeviceRule {
    DeviceRule {
        allow,
        kind,
        major,
        minor,
        access: Some(access.to_owned()),
    }
}
