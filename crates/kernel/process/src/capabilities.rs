//! Capability sets by name and of this thread (capabilities(7)). Setting allocates nothing.

pub use rustix::thread::CapabilitySet;

use rustix::io::{Errno, Result};
use rustix::thread::CapabilitySets;

/// Reads names as `CAP_CHOWN` or `CHOWN`, in any case; the second value lists those that nobody knows.
pub fn parse_capabilities(names: &[String]) -> (CapabilitySet, Vec<&str>) {
    let mut set = CapabilitySet::empty();
    let mut unknown = Vec::new();
    for name in names {
        let upper = name.to_ascii_uppercase();
        match CapabilitySet::from_name(upper.strip_prefix("CAP_").unwrap_or(&upper)) {
            Some(found) => set |= found,
            None => unknown.push(name.as_str()),
        }
    }
    (set, unknown)
}

/// Drops every capability outside `keep` from this thread's bounding set; needs `CAP_SETPCAP`.
///
/// # Errors
/// The kernel's.
pub fn drop_from_bounding(keep: CapabilitySet) -> Result<()> {
    let each = (0..64).map(|number| CapabilitySet::from_bits_retain(1 << number));
    for one in each.filter(|one| !keep.contains(*one)) {
        let dropped = match rustix::thread::remove_capability_from_bounding_set(one) {
            // Without the right to drop it, all is well where it is gone already.
            Err(Errno::PERM) => match rustix::thread::capability_is_in_bounding_set(one)? {
                true => Err(Errno::PERM),
                false => Ok(()),
            },
            done => done,
        };
        match dropped {
            // Past the last capability of this kernel.
            Err(Errno::INVAL) => return Ok(()),
            done => done?,
        }
    }
    Ok(())
}

/// Sets this thread's effective, permitted and inheritable sets.
///
/// # Errors
/// `EPERM` for what is not permitted now.
pub fn set_thread_capabilities(
    effective: CapabilitySet,
    permitted: CapabilitySet,
    inheritable: CapabilitySet,
) -> Result<()> {
    let sets = CapabilitySets {
        effective,
        permitted,
        inheritable,
    };
    rustix::thread::set_capabilities(None, sets)
}

/// Makes `set` the ambient set; each must be permitted and inheritable already.
///
/// # Errors
/// The kernel's.
pub fn set_ambient(set: CapabilitySet) -> Result<()> {
    rustix::thread::clear_ambient_capability_set()?;
    for number in 0..64 {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if set.contains(one) {
            rustix::thread::configure_capability_in_ambient_set(one, true)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_defaults_have_the_known_value() {
        let names: Vec<String> =
            "chown dac_override fsetid fowner mknod net_raw setgid setuid setfcap setpcap \
             net_bind_service sys_chroot kill audit_write"
                .split_whitespace()
                .map(|n| format!("CAP_{}", n.to_uppercase()))
                .collect();
        assert_eq!(parse_capabilities(&names).0.bits(), 0xa804_25fb);
    }

    #[test]
    fn names_in_any_form_and_unknown_ones_told() {
        let names = [
            "cap_kill".to_owned(),
            "SYS_ADMIN".to_owned(),
            "CAP_FLY".to_owned(),
            "_".to_owned(),
        ];
        let (set, unknown) = parse_capabilities(&names);
        assert_eq!(set, CapabilitySet::KILL | CapabilitySet::SYS_ADMIN);
        assert_eq!(unknown, ["CAP_FLY", "_"]);
    }
}
