//! Memory as the kernel counted it, for a group and all groups above it: which limit was hit, and who was killed.

use crate::dir::{Dir, find_key};
use crate::group::{Group, Member};
use crate::host::{Controller, Version};
use serde::{Deserialize, Serialize};
use tare_error::{Context, Result};

/// Version 1 says "no limit" by the largest number of whole pages; page sizes go up to 64 KiB.
const V1_NO_LIMIT: u64 = 0x7fff_ffff_ffff_0000;

/// How close to a limit a peak stands when the limit was hit: the kernel charges up to 64 pages at once.
const NEAR: u64 = 64 * 4096;

/// A group and those above it, nearest first, as far as the mount shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryReport {
    /// The version that accounts memory here; none where nothing does.
    pub version: Option<Version>,
    /// The group itself first, the root of the mount last.
    pub groups: Vec<GroupMemory>,
}

/// The memory of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMemory {
    /// Its path below the mount; `/` is the root of the mount.
    pub group: String,
    /// Its own limit in bytes; none where it has none.
    pub limit: Option<u64>,
    /// Its own limit in bytes of memory and swap together, where there is one.
    pub swap_limit: Option<u64>,
    /// Bytes in use now.
    pub usage: Option<u64>,
    /// The most that was ever in use (version 2: Linux 5.19).
    pub peak: Option<u64>,
    /// How often its own limit stood in the way: version 2 `oom` of `memory.events.local`, which is exact; version 1
    /// `memory.failcnt`, which also counts where reclaim then found memory, and stays 0 on Linux 6.18 (observed).
    pub limit_hits: u64,
    /// Processes killed for memory in this group; of the group reported on, in groups below it too.
    pub kills: u64,
}

/// A kill for lack of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OomKill {
    /// How many processes were killed in the group.
    pub kills: u64,
    /// The group whose limit was hit; none where it was no limit we can see, but the machine or a group outside.
    pub group: Option<String>,
    /// That limit in bytes.
    pub limit: Option<u64>,
}

impl MemoryReport {
    /// Where nothing accounts memory.
    fn of_nothing() -> MemoryReport {
        MemoryReport {
            version: None,
            groups: Vec::new(),
        }
    }

    /// What was killed in the group since `before`, and by whose limit. An older count blames nobody.
    ///
    /// With no earlier report, everything counts since the group was made, and no group above is blamed.
    ///
    /// Version 2 says exactly whose limit it was. Version 1 does not: there a limit counts as hit when its fail count
    /// rose, or when the group's peak came to stand at it since `before`; of the group itself, when it stands there
    /// at all. So a kill by a group above that had stood at its limit before is reported without a group.
    pub fn since(&self, before: Option<&MemoryReport>) -> Option<OomKill> {
        let own = self.groups.first()?;
        let earlier = |group: &GroupMemory| before?.groups.iter().find(|other| other.group == group.group);
        let old_kills = earlier(own).map_or(0, |earlier| earlier.kills);
        let kills = own.kills.checked_sub(old_kills).filter(|kills| *kills > 0)?;
        let peaks_tell = self.version == Some(Version::V1);
        let was_hit = |group: &&GroupMemory| {
            let is_own = group.group == own.group;
            let rose = match earlier(group) {
                Some(earlier) => {
                    group.limit_hits > earlier.limit_hits
                        || peaks_tell && group.stood_at_limit() && (is_own || earlier.stood_below_limit())
                }
                None => is_own && (group.limit_hits > 0 || peaks_tell && group.stood_at_limit()),
            };
            rose && group.lowest_limit().is_some()
        };
        let holder = self.groups.iter().find(was_hit);
        Some(OomKill {
            kills,
            group: holder.map(|group| group.group.clone()),
            limit: holder.and_then(|group| group.limit.or(group.swap_limit)),
        })
    }
}

impl GroupMemory {
    fn lowest_limit(&self) -> Option<u64> {
        self.limit.into_iter().chain(self.swap_limit).min()
    }

    fn stood_at_limit(&self) -> bool {
        let peak = self.peak.zip(self.lowest_limit());
        peak.is_some_and(|(peak, limit)| peak.saturating_add(NEAR) >= limit)
    }

    /// It had a limit, and room below it.
    fn stood_below_limit(&self) -> bool {
        self.peak.is_some() && self.lowest_limit().is_some() && !self.stood_at_limit()
    }
}

