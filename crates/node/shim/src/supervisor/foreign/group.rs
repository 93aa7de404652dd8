//! The cgroup of a foreign container: where its first process is when it was made.

use tare_cgroup::{Group, GroupPath, Host};
use tare_error::{Context, Result};
use tare_spec_containerd::task::StatsResponse;

/// The longest list of a process's groups.
const LONGEST: usize = 64 * 1024;
/// The hierarchies of version 1 by whose name for the group all are opened.
const FIRST: [&str; 3] = ["memory", "pids", "freezer"];

/// The group of a process; none where it has none of its own, but is where this process is, or above.
pub(super) fn of(pid: i32) -> Result<Option<Group>> {
    let own = named(&lines("self")?);
    let Some(path) = named(&lines(&pid.to_string())?) else {
        return Ok(None);
    };
    let contains = |above: &str, below: &str| {
        below
            .strip_prefix(above)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if path == "/" || own.is_some_and(|own| contains(&path, &own)) {
        return Ok(None);
    }
    Group::open(&Host::current()?, &GroupPath::parse(&path)?).map(Some)
}

/// Opens the group of a record; none where it is gone.
pub(super) fn open(path: Option<&str>) -> Option<Group> {
    let path = GroupPath::parse(path?).ok()?;
    Group::open(&Host::current().ok()?, &path).ok()
}

/// What the group has used.
pub(super) fn stats(group: &Group) -> StatsResponse {
    StatsResponse {
        stats: Some(crate::supervisor::stats::metrics(&group.usage())),
    }
}

fn lines(process: &str) -> Result<String> {
    let path = format!("/proc/{process}/cgroup");
    let text = tare_store::read(&path, LONGEST).op("read", &path)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The name of the group in the list of a process (cgroups(7)): that of version 1, where that has one.
fn named(text: &str) -> Option<String> {
    let lines: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.split_once(':')?.1.split_once(':'))
        .collect();
    let of = |controller: &str| {
        let has = |list: &str| list.split(',').any(|name| name == controller);
        lines.iter().find(|(list, _)| has(list)).map(|(_, path)| *path)
    };
    let found = FIRST
        .iter()
        .find_map(|controller| of(controller))
        .or_else(|| of(""));
    found.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_named_by_what_limits_it() {
        for (text, expected) in [
            ("0::/a/b\n", Some("/a/b")),
            ("9:memory:/m\n3:cpu,cpuacct:/c\n0::/\n", Some("/m")),
            ("9:cpu,pids:/p:q\n0::/\n", Some("/p:q")),
            ("", None),
        ] {
            assert_eq!(named(text).as_deref(), expected, "{text:?}");
        }
    }
}
