//! Device rules: what a list of rules means in the end, and how a group is brought from one meaning to another.
//!
//! The meaning is that of the version 1 controller (`cgroup-v1/devices.rst`), used for version 2 as well, so that a
//! document means the same on both: a default, and exceptions from it. Rules are emulated here rather than written
//! one by one, because an update by "deny all, then allow" would take a running container's devices away for a moment.

pub(crate) mod program;

use std::fmt;
use tare_error::{Error, Kind, Result};
use tare_spec_oci::{DeviceKind, DeviceRule};

/// No document has more rules than this.
const RULES_MAX: usize = 4096;

/// Read, write and mknod, as bits of the kernel's own (`BPF_DEVCG_ACC_*`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Access(u8);

impl Access {
    const ALL: Access = Access(7);

    fn parse(text: &str) -> Option<Access> {
        let mut bits = 0;
        for letter in text.chars() {
            bits |= match letter {
                'm' => 1,
                'r' => 2,
                'w' => 4,
                // It means nothing, and runc passes over it.
                'a' => 0,
                _ => return None,
            };
        }
        (bits != 0).then_some(Access(bits))
    }

    pub(crate) fn bits(self) -> i32 {
        i32::from(self.0)
    }

    fn without(self, other: Access) -> Option<Access> {
        let left = self.0 & !other.0;
        (left != 0).then_some(Access(left))
    }

    /// All that either allows.
    #[must_use]
    pub fn with(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }

