//! The id maps of a user namespace (user_namespaces(7)).

use crate::rootless;
use crate::spawn::{Fork, spawn};
use rustix::fd::{AsFd, OwnedFd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, getegid, geteuid};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use tare_error::{Context, Error, Kind, Result};
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

/// Writes the maps of the new user namespace that the child `pid` is in. Root of a user namespace, or of the machine,
/// writes them itself; an ordinary user writes one that has nothing but their own id, and has `newuidmap` and `newgidmap`
/// write others. Each map can be written once, and an empty one
/// is not written at all.
///
/// # Errors
/// The kernel's, with the file as subject; `Denied` where those programs refuse, `Unsupported` where they are missing.
pub fn write_maps(pid: Pid, uids: &[IdMapping], gids: &[IdMapping]) -> Result<()> {
    let is_root = geteuid().is_root();
    for map in [
        Map {
            file: "uid_map",
            program: "newuidmap",
            lines: uids,
            own: geteuid().as_raw(),
        },
        Map {
            file: "gid_map",
            program: "newgidmap",
            lines: gids,
            own: getegid().as_raw(),
        },
    ] {
        if map.lines.is_empty() {
            continue;
        }
        if is_root || map.is_own() {
            // Only where groups cannot be dropped may an ordinary user map the own group (user_namespaces(7)).
            if !is_root && map.file == "gid_map" {
                write(pid, "setgroups", "deny")?;
            }
            write(pid, map.file, &map_text(map.lines))?;
        } else {
            map.by_program(pid)?;
        }
    }
    Ok(())
}

/// One of the two maps.
struct Map<'a> {
    file: &'static str,
    program: &'static str,
    lines: &'a [IdMapping],
    own: u32,
}

impl Map<'_> {
    /// Whether it has nothing but the own id.
    fn is_own(&self) -> bool {
        matches!(self.lines, [line] if line.size == 1 && line.host_id == self.own)
    }

    fn by_program(&self, pid: Pid) -> Result<()> {
        let path = rootless::program(self.program).ok_or_else(|| {
            Error::new(Kind::Unsupported, "map ids by", self.program)
                .because("there is no such program")
                .hint("install it (Debian: uidmap), or map one id alone: your own")
        })?;
        let text = map_text(self.lines);
        let ran = Command::new(path)
            .arg(pid.as_raw_nonzero().to_string())
            .args(text.split_whitespace())
            .stdin(Stdio::null())
            .output()
            .op("run", self.program)?;
        if ran.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&ran.stderr);
        let why = said.lines().next().unwrap_or("it refused").to_owned();
        Err(Error::new(Kind::Denied, "map ids by", self.program)
            .because(why)
            .hint("look at /etc/subuid and /etc/subgid, and whether the program is setuid root"))
    }
}

fn write(pid: Pid, name: &str, text: &str) -> Result<()> {
    let path = format!("/proc/{}/{name}", pid.as_raw_nonzero());
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .op("open", &path)?;
    // The kernel takes the whole map in one write or not at all.
    file.write_all(text.as_bytes()).op("write", &path)
}
