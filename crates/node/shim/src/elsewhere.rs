//! What is on record of a container that another runtime has made, for who wants to look at it without asking its supervisor.

use crate::own::foreign_home;
use crate::supervisor::foreign_record;
use std::path::{Path, PathBuf};
use tare_error::Result;

/// A container of another runtime's, as it is on record and the kernel confirms it.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    /// Its folder, where `exit.json` is once it has ended.
    pub folder: PathBuf,
    /// Whether its first process lives; nothing where that is no process of this machine's, as far as anybody knows: a shim
    /// has it, in a machine of its own say.
    pub lives: Option<bool>,
    /// Its first process, where it lives.
    pub pid: Option<i32>,
    /// Its cgroup.
    pub group: Option<String>,
    /// When it was started (RFC 3339); nothing before.
    pub since: Option<String>,
    /// Its shim was told to hold it still.
    pub paused: bool,
}

impl Elsewhere {
    /// The one of this id, of those whose own library's containers are in `containers`; none where there is none.
    ///
    /// # Errors
    /// The kernel's; `Corrupt` for a record that is none.
    pub fn find(containers: &Path, id: &str) -> Result<Option<Elsewhere>> {
        let Some(record) = foreign_record(&foreign_home(containers), id)? else {
            return Ok(None);
        };
        let lives = record.init.as_ref().map(tare_process::Stamp::runs).transpose()?;
        let init = record.init.as_ref().filter(|_| lives == Some(true));
        Ok(Some(Elsewhere {
            folder: record.folder().to_owned(),
            pid: init.map(|init| init.pid),
            lives: match &record.shim {
                Some(_) => lives,
                None => Some(lives == Some(true)),
            },
            group: record.group.clone(),
            since: record.since.clone(),
            paused: record.paused,
        }))
    }
}
