//! The id maps of a user namespace (user_namespaces(7)).

use crate::spawn::{Fork, spawn};
use rustix::fd::{AsFd, OwnedFd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;
use std::fmt::Write as _;
use std::io::Write as _;
use tare_error::{Context, Result};
use tare_spec_oci::IdMapping;
use tare_sys::CloneFlags;

/// A user namespace with maps and nobody in it, for mounts to be mapped by.
///
/// # Errors
/// As [`spawn`], and those of [`write_maps`].
pub fn user_namespace(uids: &[IdMapping], gids: &[IdMapping]) -> Result<OwnedFd> {
    let (wait, hold) = pipe_with(PipeFlags::CLOEXEC).op("make", "a pipe")?;
    let keep = [wait.as_fd()];
    let how = Fork {
        flags: CloneFlags::NEWUSER,
        group: None,
        keep: &keep,
    };
    let child = spawn(&how, || {
        // Until the end of the pipe, or of this process by force.
        i32::from(rustix::io::read(&wait, &mut [0]).is_err())
    });
    let child = child.op("make", "a user namespace")?;
    let path = format!("/proc/{}/ns/user", child.pid.as_raw_nonzero());
    let made = write_maps(child.pid, uids, gids)
        .and_then(|()| std::fs::File::open(&path).map(OwnedFd::from).op("open", &path));
    drop(hold);
    child.kill_and_reap();
    made
}

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
