//! Devices of the machine: those asked for, and for a privileged container all there are.

use crate::container::facts::FoundDevice;
use crate::container::request::{DeviceRequest, RunRequest};
use rustix::fs::{FileType, Stat, major, minor};
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::DeviceKind;

/// Below /dev, but not the machine's to give: file systems, and what each container has of its own.
const NOT_DEVICES: [&str; 9] = [
    "pts",
    "shm",
    "mqueue",
    "fd",
    "console",
    "hugepages",
    ".lxc",
    ".lxd-mounts",
    ".udev",
];

/// How deep folders of devices are looked through.
const DEEPEST: usize = 8;

pub(super) fn find(request: &RunRequest) -> Result<Vec<FoundDevice>> {
    let mut found = Vec::new();
    if request.security.privileged {
        let everything = DeviceRequest {
            source: "/dev".into(),
            target: "/dev".into(),
            access: "rwm".to_owned(),
        };
        folder(
            &everything,
            Path::new("/dev"),
            Path::new("/dev"),
            DEEPEST,
            &mut found,
        )?;
    }
    for asked in &request.devices {
        let shown = asked.source.display();
        let about = rustix::fs::stat(&asked.source).op("find device", &shown)?;
        found.retain(|d| d.target != asked.target);
        match device(asked, &about, &asked.target) {
            Some(device) => found.push(device),
            None if FileType::from_raw_mode(about.st_mode) == FileType::Directory => {
                let before = found.len();
                folder(asked, &asked.source, &asked.target, DEEPEST, &mut found)?;
                if found.len() == before {
                    return Err(
                        Error::new(Kind::NotFound, "find device", &shown).because("the folder holds none")
                    );
                }
            }
            None => return Err(Error::new(Kind::Invalid, "use device", &shown).because("it is not a device")),
        }
    }
    Ok(found)
}

/// Every device in a folder and the folders below; links are not followed.
fn folder(
    asked: &DeviceRequest,
    from: &Path,
    to: &Path,
    deep: usize,
    found: &mut Vec<FoundDevice>,
) -> Result<()> {
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(from).op("list", from.display())? {
        names.push(entry.op("list", from.display())?.file_name().into());
    }
    names.sort();
    for name in names {
        let path = from.join(&name);
        let of_top = from == Path::new("/dev");
        if of_top && NOT_DEVICES.iter().any(|n| Path::new(n) == name) {
            continue;
        }
        // What vanished since is not there.
        let Ok(about) = rustix::fs::lstat(&path) else {
            continue;
        };
        let target = to.join(&name);
        match device(asked, &about, &target) {
            Some(device) => found.push(device),
            None if deep > 0 && FileType::from_raw_mode(about.st_mode) == FileType::Directory => {
                folder(asked, &path, &target, deep - 1, found)?;
            }
            None => {}
        }
    }
    Ok(())
}

/// The device that `about` describes, if it is one.
fn device(asked: &DeviceRequest, about: &Stat, target: &Path) -> Option<FoundDevice> {
    let kind = match FileType::from_raw_mode(about.st_mode) {
        FileType::BlockDevice => DeviceKind::Block,
        FileType::CharacterDevice => DeviceKind::Char,
        _ => return None,
    };
    Some(FoundDevice {
        target: target.to_owned(),
        kind,
        major: major(about.st_rdev),
        minor: minor(about.st_rdev),
        mode: about.st_mode & 0o7777,
        uid: about.st_uid,
        gid: about.st_gid,
        access: asked.access.clone(),
    })
}
