//! The processes of a container, and what it uses: from procfs and its cgroup, nothing of its own is executed or asked.

use super::list::Listed;
use crate::Engine;
use std::collections::{BTreeMap, BTreeSet};
use tare_cgroup::{Pressure, Usage};
use tare_error::{Error, Kind, Result};
use tare_lifecycle::{Container, ContainerId, Home};

/// The longest file of a process that is read.
const LONGEST: usize = 4096;

/// A process of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessLine {
    /// Its number on this machine.
    pub pid: i32,
    /// That of its parent.
    pub parent: i32,
    /// As whom it runs, on this machine.
    pub uid: u32,
    /// The major and minor number of its terminal; nothing where it has none.
    pub terminal: Option<(u32, u32)>,
    /// When it began, in clock ticks after the boot.
    pub start: u64,
    /// The processor time it has had, in clock ticks.
    pub time: u64,
    /// Its command line, or its name in brackets; without control characters.
    pub command: String,
}

/// What a container uses.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Of its cgroup; nothing where it has none of its own.
    pub usage: Option<Usage>,
    /// What stalls it.
    pub pressure: Pressure,
    /// Bytes that came and went over its interfaces, loopback aside.
    pub network: Option<(u64, u64)>,
}

impl Engine {
    /// The processes of a container that runs.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` where it does not run; `Unsupported` where another runtime looks after it.
    pub fn top(&self, typed: &str) -> Result<Vec<ProcessLine>> {
        let listed = self.container(typed)?;
        let container = self.library_container("list processes of", &listed)?;
        let pids = match container.group()? {
            Some(_) => container.processes()?,
            None => descendants(container.pid()?.unwrap_or(0)),
        };
        // One that ends meanwhile is none.
        Ok(pids.into_iter().filter_map(process).collect())
    }

    /// What a container uses; nothing where it does not run.
    ///
    /// # Errors
    /// The kernel's; `Unsupported` where another runtime looks after it.
    pub fn sample(&self, listed: &Listed) -> Result<Option<Sample>> {
        if !listed.status.lives() {
            return Ok(None);
        }
        let container = self.library_container("look at", listed)?;
        let group = container.group()?;
        Ok(Some(Sample {
            usage: group.as_ref().map(tare_cgroup::Group::usage),
            pressure: group.map(|group| group.pressure()).unwrap_or_default(),
            network: listed.pid.and_then(network),
        }))
    }

    fn library_container(&self, operation: &'static str, listed: &Listed) -> Result<Container> {
        let name = &listed.record.name;
        if !listed.status.lives() {
            return Err(Error::new(Kind::Conflict, operation, name)
                .because("it is not running")
                .hint(format!("`tare start {name}` starts it")));
        }
        let home = Home::at(self.runtime_folders());
        home.container(&ContainerId::parse(&listed.record.id)?)
            .map_err(|e| match e.kind() {
                Kind::NotFound => {
                    Error::new(Kind::Unsupported, operation, name).because("another runtime looks after it")
                }
                _ => e,
            })
    }
}

/// A process and all below it, by procfs: where there is no group to ask.
fn descendants(first: i32) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let parents: BTreeMap<i32, i32> = pids
        .filter_map(|pid| {
            let stat = stat(pid)?;
            Some((pid, field(&stat, 4)?))
        })
        .collect();
    let mut found = BTreeSet::from([first]);
    loop {
        let known = found.len();
        found.extend(
            parents
                .iter()
                .filter(|(_, parent)| found.contains(parent))
                .map(|(pid, _)| *pid)
                .collect::<Vec<_>>(),
        );
        if found.len() == known {
            return found
                .into_iter()
                .filter(|pid| parents.contains_key(pid))
                .collect();
        }
    }
}

fn stat(pid: i32) -> Option<String> {
    let bytes = tare_store::read(format!("/proc/{pid}/stat"), LONGEST).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A field by its number in proc_pid_stat(5); the name in field 2 may hold spaces and parentheses.
fn field<T: std::str::FromStr>(stat: &str, number: usize) -> Option<T> {
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn process(pid: i32) -> Option<ProcessLine> {
    let stat = stat(pid)?;
    let about = rustix::fs::stat(format!("/proc/{pid}")).ok()?;
    let line = tare_store::read(format!("/proc/{pid}/cmdline"), LONGEST).unwrap_or_default();
    let words: Vec<String> = line
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let name = stat
        .split_once('(')
        .and_then(|(_, rest)| rest.rsplit_once(')'))
        .map_or("", |(name, _)| name);
    let command = match words.join(" ").trim_end() {
        "" => format!("[{name}]"),
        command => command.to_owned(),
    };
    let terminal = field::<i64>(&stat, 7)
        .and_then(|device| u64::try_from(device).ok())
        .filter(|device| *device > 0);
    Some(ProcessLine {
        pid,
        parent: field(&stat, 4)?,
        uid: about.st_uid,
        terminal: terminal.map(|device| (rustix::fs::major(device), rustix::fs::minor(device))),
        start: field(&stat, 22)?,
        time: field::<u64>(&stat, 14)? + field::<u64>(&stat, 15)?,
        command: super::plain(&command),
    })
}

/// What went over a process's interfaces: proc_pid_net(5).
fn network(pid: i32) -> Option<(u64, u64)> {
    let table = tare_store::read(format!("/proc/{pid}/net/dev"), 1 << 20).ok()?;
    Some(traffic(&String::from_utf8_lossy(&table)))
}

fn traffic(table: &str) -> (u64, u64) {
    let lines = table.lines().filter_map(|line| line.split_once(':'));
    let counts = lines.filter(|(name, _)| name.trim() != "lo").map(|(_, numbers)| {
        let number = |at: usize| numbers.split_whitespace().nth(at)?.parse::<u64>().ok();
        (number(0).unwrap_or(0), number(8).unwrap_or(0))
    });
    counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_procfs_says_is_read_whatever_a_process_calls_itself() {
        let stat = "77 (x) R 1 (y) S 12 77 77 34816 77 4194560 1 2 3 4 150 50 0 0 20 0 1 0 4711 1 2";
        assert_eq!(field::<i32>(stat, 4), Some(12));
        assert_eq!(field::<u64>(stat, 22), Some(4711));
        assert_eq!(field::<u64>(stat, 14), Some(150));
        assert_eq!(field::<u64>("77 (x", 4), None);
        let own = i32::try_from(std::process::id()).unwrap();
        let line = process(own).unwrap();
        assert!(line.command.contains("tare_engine") && line.start > 0, "{line:?}");
        assert!(descendants(own).contains(&own));
        let table =
            "Inter-| Receive\n face |bytes\n    lo: 5 1 0 0 0 0 0 0 5 1\n  eth0:100 2 0 0 0 0 0 0 7 1\n";
        assert_eq!(traffic(table), (100, 7));
    }
}
