//! A group below, handed to whoever lives in it (Documentation/admin-guide/cgroup-v2.rst, "Delegation").

use super::{Group, unsupported};
use crate::host::{Controller, Layout};
use rustix::process::Pid;
use tare_error::{Context, Error, Result};

/// The kernel's list of the files that belong to whom a group is handed.
const FILES: &str = "/sys/kernel/cgroup/delegate";

impl Group {
    /// Makes the group `name` below this one and moves `process` into it, alone until now in this group; gives it the
    /// controllers of this group, and to `owner` (user and group), where there is one. The limits stay here.
    ///
    /// # Errors
    /// `Unsupported` on version 1, where whoever owns a group can undo its limits; `Invalid` for more than one name, else
    /// the kernel's.
    pub fn delegate(&self, name: &str, process: Pid, owner: Option<(u32, u32)>) -> Result<()> {
        let Some(member) = self.v2().filter(|_| self.host.layout() == Layout::V2) else {
            return Err(unsupported("delegate", &self.path)
                .because("a group can be handed to a container on cgroup version 2 alone"));
        };
        let path = self.path.join(name)?;
        let of = |e| Error::os("delegate", &path, e);
        match member.dir.make(path.name()) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(e) => return Err(of(e)),
        }
        let below = member.dir.child(path.name()).map_err(of)?;
        let number = process.as_raw_nonzero().to_string();
        below
            .write("cgroup.procs", &number)
            .map_err(|e| self.file_error("move a process below", "cgroup.procs", e))?;
        // Nobody is left here, so its controllers can be given on.
        for controller in Controller::ALL.iter().filter(|c| !c.v2_name().is_empty()) {
            // What this group does not have itself it cannot give.
            let _ = member
                .dir
                .write("cgroup.subtree_control", &format!("+{}", controller.v2_name()));
        }
        let Some((user, group)) = owner else {
            return Ok(());
        };
        let files = std::fs::read_to_string(FILES).op("read", FILES)?;
        std::iter::once(".")
            .chain(files.lines())
            .try_for_each(|file| below.give(file, user, group))
            .map_err(of)
    }
}
