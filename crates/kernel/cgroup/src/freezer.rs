//! Whether groups are frozen, asked of many by few system calls.

use crate::dir::Dir;
use crate::host::{Controller, Host, Version};
use rustix::io::Errno;
use tare_error::{Context, Result};

/// The trees in which groups are frozen, held open.
#[derive(Debug)]
pub struct Freezers {
    unified: Option<Dir>,
    v1: Option<Dir>,
}

impl Freezers {
    /// Opens them.
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

    /// Whether the group of this path below the mounts was told to freeze; one that is gone is not. Four system calls in each tree.
    ///
    /// # Errors
    /// The kernel's.
    pub fn is_frozen(&self, group: &str) -> Result<bool> {
        let group = group.trim_matches('/');
        let read = |dir: &Option<Dir>, file: &str| match dir {
            None => Ok(None),
            Some(dir) => match dir.read_below(&format!("{group}/{file}")) {
                Err(Errno::NOENT | Errno::NOTDIR | Errno::NODEV) => Ok(None),
                text => text.op("read the freezer of", group).map(Some),
            },
        };
        if read(&self.v1, "freezer.state")?.is_some_and(|state| state.trim() != "THAWED") {
            return Ok(true);
        }
        Ok(read(&self.unified, "cgroup.freeze")?.is_some_and(|text| text.trim() == "1"))
    }
}