impl Group {
    /// Reads limits and counts of the group and of all groups above it. Read it once before the group's first
    /// process starts and once after its last has ended, and compare ([`MemoryReport::since`]).
    ///
    /// A report without groups says that nothing accounts memory here.
    ///
    /// # Errors
    /// The kernel's.
    pub fn memory_report(&self) -> Result<MemoryReport> {
        let Some(member) = self.memory_member() else {
            return Ok(MemoryReport::of_nothing());
        };
        let mut own = read(&member.dir, member.version);
        own.group = self.path.to_string();
        own.kills = kills_in(member).op("read", COUNTS)?;
        let mut report = self.report_above(member, read)?;
        report.groups.insert(0, own);
        Ok(report)
    }

    /// The first of the two reports for a group that is new: nothing was counted in it, and of those above only the ones with
    /// a limit can be blamed. A fifth of what [`Group::memory_report`] reads, for every container that starts.
    ///
    /// # Errors
    /// The kernel's.
    pub fn memory_before(&self) -> Result<MemoryReport> {
        match self.memory_member() {
            Some(member) => self.report_above(member, read_limited),
            None => Ok(MemoryReport::of_nothing()),
        }
    }

    /// How many processes were killed for memory in the group and below it; none where nothing accounts it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn memory_kills(&self) -> Result<Option<u64>> {
        let kills = self.memory_member().map(kills_in).transpose();
        kills.op("read", COUNTS)
    }

    /// The group in the hierarchy that accounts memory.
    fn memory_member(&self) -> Option<&Member> {
        let v2 = || self.v2().filter(|member| member.dir.has("memory.current"));
        self.v1(Controller::Memory).or_else(v2)
    }

    /// The groups above this one, nearest first.
    fn report_above(
        &self,
        member: &Member,
        read: impl Fn(&Dir, Version) -> GroupMemory,
    ) -> Result<MemoryReport> {
        let mut groups = Vec::new();
        let mut path = self.path.parent();
        let mut dir = member.dir.above().op("read", COUNTS)?;
        loop {
            let shown = path.as_ref().map_or_else(|| "/".to_owned(), ToString::to_string);
            groups.push(GroupMemory {
                group: shown,
                ..read(&dir, member.version)
            });
            let Some(here) = path else { break };
            path = here.parent();
            dir = dir.above().op("read", COUNTS)?;
        }
        Ok(MemoryReport {
            version: Some(member.version),
            groups,
        })
    }
}

/// What is read, for errors.
const COUNTS: &str = "the memory counts of";

/// As [`read`], but of a group without limits nothing else.
fn read_limited(dir: &Dir, version: Version) -> GroupMemory {
    let files: &[&str] = match version {
        Version::V1 => &["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"],
        Version::V2 => &["memory.max"],
    };
    let is_limit = |text: String| text.trim().parse().is_ok_and(|bytes: u64| bytes < V1_NO_LIMIT);
    match files.iter().any(|file| dir.read(file).is_ok_and(is_limit)) {
        true => read(dir, version),
        false => GroupMemory::default(),
    }
}

fn read(dir: &Dir, version: Version) -> GroupMemory {
    let number = |file: &str| dir.read(file).ok()?.trim().parse::<u64>().ok();
    let key = |file: &str, key: &str| dir.read_key(file, key).ok().flatten();
    match version {
        Version::V1 => {
            let limit = |file: &str| number(file).filter(|bytes| *bytes < V1_NO_LIMIT);
            GroupMemory {
                group: String::new(),
                limit: limit("memory.limit_in_bytes"),
                swap_limit: limit("memory.memsw.limit_in_bytes"),
                usage: number("memory.usage_in_bytes"),
                peak: number("memory.max_usage_in_bytes"),
                limit_hits: number("memory.failcnt").unwrap_or(0)
                    + number("memory.memsw.failcnt").unwrap_or(0),
                kills: key("memory.oom_control", "oom_kill").unwrap_or(0),
            }
        }
        Version::V2 => {
            let limit = number("memory.max");
            GroupMemory {
                group: String::new(),
                limit,
                swap_limit: limit
                    .zip(number("memory.swap.max"))
                    .map(|(memory, swap)| memory.saturating_add(swap)),
                usage: number("memory.current"),
                peak: number("memory.peak"),
                limit_hits: key("memory.events.local", "oom").unwrap_or(0),
                kills: key("memory.events", "oom_kill").unwrap_or(0),
            }
        }
    }
}

