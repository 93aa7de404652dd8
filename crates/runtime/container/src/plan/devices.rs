//! Device nodes and links in `/dev`, and the terminal.

use crate::plan::{Draft, Tree, c_path, target};
use crate::request::Stdio;
use crate::step::{Action, Node, Place};
use rustix::fs::FileType;
use rustix::thread::{Gid, Uid};
use std::path::{Path, PathBuf};
use tare_error::{Error, Kind, Result};
use tare_mount::Target;
use tare_spec_oci::{Device, DeviceKind};

/// Devices every container has (runtime-spec, "Default Devices").
const DEFAULT: &[(&str, i64, i64)] = &[
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// Links every container has (runtime-spec, "Dev symbolic links"; `core` and `ptmx` as runc makes them).
const LINKS: &[(&str, &str)] = &[
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/core", "/proc/kcore"),
    ("/dev/ptmx", "pts/ptmx"),
];

/// Adds nodes, links and the terminal.
pub(crate) fn contribute(draft: &mut Draft<'_>) -> Result<()> {
    // Whoever binds a /dev of the host has all of this there, and would have it changed on the host.
    let bound = draft.request.spec.mounts.iter().any(|m| {
        Path::new("/").join(&m.destination) == Path::new("/dev")
            && m.options.iter().any(|o| o == "bind" || o == "rbind")
    });
    if !bound {
        nodes(draft)?;
        for (at, text) in LINKS {
            let action = Action::Link {
                text: c_path(Path::new(text))?,
                at: target(Path::new(at))?,
            };
            draft.push(Place::Links, "link", at, action);
        }
    }
    terminal(draft, Some(target(Path::new("/dev/console"))?))
}

/// The terminal, shown at `console` as well.
pub(crate) fn terminal(draft: &mut Draft<'_>, console: Option<Target>) -> Result<()> {
    if matches!(draft.request.stdio, Stdio::Terminal) {
        let size = draft.process.console_size.clone().unwrap_or_default();
        let short = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
        let action = Action::Terminal {
            devpts: target(Path::new("/dev/pts"))?,
            console,
            rows: short(size.height),
            columns: short(size.width),
            owner: Uid::from_raw(draft.process.user.uid),
        };
        draft.push(Place::Terminal, "open a terminal in", "/dev/pts", action);
    }
    Ok(())
}

fn nodes(draft: &mut Draft<'_>) -> Result<()> {
    let asked = &draft.linux.devices;
    for (path, major, minor) in DEFAULT {
        if asked.iter().all(|d| d.path != Path::new(path)) {
            let device = Device {
                path: PathBuf::from(path),
                kind: DeviceKind::Char,
                major: *major,
                minor: *minor,
                file_mode: Some(0o666),
                ..Device::default()
            };
            node(draft, &device)?;
        }
    }
    for device in asked {
        node(draft, device)?;
    }
    Ok(())
}

fn node(draft: &mut Draft<'_>, device: &Device) -> Result<()> {
    let at = device.path.display();
    let invalid = |reason: &str| Error::new(Kind::Invalid, "make device", at.to_string()).because(reason);
    let kind = match device.kind {
        DeviceKind::Block => FileType::BlockDevice,
        DeviceKind::Char | DeviceKind::Unbuffered => FileType::CharacterDevice,
        DeviceKind::Fifo => FileType::Fifo,
        DeviceKind::All => return Err(invalid("its type must be one of b, c, u, p")),
    };
    let number = |n: i64| u32::try_from(n).map_err(|_| invalid("its numbers must not be negative"));
    // A node cannot be made in a user namespace; the host's own of the same path is bound instead.
    let slot = if draft.without_mknod() && kind != FileType::Fifo {
        Some(draft.open_source(&Tree::of(&device.path, false), format!("{at} of the host"))?)
    } else {
        None
    };
    let node = Node {
        target: target(&device.path)?,
        kind,
        device: rustix::fs::makedev(number(device.major)?, number(device.minor)?),
        mode: device.file_mode.unwrap_or(0o666) & 0o7777,
        uid: Uid::from_raw(device.uid.unwrap_or(0)),
        gid: Gid::from_raw(device.gid.unwrap_or(0)),
        slot,
    };
    draft.push(Place::Devices, "make device", at, Action::Node(node));
    Ok(())
}
