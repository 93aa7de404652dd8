//! Device rules as `DevicePolicy` and `DeviceAllow`, so that systemd does not undo them whenever it reloads.
//!
//! systemd has a list of what is allowed and denies the rest; `c *:5` (a minor number of any driver) it cannot say. On
//! version 2 it is told `char-*` then: the program in the group itself, which systemd leaves alone, is exact, and both
//! must allow. On version 1 there is one list, and the wider rule would be the truth after a reload: it is left out
//! there, as runc does. A policy that allows by default has no words at all: systemd is told to keep out (`auto`).

use super::{Property, Terms};
use crate::dbus::Value;
use std::collections::BTreeMap;
use tare_cgroup::{DeviceAccess as Access, DevicePolicy, DeviceSet};
use tare_error::Result;
use tare_spec_oci::DeviceRule;

/// Named by number alone, devices need not exist; before that systemd looked each up.
const BY_NUMBER_SINCE: u32 = 240;

/// The properties for these rules; none for no rules.
pub(super) fn properties(rules: &[DeviceRule], terms: Terms) -> Result<Vec<Property>> {
    if rules.is_empty() || terms.version < BY_NUMBER_SINCE {
        return Ok(Vec::new());
    }
    let policy = DevicePolicy::of(rules)?;
    // A list that is set adds to the one before; an empty one ends that.
    let mut found = vec![
        Property::new(
            "DevicePolicy",
            Value::text(if policy.allow_by_default { "auto" } else { "strict" }),
        ),
        allow(&BTreeMap::new()),
    ];
    if policy.allow_by_default {
        return Ok(found);
    }
    let mut allowed: BTreeMap<String, Access> = BTreeMap::new();
    for (device, access) in policy.exceptions {
        if let Some(name) = name(device, terms) {
            // A name that comes twice would stand for its last access alone.
            allowed
                .entry(name)
                .and_modify(|known| *known = known.with(access))
                .or_insert(access);
        }
    }
    if !allowed.is_empty() {
        found.push(allow(&allowed));
    }
    Ok(found)
}

fn allow(devices: &BTreeMap<String, Access>) -> Property {
    let pair = |(name, access): (&String, &Access)| {
        Value::Struct(vec![Value::text(name.as_str()), Value::text(access.to_string())])
    };
    let list = devices.iter().map(pair).collect();
    Property::new("DeviceAllow", Value::Array("(ss)".to_owned(), list))
}

/// What systemd calls it; none for what it has no word for.
fn name(device: DeviceSet, terms: Terms) -> Option<String> {
    let kind = if device.is_block { "block" } else { "char" };
    match (device.major, device.minor) {
        (Some(major), Some(minor)) => Some(format!("/dev/{kind}/{major}:{minor}")),
        (Some(major), None) => Some(format!("{kind}-{major}")),
        (None, Some(_)) if !terms.is_v2() => None,
        (None, _) => Some(format!("{kind}-*")),
    }
}
