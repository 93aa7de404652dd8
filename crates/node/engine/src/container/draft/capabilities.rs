//! The five capability sets: docker's fourteen, changed by what was asked.

use super::{Draft, Input};
use crate::container::request::{Capability, CapabilityChange};
use tare_error::{Error, Kind, Result};
use tare_spec_oci::Capabilities;

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    let asked = &input.request.security;
    let available = input.host.bounding & Capability::ALL;
    let mut set = Capability::DEFAULT;
    if asked.privileged || asked.add.contains(&CapabilityChange::All) {
        set = Capability::ALL;
    }
    if asked.drop.contains(&CapabilityChange::All) && !asked.privileged {
        set = if asked.add.contains(&CapabilityChange::All) {
            Capability::ALL
        } else {
            0
        };
    }
    for change in &asked.drop {
        if let CapabilityChange::One(capability) = change {
            set &= !capability.bit();
        }
    }
    for change in &asked.add {
        if let CapabilityChange::One(capability) = change {
            if available & capability.bit() == 0 {
                return Err(Error::new(Kind::Denied, "grant capability", capability)
                    .because("tare does not have it itself on this machine"));
            }
            set |= capability.bit();
        }
    }
    // "All" means all there is to give; what is missing from docker's own fourteen is missing as well.
    set &= available;
    draft.granted = set;
    let names: Vec<String> = Capability::of_set(set).map(|c| c.to_string()).collect();
    // Another user than root starts without effective capabilities, as after execve(2). Inheritable and ambient stay
    // empty (CVE-2022-24769).
    let in_force = if draft.process.user.uid == 0 {
        names.clone()
    } else {
        Vec::new()
    };
    draft.process.capabilities = Some(Capabilities {
        bounding: names,
        effective: in_force.clone(),
        permitted: in_force,
        ..Capabilities::default()
    });
    Ok(())
}
