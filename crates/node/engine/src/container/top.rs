//! The processes of a container, and what it uses: from procfs and its cgroup, nothing of its own is executed or asked. Only where a
//! shim has it in a machine of its own, that is asked.

use super::list::Listed;
use crate::Engine;
use std::collections::{BTreeMap, BTreeSet};
use tare_cgroup::{Group, GroupPath, Host, Pressure, Usage};
use tare_error::{Error, Kind, Result};
use tare_lifecycle::{Container, ContainerId, Home};
use tare_shim::{Connection, Elsewhere};

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

/// Who knows of a container that runs.
enum Known {
    /// The library.
    Own(Box<Container>),
    /// This machine's kernel, as another runtime has made it here.
    Here(Elsewhere),
    /// Its shim alone, as its processes are none of this machine's.
    Elsewhere,
}

impl Engine {
    /// The processes of a container that runs. Of those that only its shim knows there is no more than the number that this has
    /// for them.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` where it does not run; the shim's.
    pub fn top(&self, typed: &str) -> Result<Vec<ProcessLine>> {
        let listed = self.container(typed)?;
        let pids = match self.who_knows("list processes of", &listed)? {
            Known::Own(container) => match container.group()? {
                Some(_) => container.processes()?,
                None => descendants(container.pid()?.unwrap_or(0)),
            },
            Known::Here(found) => match group_of(&found) {
                Some(group) => group
                    .processes()?
                    .into_iter()
                    .map(|pid| pid.as_raw_pid())
                    .collect(),
                None => descendants(found.pid.unwrap_or(0)),
            },
            Known::Elsewhere => {
                let told = self.ask(&listed, |connection, id| connection.processes(id))?;
                return Ok(told.unwrap_or_default().into_iter().map(nameless).collect());
            }
        };
        // One that ends meanwhile is none.
        Ok(pids.into_iter().filter_map(process).collect())
    }

    /// What a container uses; nothing where it does not run.
    ///
    /// # Errors
    /// The kernel's; the shim's, where only that knows.
    pub fn sample(&self, listed: &Listed) -> Result<Option<Sample>> {
        if !listed.status.lives() {
            return Ok(None);
        }
        let group = match self.who_knows("look at", listed)? {
            Known::Own(container) => container.group()?,
            Known::Here(found) => group_of(&found),
            Known::Elsewhere => {
                let usage = self.ask(listed, |connection, id| connection.usage(id))?;
                return Ok(usage.map(|usage| Sample {
                    usage: Some(usage),
                    ..Sample::default()
                }));
            }
        };
        Ok(Some(Sample {
            usage: group.as_ref().map(Group::usage),
            pressure: group.map(|group| group.pressure()).unwrap_or_default(),
            network: listed.pid.and_then(network),
        }))
    }

    fn who_knows(&self, operation: &'static str, listed: &Listed) -> Result<Known> {
        let name = &listed.record.name;
        if !listed.status.lives() {
            return Err(Error::new(Kind::Conflict, operation, name)
                .because("it is not running")
                .hint(format!("`tare start {name}` starts it")));
        }
        let home = Home::at(self.runtime_folders());
        match home.container(&ContainerId::parse(&listed.record.id)?) {
            Err(e) if e.kind() == Kind::NotFound => {}
            container => return container.map(Box::new).map(Known::Own),
        }
        match Elsewhere::find(&self.runtime_folders(), &listed.record.id)? {
            Some(found) if found.pid.is_some() => Ok(Known::Here(found)),
            _ => Ok(Known::Elsewhere),
        }
    }

    /// Asks a container's supervisor; nothing where that is gone.
    fn ask<T>(
        &self,
        listed: &Listed,
        ask: impl FnOnce(&mut Connection, &str) -> Result<T>,
    ) -> Result<Option<T>> {
        let id = &listed.record.id;
        match self.find_supervisor(id)? {
            Some(mut found) => ask(&mut found.connection, id).map(Some),
            None => Ok(None),
        }
    }

    /// Whether the processes of a container that runs are none of this machine's, as far as anybody knows: what procfs says of
    /// their numbers is about others.
    pub(super) fn runs_elsewhere(&self, id: &str) -> Result<bool> {
        let found = Elsewhere::find(&self.runtime_folders(), id)?;
        Ok(found.is_some_and(|found| found.lives.is_none()))
    }
}

/// The cgroup of a container that another runtime has made.
fn group_of(found: &Elsewhere) -> Option<Group> {
    let path = GroupPath::parse(found.group.as_deref()?).ok()?;
    Group::open(&Host::current().ok()?, &path).ok()
}

/// A process of which only its number is known.
fn nameless(pid: u32) -> ProcessLine {
    ProcessLine {
        pid: i32::try_from(pid).unwrap_or(0),
        command: "?".to_owned(),
        ..ProcessLine::default()
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
