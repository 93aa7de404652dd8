//! Whether groups are frozen, asked of many by few system calls.

use crate::dir::Dir;
use crate::host::{Controller, Host, Version};
use rustix::io::Errno;
use std::path::Path;
use tare_error::{Context, Result};

/// The groups of this thread.
const OWN: &str = "/proc/thread-self/cgroup";
/// No list of them is longer.
const OWN_MOST: usize = 1 << 20;

/// The trees in which groups are frozen, held open.
#[derive(Debug)]
pub struct Freezers {
    unified: Option<Dir>,
    v1: Option<Dir>,
}

impl Freezers {
    /// Opens them: where they usually are, as far as this process is in such a tree; else by the table of mounts, which has four
    /// lines for each container of some engines.
    ///
    /// # Errors
    /// The kernel's, and those of [`Host::current`].
    pub fn current() -> Result<Freezers> {
        let own = tare_store::read(OWN, OWN_MOST).op("read", OWN)?;
        match Freezers::usual(&String::from_utf8_lossy(&own)) {
            Some(found) => Ok(found),
            None => Freezers::open(&Host::current()?),
        }
    }

    /// In the places that systemd and its like have for them. None where one is missing there that `own`, the groups of a process
    /// ("cgroups(7)", `/proc/[pid]/cgroup`), has a line for.
    fn usual(own: &str) -> Option<Freezers> {
        let lists = || own.lines().filter_map(|line| line.split(':').nth(1));
        let has_v1 = lists().any(|list| list.split(',').any(|name| name == Controller::Freezer.v1_name()));
        let find = |places: &[&str], version| {
            let mut places = places.iter();
            places.find_map(|place| Dir::open_usual(Path::new(place), version))
        };
        // Wanted and not found there is another thing than not wanted.
        Some(Freezers {
            v1: match has_v1 {
                true => Some(find(&["/sys/fs/cgroup/freezer"], Version::V1)?),
                false => None,
            },
            unified: match lists().any(str::is_empty) {
                true => Some(find(&["/sys/fs/cgroup/unified", "/sys/fs/cgroup"], Version::V2)?),
                false => None,
            },
        })
    }

    /// Opens them by what is known of the machine.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(host: &Host) -> Result<Freezers> {
        let find = |wanted: &dyn Fn(&crate::host::Hierarchy) -> bool| {
            let tree = host.hierarchies.iter().find(|tree| wanted(tree));
            tree.map(|tree| Dir::open_mount(&tree.mount_point).op("open", tree.mount_point.display()))
                .transpose()
        };
        Ok(Freezers {
            unified: find(&|tree| tree.version == Version::V2)?,
            v1: find(&|tree| tree.controllers.contains(&Controller::Freezer))?,
        })
    }

    /// Whether the group of this path below the mounts was told to freeze; one that is gone is not. Three system calls in each tree.
    ///
    /// # Errors
    /// The kernel's.
    pub fn is_frozen(&self, group: &str) -> Result<bool> {
        let group = group.trim_matches('/');
        let read = |dir: &Option<Dir>, file: &str| match dir {
            None => Ok(None),
            Some(dir) => match dir.word_below(&format!("{group}/{file}")) {
                Err(Errno::NOENT | Errno::NOTDIR | Errno::NODEV) => Ok(None),
                text => text.op("read the freezer of", group).map(Some),
            },
        };
        if read(&self.v1, "freezer.state")?.is_some_and(|state| state != "THAWED") {
            return Ok(true);
        }
        Ok(read(&self.unified, "cgroup.freeze")?.is_some_and(|text| text == "1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_places_hold_what_the_table_of_mounts_says() {
        let Ok(host) = Host::current() else { return };
        let (table, usual) = (Freezers::open(&host).unwrap(), Freezers::current().unwrap());
        assert_eq!(usual.v1.is_some(), table.v1.is_some());
        assert_eq!(usual.unified.is_some(), table.unified.is_some());
    }

    #[test]
    fn what_has_no_line_is_not_looked_for() {
        let none = Freezers::usual("5:cpu,cpuacct:/\n1:name=systemd:/\n").unwrap();
        assert!(none.v1.is_none() && none.unified.is_none());
    }
}