    fn meets(self, other: Access) -> bool {
        self.0 & other.0 != 0
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in [(2, "r"), (4, "w"), (1, "m")] {
            if self.0 & bit != 0 {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A device or a set of them; no number is every number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    /// A block device; else a character device.
    pub is_block: bool,
    /// Its major number.
    pub major: Option<u32>,
    /// Its minor number.
    pub minor: Option<u32>,
}

impl Device {
    /// Whether every device of `other` is one of these.
    fn covers(self, other: Device) -> bool {
        let part = |mine: Option<u32>, theirs: Option<u32>| mine.is_none() || mine == theirs;
        self.is_block == other.is_block && part(self.major, other.major) && part(self.minor, other.minor)
    }

    /// Whether some device is in both.
    fn meets(self, other: Device) -> bool {
        let part =
            |mine: Option<u32>, theirs: Option<u32>| mine.is_none() || theirs.is_none() || mine == theirs;
        self.is_block == other.is_block && part(self.major, other.major) && part(self.minor, other.minor)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: Option<u32>| n.map_or("*".to_owned(), |n| n.to_string());
        let kind = if self.is_block { 'b' } else { 'c' };
        write!(f, "{kind} {}:{}", number(self.major), number(self.minor))
    }
}

/// What a list of rules means: a default, and the exceptions from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What holds for a device without an exception.
    pub allow_by_default: bool,
    /// What is denied by way of exception, or allowed where the default is to deny: each device once, in the order of
    /// the rules that made them.
    pub exceptions: Vec<(Device, Access)>,
}

impl Policy {
    /// The meaning of `rules`, in order. Before the first rule everything is allowed, as in a fresh group.
    ///
    /// # Errors
    /// `Invalid` for a rule that is none, and for one that would punch a hole into a wider exception (the kernel's
    /// version 1 would pass over it in silence).
    pub fn of(rules: &[DeviceRule]) -> Result<Policy> {
        let mut policy = Policy {
            allow_by_default: true,
            exceptions: Vec::new(),
        };
        if rules.len() > RULES_MAX {
            return Err(
                Error::new(Kind::Invalid, "read device rules", "").because("there are more than 4096")
            );
        }
        for rule in rules {
            let refuse = |why: &str| {
                let number = |n: Option<i64>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
                let shown = format!("{} {}:{}", rule.kind, number(rule.major), number(rule.minor));
                Err(Error::new(Kind::Invalid, "read device rule", shown)
                    .because(why)
                    .hint("a rule has a type of a, b or c, numbers that are not negative, and access of r, w, m"))
            };
            let Some(access) = access_of(rule) else {
                return refuse("its access is not made of r, w and m");
            };
            let (Ok(major), Ok(minor)) = (number(rule.major), number(rule.minor)) else {
                return refuse("it has a number out of range");
            };
            let kinds: &[bool] = match rule.kind {
                DeviceKind::All if (major, minor, access) == (None, None, Access::ALL) => {
                    policy.allow_by_default = rule.allow;
                    policy.exceptions.clear();
                    continue;
                }
                DeviceKind::All => &[true, false],
                DeviceKind::Block => &[true],
                DeviceKind::Char | DeviceKind::Unbuffered => &[false],
                DeviceKind::Fifo => return refuse("pipes are not controlled"),
            };
            for &is_block in kinds {
                let device = Device {
                    is_block,
                    major,
                    minor,
                };
                if policy.add(rule.allow, device, access).is_err() {
                    return refuse("it takes back a part of what an earlier rule says about more devices");
                }
            }
        }
        Ok(policy)
    }

    /// One rule more; `Err` where it would need a hole in a wider exception.
    fn add(&mut self, allow: bool, device: Device, access: Access) -> std::result::Result<(), ()> {
        if allow != self.allow_by_default {
            match self.exceptions.iter_mut().find(|(known, _)| *known == device) {
                Some((_, has)) => *has = has.with(access),
                None => self.exceptions.push((device, access)),
            }
            return Ok(());
        }
        let mut kept = Vec::new();
        for &(known, has) in &self.exceptions {
            if device.covers(known) {
                kept.extend(has.without(access).map(|left| (known, left)));
            } else if device.meets(known) && has.meets(access) {
                return Err(());
            } else {
                kept.push((known, has));
            }
        }
        self.exceptions = kept;
        Ok(())
    }

    /// Reads `devices.list` of version 1. A group that allows by default does not list its exceptions.
    fn of_list(text: &str) -> Option<Policy> {
        let mut policy = Policy {
            allow_by_default: false,
            exceptions: Vec::new(),
        };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let kind = words.next()?;
            if kind == "a" {
                policy.allow_by_default = true;
                policy.exceptions.clear();
                return Some(policy);
            }
            let (major, minor) = words.next()?.split_once(':')?;
            let number = |text: &str| match text {
                "*" => Some(None),
                text => text.parse::<u32>().ok().map(Some),
            };
            let device = Device {
                is_block: kind == "b",
                major: number(major)?,
                minor: number(minor)?,
            };
            policy.exceptions.push((device, Access::parse(words.next()?)?));
        }
        Some(policy)
    }

    /// The lines that bring a version 1 group from `list` (its `devices.list`) to this policy: file and line.
    ///
    /// Between two default-deny policies nothing that both allow is ever taken away.
    pub(crate) fn lines_from(&self, list: &str) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        let mut now = Policy::of_list(list);
        if now
            .as_ref()
            .is_none_or(|now| now.allow_by_default || self.allow_by_default)
        {
            let file = if self.allow_by_default {
                "devices.allow"
            } else {
                "devices.deny"
            };
            lines.push((file, "a".to_owned()));
            now = None;
        }
        let had = now.map(|now| now.exceptions).unwrap_or_default();
        let (more, less) = if self.allow_by_default {
            ("devices.deny", "devices.allow")
        } else {
            ("devices.allow", "devices.deny")
        };
        for (device, access) in &self.exceptions {
            let missing = match of(&had, *device) {
                Some(has) => access.without(has),
                None => Some(*access),
            };
            lines.extend(missing.map(|access| (more, format!("{device} {access}"))));
        }
        for (device, has) in &had {
            let extra = match of(&self.exceptions, *device) {
                Some(access) => has.without(access),
                None => Some(*has),
            };
            lines.extend(extra.map(|access| (less, format!("{device} {access}"))));
        }
        lines
    }
}

/// What a list says about a device.
fn of(list: &[(Device, Access)], device: Device) -> Option<Access> {
    list.iter()
        .find(|(known, _)| *known == device)
        .map(|(_, access)| *access)
}

fn access_of(rule: &DeviceRule) -> Option<Access> {
    match rule.access.as_deref() {
        None | Some("") => Some(Access::ALL),
        Some(text) => Access::parse(text),
    }
}

/// -1 is how Go tools write "every number".
fn number(value: Option<i64>) -> std::result::Result<Option<u32>, ()> {
    match value {
        None | Some(-1) => Ok(None),
        Some(n) => u32::try_from(n).map(Some).map_err(|_| ()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