/// Kills in a group and below it. Version 1 counts a kill in the victim's own group alone; version 2 in all groups above it
/// too.
fn kills_in(member: &Member) -> rustix::io::Result<u64> {
    let count = |text: &str| find_key(text, "oom_kill").unwrap_or(0);
    if member.version == Version::V2 {
        return Ok(member.dir.read("memory.events").map_or(0, |text| count(&text)));
    }
    let mut kills = member
        .dir
        .read("memory.oom_control")
        .map_or(0, |text| count(&text));
    if !member.dir.has_children()? {
        return Ok(kills);
    }
    for path in member.descendants()? {
        if let Ok(text) = member
            .dir
            .open_below(&path)
            .and_then(|dir| dir.read("memory.oom_control"))
        {
            kills += count(&text);
        }
    }
    Ok(kills)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(group: &str, limit: Option<u64>, limit_hits: u64, kills: u64) -> GroupMemory {
        GroupMemory {
            group: group.to_owned(),
            limit,
            limit_hits,
            kills,
            ..GroupMemory::default()
        }
    }

    /// Limits 64 of the group, 128 of the one above; hits and kills as given for group, above, root.
    fn counts(own: (u64, u64), above: (u64, u64), root: (u64, u64)) -> MemoryReport {
        MemoryReport {
            version: Some(Version::V2),
            groups: vec![
                group("/tare/web", Some(64), own.0, own.1),
                group("/tare", Some(128), above.0, above.1),
                group("/", None, root.0, root.1),
            ],
        }
    }

    /// As version 1 of a kernel that counts no hits: limits of 1 and 2 MiB, and peaks.
    fn peaks(own: u64, above: u64, kills: u64) -> MemoryReport {
        let mut groups = vec![
            group("/tare/web", Some(1 << 20), 0, kills),
            group("/tare", Some(2 << 20), 0, 0),
        ];
        for (group, peak) in groups.iter_mut().zip([own, above]) {
            group.peak = Some(peak);
        }
        MemoryReport {
            version: Some(Version::V1),
            groups,
        }
    }

    #[test]
    fn no_kill_no_blame() {
        assert_eq!(counts((9, 0), (9, 9), (9, 9)).since(None), None);
        let before = counts((9, 2), (0, 0), (0, 0));
        assert_eq!(counts((12, 2), (5, 7), (5, 7)).since(Some(&before)), None);
        assert_eq!(peaks(1 << 20, 2 << 20, 0).since(None), None);
    }

    #[test]
    fn the_nearest_limit_that_was_hit_is_named() {
        let before = counts((1, 1), (50, 3), (0, 0));
        let kill = counts((2, 3), (51, 3), (0, 0)).since(Some(&before)).unwrap();
        assert_eq!(
            kill,
            OomKill {
                kills: 2,
                group: Some("/tare/web".to_owned()),
                limit: Some(64)
            }
        );

        let kill = counts((1, 2), (51, 4), (0, 0)).since(Some(&before)).unwrap();
        assert_eq!(
            kill,
            OomKill {
                kills: 1,
                group: Some("/tare".to_owned()),
                limit: Some(128)
            }
        );
    }

    #[test]
    fn an_old_count_above_is_not_blamed() {
        let before = counts((0, 0), (50, 3), (0, 0));
        let kill = counts((0, 1), (50, 4), (3, 4)).since(Some(&before)).unwrap();
        assert_eq!(
            kill,
            OomKill {
                kills: 1,
                group: None,
                limit: None
            }
        );
        let kill = counts((0, 1), (50, 4), (0, 0)).since(None).unwrap();
        assert_eq!(kill.group, None);
        let kill = counts((1, 1), (50, 4), (0, 0)).since(None).unwrap();
        assert_eq!(kill.group.as_deref(), Some("/tare/web"));
    }

    #[test]
    fn without_counts_of_hits_the_peaks_tell() {
        let holder =
            |after: MemoryReport, before: Option<MemoryReport>| after.since(before.as_ref()).unwrap().group;
        let (low, own, above) = (1 << 18, (1 << 20) - 4096, 2 << 20);
        assert_eq!(holder(peaks(own, low, 1), None).as_deref(), Some("/tare/web"));
        assert_eq!(
            holder(peaks(own, low, 2), Some(peaks(own, low, 1))).as_deref(),
            Some("/tare/web")
        );
        assert_eq!(
            holder(peaks(low, above, 1), Some(peaks(low, low, 0))).as_deref(),
            Some("/tare")
        );
        // The one above stood there before: not certain, so not said.
        assert_eq!(holder(peaks(low, above, 1), Some(peaks(low, above, 0))), None);
        assert_eq!(holder(peaks(low, above, 1), None), None);
        // Version 2 counts exactly, and a peak of page cache alone is no hit.
        let mut after = peaks(own, low, 1);
        after.version = Some(Version::V2);
        assert_eq!(holder(after, None), None);
    }

    #[test]
    fn a_swap_limit_alone_is_a_limit() {
        let mut own = group("/web", None, 1, 1);
        own.swap_limit = Some(96);
        let report = MemoryReport {
            version: Some(Version::V2),
            groups: vec![own],
        };
        assert_eq!(report.since(None).unwrap().limit, Some(96));
    }
}
