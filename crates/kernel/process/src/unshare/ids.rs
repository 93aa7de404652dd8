//! Which ids there are in a new user namespace: the own ones by themselves, ranges of others from outside.

use super::outside::Outside;
use crate::procfs::Procfs;
use crate::rootless;
use crate::user_namespace::write_maps;
use rustix::process::{getegid, geteuid, getppid};
use std::ffi::CStr;
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::IdMapping;

/// The ids of a new user namespace.
#[derive(Clone, Debug, Default)]
pub struct IdMaps {
    /// What the own user is inside.
    pub user: Option<u32>,
    /// What the own group is inside.
    pub group: Option<u32>,
    /// Other users.
    pub users: Vec<IdRange>,
    /// Other groups.
    pub groups: Vec<IdRange>,
    /// Whether setgroups(2) is allowed; as the kernel has it where nobody says.
    pub set_groups: Option<bool>,
}

/// Consecutive ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// The first inside; from 0 on, around the own one, where it is not said.
    pub inside: Option<u32>,
    /// The first outside.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// Who this process is outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    user: u32,
    group: u32,
}

impl Own {
    pub(super) fn current() -> Own {
        Own {
            user: geteuid().as_raw(),
            group: getegid().as_raw(),
        }
    }
}

impl IdMaps {
    /// Who maps ranges, where there are some: the own id is then among them.
    pub(super) fn mapper(&self, own: Own) -> Result<Option<Outside>> {
        let users = whole(self.user, own.user, &self.users);
        let groups = whole(self.group, own.group, &self.groups);
        Outside::start_if(!users.is_empty() || !groups.is_empty(), || match getppid() {
            Some(parent) => write_maps(parent, &users, &groups),
            None => Err(Error::new(Kind::Unavailable, "map ids", "").because("the process has ended")),
        })
    }

    /// Maps the own ids alone, from inside.
    pub(super) fn write_own(&self, own: Own) -> Result<()> {
        let line = |inside: u32, outside: u32| format!("{inside} {outside} 1");
        if let Some(user) = self.user.filter(|_| self.users.is_empty()) {
            write(c"uid_map", &line(user, own.user))?;
        }
        let mut set_groups = self.set_groups;
        if let Some(group) = self.group.filter(|_| self.groups.is_empty()) {
            // An ordinary user could drop a group that takes rights away (user_namespaces(7), Linux 3.19).
            write(c"setgroups", "deny")?;
            write(c"gid_map", &line(group, own.group))?;
            set_groups = None;
        }
        match set_groups {
            None => Ok(()),
            Some(true) => write(c"setgroups", "allow"),
            Some(false) => write(c"setgroups", "deny"),
        }
    }
}

fn write(name: &CStr, text: &str) -> Result<()> {
    Procfs::open()
        .and_then(|procfs| procfs.write_own(name, text.as_bytes()))
        .op("write", format!("/proc/self/{}", name.to_string_lossy()))
}

/// Ranges with the own id among them; nothing where there is no range.
fn whole(inside: Option<u32>, own: u32, ranges: &[IdRange]) -> Vec<IdMapping> {
    let line = |container_id: u32, host_id: u32, size: u32| IdMapping {
        container_id,
        host_id,
        size,
    };
    let mut lines = Vec::new();
    if ranges.is_empty() {
        return lines;
    }
    lines.extend(inside.map(|inside| line(inside, own, 1)));
    for range in ranges {
        let first = range.inside.unwrap_or(0);
        let hole = inside.and_then(|inside| inside.checked_sub(first));
        let Some(before) = hole.filter(|before| *before < range.count) else {
            lines.push(line(first, range.outside, range.count));
            continue;
        };
        // The range loses one of its ids to the own one, as util-linux has it.
        let after = range.count - before - 1;
        lines.push(line(first, range.outside, before));
        lines.push(line(
            first.saturating_add(before).saturating_add(1),
            range.outside.saturating_add(before),
            after,
        ));
    }
    lines.retain(|line| line.size > 0);
    lines
}

/// The first range of subordinate ids of this user in `/etc/subuid` or `/etc/subgid`.
///
/// # Errors
/// `NotFound` where there is none.
pub fn first_subordinate(file: &str) -> Result<IdRange> {
    let uid = geteuid().as_raw();
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let name = rootless::user_name(&read("/etc/passwd"), uid);
    let ranges = rootless::subordinate(&read(file), uid, name.as_deref());
    let (outside, count) = ranges.first().copied().ok_or_else(|| {
        Error::new(Kind::NotFound, "map ids by", file)
            .because("it has no range for this user")
            .hint(format!(
                "add a line, as in {}:100000:65536",
                name.unwrap_or_default()
            ))
    })?;
    Ok(IdRange {
        inside: None,
        outside,
        count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_id_has_its_place_among_others() {
        let range = |inside, outside, count| IdRange {
            inside,
            outside,
            count,
        };
        for (inside, ranges, lines) in [
            (Some(0), &[][..], &[][..]),
            (None, &[range(None, 100, 10)], &[(0, 100, 10)]),
            (Some(0), &[range(None, 100, 10)], &[(0, 7, 1), (1, 100, 9)]),
            (
                Some(4),
                &[range(None, 100, 10)],
                &[(4, 7, 1), (0, 100, 4), (5, 104, 5)],
            ),
            (Some(50), &[range(None, 100, 10)], &[(50, 7, 1), (0, 100, 10)]),
            (Some(0), &[range(Some(0), 100, 10)], &[(0, 7, 1), (1, 100, 9)]),
            (Some(0), &[range(Some(5), 100, 10)], &[(0, 7, 1), (5, 100, 10)]),
            (Some(0), &[range(Some(0), 100, 1)], &[(0, 7, 1)]),
        ] {
            let made = whole(inside, 7, ranges);
            let made: Vec<_> = made.iter().map(|m| (m.container_id, m.host_id, m.size)).collect();
            assert_eq!(made, lines, "{inside:?} {ranges:?}");
        }
    }
}
