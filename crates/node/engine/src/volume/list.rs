//! Volumes for people: which there are, and each in full.

use crate::Engine;
use crate::container::request::{DRIVER, VolumeOptions};
use crate::records::volumes::{self, VolumeRecord};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tare_error::{Error, Kind, Result};

/// A volume, and who uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// What was asked for.
    pub record: VolumeRecord,
    /// Ids of the containers that mount it.
    pub users: Vec<String>,
    /// Where its files are.
    pub path: PathBuf,
}

impl Volume {
    /// The bytes that it takes; none where somebody has mounted something at it or in it. That is not on our disk, and may not
    /// answer.
    pub(crate) fn measure(&self) -> u64 {
        // As the kernel names it.
        let named = |folder: std::fs::File| {
            std::fs::read_link(format!(
                "/proc/self/fd/{}",
                std::os::fd::AsRawFd::as_raw_fd(&folder)
            ))
        };
        let folder = self.path.parent().map_or(Path::new("/"), |parent| parent);
        let folder = std::fs::File::open(folder).and_then(named).ok();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        if folder.is_none_or(|folder| has_mount(&mounts, &folder)) {
            return 0;
        }
        tare_snapshot::measure(&self.path).map_or(0, |usage| usage.bytes)
    }
}

/// Whether something is mounted below a folder, in the text of `mountinfo` (proc_pid_mountinfo(5)).
fn has_mount(mounts: &str, folder: &Path) -> bool {
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    // A volume's name has no character that is escaped there; what is above it may have.
    points
        .map(|point| {
            point
                .replace("\\040", " ")
                .replace("\\011", "\t")
                .replace("\\134", "\\")
        })
        .any(|point| Path::new(&point).starts_with(folder) && Path::new(&point) != folder)
}

/// Which volumes are meant: all of these have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeFilter {
    /// Whether nobody uses it.
    pub dangling: Option<bool>,
    /// A part of its name, any of these.
    pub names: Vec<String>,
    /// Labels that it has: the key, and the value where one is given.
    pub labels: Vec<(String, Option<String>)>,
    /// Labels that it has not.
    pub no_labels: Vec<(String, Option<String>)>,
    /// Whether nobody named it.
    pub anonymous: Option<bool>,
    /// Another driver than ours: no volume has it.
    pub foreign: bool,
}

impl VolumeFilter {
    /// Reads one `KEY=VALUE` more: `dangling`, `name`, `label`, `label!`, `driver`, `all`.
    ///
    /// # Errors
    /// `Invalid` for another key or a bad value.
    pub fn apply(&mut self, text: &str) -> Result<()> {
        let invalid = |why: &str| {
            Error::new(Kind::Invalid, "read filter", format!("{text:?}"))
                .because(why)
                .hint("the filters are dangling=true, driver=NAME, label=KEY[=VALUE], label!=KEY[=VALUE] and name=PART")
        };
        let (key, value) = text.split_once('=').ok_or_else(|| invalid("it has no ="))?;
        let label = || match value.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (value.to_owned(), None),
        };
        let truth = || match value {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(invalid("it is true or false")),
        };
        match key {
            "dangling" => self.dangling = Some(truth()?),
            "all" => self.anonymous = if truth()? { None } else { Some(true) },
            "name" => self.names.push(value.to_owned()),
            "label" => self.labels.push(label()),
            "label!" => self.no_labels.push(label()),
            "driver" => self.foreign |= value != DRIVER,
            _ => return Err(invalid("there is no such filter")),
        }
        Ok(())
    }

    /// Whether this volume is meant.
    pub fn takes(&self, volume: &Volume) -> bool {
        let record = &volume.record;
        let has = |(key, value): &(String, Option<String>)| {
            let matches =
                |(k, v): &(String, String)| k == key && value.as_ref().is_none_or(|value| value == v);
            record.labels.iter().any(matches)
        };
        !self.foreign
            && self
                .dangling
                .is_none_or(|wanted| volume.users.is_empty() == wanted)
            && self.anonymous.is_none_or(|wanted| record.anonymous == wanted)
            && (self.names.is_empty() || self.names.iter().any(|part| record.name.contains(part)))
            && self.labels.iter().all(has)
            && !self.no_labels.iter().any(has)
    }
}

impl Volume {
    /// In the form of docker's `volume inspect`.
    pub fn in_full(&self) -> Value {
        let record = &self.record;
        let labels: BTreeMap<&String, &String> =
            record.labels.iter().map(|(key, value)| (key, value)).collect();
        let options = VolumeOptions {
            uid: record.uid,
            gid: record.gid,
            mode: record.mode,
        };
        let created = tare_logs::Moment {
            seconds: record.created,
            nanoseconds: 0,
        };
        json!({
            "CreatedAt": created.to_string(),
            "Driver": DRIVER,
            "Labels": labels,
            "Mountpoint": self.path,
            "Name": record.name,
            "Options": options.shown(),
            "Scope": "local",
        })
    }
}

impl Engine {
    /// All volumes that are meant, by name.
    ///
    /// # Errors
    /// The database's.
    pub fn volumes(&self, filter: &VolumeFilter) -> Result<Vec<Volume>> {
        let records = self.records().read("list volumes", |tx| {
            let with_users = |record: VolumeRecord| Ok((volumes::users(tx, &record.name)?, record));
            volumes::all(tx)?
                .into_iter()
                .map(with_users)
                .collect::<Result<Vec<_>>>()
        })?;
        let whole = records.into_iter().map(|(users, record)| Volume {
            path: self.volume_data(&record.name),
            record,
            users,
        });
        Ok(whole.filter(|volume| filter.takes(volume)).collect())
    }

    /// One volume.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn volume(&self, name: &str) -> Result<Volume> {
        let record = self.volume_record(name)?;
        let users = self
            .records()
            .read("read volume", |tx| volumes::users(tx, name))?;
        Ok(Volume {
            path: self.volume_data(name),
            record,
            users,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_a_folder_are_seen() {
        let mounts = "36 35 98:0 / /d\\040x/volumes/a/_data rw - nfs s rw\n37 35 98:0 / /d/volumes/ab rw - ext4 s rw\n";
        for (folder, has) in [
            ("/d x/volumes/a", true),
            ("/d x/volumes/b", false),
            ("/d/volumes/a", false),
            ("/d/volumes/ab", false),
        ] {
            assert_eq!(has_mount(mounts, Path::new(folder)), has, "{folder}");
        }
    }
}
