//! Volumes as `-v`, `--mount`, `--volumes-from` and `volume create` write them.

use super::{Name, invalid};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tare_error::{Error, Kind, Result};

/// A volume that is mounted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VolumeSource {
    /// Its name; absent: a new one that goes with its container.
    pub name: Option<Name>,
    /// Whether it stays empty where the image has files at its place.
    pub no_copy: bool,
    /// What it is to be, where it is not there yet.
    pub wish: VolumeWish,
    /// Where its files are on this machine; the engine says that.
    pub path: PathBuf,
}

/// What a new volume is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeWish {
    /// Who owns its top directory, and what its mode is.
    pub options: VolumeOptions,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// Owner and mode of a volume's top directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VolumeOptions {
    /// User id; absent: the image's directory's, else root's.
    pub uid: Option<u32>,
    /// Group id; the same.
    pub gid: Option<u32>,
    /// Permission bits; absent: the image's directory's, else 0755.
    pub mode: Option<u32>,
}

/// A container whose volumes are mounted too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumesFrom {
    /// Its name or id.
    pub container: String,
    /// Whether they can be written; absent: as there.
    pub read_only: Option<bool>,
}

/// The driver there is.
pub const DRIVER: &str = "local";

impl VolumesFrom {
    /// Reads `CONTAINER[:ro|:rw]`.
    ///
    /// # Errors
    /// `Invalid` for another word after the colon, or no container.
    pub fn parse(text: &str) -> Result<VolumesFrom> {
        let (container, mode) = text.split_once(':').unwrap_or((text, ""));
        let read_only = match mode {
            "" => None,
            "ro" => Some(true),
            "rw" | "z" | "Z" => Some(false),
            _ => {
                return Err(invalid(
                    "volumes-from",
                    text,
                    format!("there is no mode {mode:?}"),
                ));
            }
        };
        if container.is_empty() {
            return Err(invalid("volumes-from", text, "it names no container"));
        }
        Ok(VolumesFrom {
            container: container.to_owned(),
            read_only,
        })
    }
}

impl VolumeOptions {
    /// Reads one `KEY=VALUE` of a driver's options: `uid`, `gid`, `mode`, or `o` with several of them and commas between.
    ///
    /// # Errors
    /// `Invalid` for a bad value; `Unsupported` for other keys, as what docker's driver mounts with them is not there.
    pub fn apply(&mut self, text: &str) -> Result<()> {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        let bad = || invalid("volume option", text, "that is no number");
        match key {
            "uid" => self.uid = Some(id(value).ok_or_else(bad)?),
            "gid" => self.gid = Some(id(value).ok_or_else(bad)?),
            "mode" => {
                let octal =
                    !value.is_empty() && value.len() <= 5 && value.bytes().all(|b| b"01234567".contains(&b));
                let mode = u32::from_str_radix(value, 8)
                    .ok()
                    .filter(|mode| octal && *mode <= 0o7777);
                self.mode = Some(mode.ok_or_else(bad)?);
            }
            "o" => value.split(',').try_for_each(|part| self.apply(part))?,
            _ => {
                return Err(Error::new(Kind::Unsupported, "read volume option", format!("{text:?}"))
                    .because(format!("there is no option {key:?}"))
                    .hint("a volume has uid, gid and mode; what else is to be mounted, mount it and use -v /path:/target"));
            }
        }
        Ok(())
    }

    /// The options as `KEY=VALUE`, for people.
    pub fn shown(&self) -> BTreeMap<String, String> {
        let mut shown = BTreeMap::new();
        let mut add = |key: &str, value: Option<String>| {
            shown.extend(value.map(|value| (key.to_owned(), value)));
        };
        add("uid", self.uid.map(|uid| uid.to_string()));
        add("gid", self.gid.map(|gid| gid.to_string()));
        add("mode", self.mode.map(|mode| format!("{mode:04o}")));
        shown
    }
}

/// An id; the last one means none (chown(2)).
fn id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id != u32::MAX)
}

/// Reads the name of a volume.
///
/// # Errors
/// `Invalid` for what is none, with docker's reason.
pub fn parse_volume_name(text: &str) -> Result<Name> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let error = |why: String| Err(Error::new(Kind::Invalid, "name volume", text).because(why));
    if text.len() == 1 && text.chars().all(plain) {
        return error(
            "volume name is too short, names should be at least two alphanumeric characters".to_owned(),
        );
    }
    match Name::parse(text) {
        Ok(name) if name.as_str() == text => Ok(name),
        _ => error(format!(
            "{text:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. \
             If you intended to pass a host directory, use absolute path"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let mut options = VolumeOptions::default();
        for text in ["uid=1000", "o=gid=55,mode=2770"] {
            options.apply(text).unwrap();
        }
        let shown: Vec<String> = options.shown().iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(shown, ["gid=55", "mode=2770", "uid=1000"]);
        for bad in [
            "uid=-1",
            "uid=4294967295",
            "mode=9",
            "mode=",
            "mode=17777",
            "type=nfs",
            "o=addr=x",
        ] {
            assert!(options.apply(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_docker_s() {
        for good in ["data", "a.b-c_d", "0x"] {
            assert_eq!(parse_volume_name(good).unwrap().as_str(), good);
        }
        for bad in ["", "a", "/data", "a/b", ".hidden", "-x", "ä"] {
            assert!(parse_volume_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn volumes_of_others() {
        let parsed = VolumesFrom::parse("web:ro").unwrap();
        assert_eq!((parsed.container.as_str(), parsed.read_only), ("web", Some(true)));
        assert_eq!(VolumesFrom::parse("web").unwrap().read_only, None);
        assert!(VolumesFrom::parse("web:x").is_err() && VolumesFrom::parse(":ro").is_err());
    }
}
