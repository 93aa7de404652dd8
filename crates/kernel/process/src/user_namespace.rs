//! The id maps of a user namespace (user_namespaces(7)).

use rustix::process::Pid;
use std::fmt::Write as _;
use std::io::Write as _;
use tare_error::{Context, Result};
use tare_spec_oci::IdMapping;

/// The lines of `uid_map` or `gid_map`: first id inside, first id outside, how many.
pub fn map_text(maps: &[IdMapping]) -> String {
    let mut text = String::new();
    for map in maps {
        let _ = writeln!(text, "{} {} {}", map.container_id, map.host_id, map.size);
    }
    text
}

/// Writes the maps of the new user namespace that the child `pid` is in; needs `CAP_SETUID` and `CAP_SETGID` over the
/// ids outside. Each map can be written once.
///
/// # Errors
/// The kernel's, with the file as subject.
pub fn write_maps(pid: Pid, uids: &[IdMapping], gids: &[IdMapping]) -> Result<()> {
    for (name, maps) in [("uid_map", uids), ("gid_map", gids)] {
        let path = format!("/proc/{}/{name}", pid.as_raw_nonzero());
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .op("open", &path)?;
        // The kernel takes the whole map in one write or not at all.
        file.write_all(map_text(maps).as_bytes()).op("write", &path)?;
    }
    Ok(())
}
