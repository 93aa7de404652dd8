//! Capabilities by name (capabilities(7)).

use super::invalid;
use std::fmt;
use tare_error::Result;

/// Names by bit, Linux 5.9 to 6.18 (`include/uapi/linux/capability.h`).
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// One capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(u8);

impl Capability {
    /// What docker grants when nothing is asked: 14 of them, 0xa80425fb.
    pub const DEFAULT: u64 = 0xa804_25fb;
    /// `CAP_SYS_RESOURCE`.
    pub const SYS_RESOURCE: Capability = Capability(24);
    /// `CAP_MKNOD`.
    pub const MKNOD: Capability = Capability(27);

    /// Reads `NET_ADMIN`, `CAP_NET_ADMIN`, `net_admin`.
    ///
    /// # Errors
    /// `Invalid`, with the nearest name where one is near.
    pub fn parse(text: &str) -> Result<Capability> {
        let upper = text.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        match NAMES.iter().position(|name| *name == bare).map(u8::try_from) {
            Some(Ok(bit)) => Ok(Capability(bit)),
            _ => {
                let error = invalid("capability", text, "there is no such one");
                Err(
                    match NAMES.iter().find(|name| name.contains(bare) && bare.len() > 2) {
                        Some(near) => error.hint(format!("did you mean {near}?")),
                        None => error.hint("capabilities(7) lists them: NET_ADMIN, SYS_PTRACE ..., or ALL"),
                    },
                )
            }
        }
    }

    /// Its bit in a set.
    pub fn bit(self) -> u64 {
        1 << self.0
    }

    /// The capabilities of a set, in order.
    pub fn of_set(set: u64) -> impl Iterator<Item = Capability> {
        (0..41).map(Capability).filter(move |c| set & c.bit() != 0)
    }

    /// All that the names above cover.
    pub const ALL: u64 = (1 << NAMES.len()) - 1;
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CAP_{}", NAMES.get(usize::from(self.0)).unwrap_or(&"?"))
    }
}

/// One `--cap-add` or `--cap-drop`: a capability or `ALL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapabilityChange {
    /// Every one.
    All,
    /// This one.
    One(Capability),
}

impl CapabilityChange {
    /// Reads a name or `ALL` (`CAP_ALL`).
    ///
    /// # Errors
    /// `Invalid`.
    pub fn parse(text: &str) -> Result<CapabilityChange> {
        if text.eq_ignore_ascii_case("all") || text.eq_ignore_ascii_case("cap_all") {
            return Ok(CapabilityChange::All);
        }
        Capability::parse(text).map(CapabilityChange::One)
    }
}
