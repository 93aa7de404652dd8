//! What the parent does for a child in a user namespace, which has lost the rights to do it.

use crate::plan::Outside;
use crate::request::{Request, Stdio};
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, geteuid};
use rustix::thread::Uid;
use std::io::ErrorKind;
use tare_error::{Context, Error, Kind, Result};
use tare_process::write_maps;
use tare_spec_oci::IdMapping;

/// Writes the id maps, the oom score and raised limits, and hands pipes over to their new owner.
pub(super) fn arrange(outside: &Outside, child: Pid, request: &Request<'_>) -> Result<()> {
    let uids = if outside.new {
        write_maps(child, &outside.uids, &outside.gids)?;
        outside.uids.clone()
    } else {
        maps_of(child, outside)?
    };
    if let Some(score) = outside.oom_score_adj {
        let path = format!("/proc/{}/oom_score_adj", child.as_raw_nonzero());
        let same = std::fs::read_to_string(&path).is_ok_and(|now| now.trim() == score.to_string());
        if !same {
            match std::fs::write(&path, score.to_string()) {
                // An ordinary user may raise it and no more: it stays as it is, as in runc.
                Err(e) if e.kind() == ErrorKind::PermissionDenied && !geteuid().is_root() => {}
                written => written.op("set oom_score_adj to", score)?,
            }
        }
    }
    for (resource, hard) in &outside.limits {
        raise(child, *resource, *hard)?;
    }
    if let (
        Stdio::Fds {
            stdin,
            stdout,
            stderr,
        },
        Some(owner),
    ) = (&request.stdio, on_host(&uids, outside.owner))
    {
        for fd in [stdin, stdout, stderr] {
            let kind = rustix::fs::fstat(fd).map(|s| FileType::from_raw_mode(s.st_mode));
            if kind == Ok(FileType::Fifo) {
                match rustix::fs::fchown(fd, Some(Uid::from_raw(owner)), None) {
                    // It is somebody else's, or that owner is: used it can be without.
                    Err(Errno::PERM) if !geteuid().is_root() => {}
                    given => given.op("give a pipe to", owner)?,
                }
            }
        }
    }
    Ok(())
}

/// The user ids of the namespace that was joined; what the configuration says of it must be so.
fn maps_of(child: Pid, outside: &Outside) -> Result<Vec<IdMapping>> {
    let read = |name: &str| {
        let path = format!("/proc/{}/{name}", child.as_raw_nonzero());
        Ok(parse_maps(&std::fs::read_to_string(&path).op("read", path)?))
    };
    let (uids, gids) = (read("uid_map")?, read("gid_map")?);
    for (member, given, found) in [
        ("linux.uidMappings", &outside.uids, &uids),
        ("linux.gidMappings", &outside.gids, &gids),
    ] {
        if !given.is_empty() && given != found {
            return Err(Error::new(Kind::Invalid, "use", member)
                .because("the user namespace that is joined has other maps")
                .hint("leave them out, or give those of the namespace"));
        }
    }
    Ok(uids)
}

/// The lines of a `uid_map`: first id inside, first id outside, how many.
fn parse_maps(text: &str) -> Vec<IdMapping> {
    let numbers = |line: &str| -> Option<IdMapping> {
        let mut fields = line.split_whitespace().map(str::parse);
        let mut next = || fields.next()?.ok();
        Some(IdMapping {
            container_id: next()?,
            host_id: next()?,
            size: next()?,
        })
    };
    text.lines().filter_map(numbers).collect()
}

/// What an inside id is outside.
fn on_host(maps: &[IdMapping], id: u32) -> Option<u32> {
    let map = maps
        .iter()
        .find(|m| id >= m.container_id && id - m.container_id < m.size)?;
    map.host_id.checked_add(id - map.container_id)
}

/// Raises a hard limit of the child, where it is below what is wanted; the child sets the exact values itself.
fn raise(child: Pid, resource: Resource, hard: Option<u64>) -> Result<()> {
    let now = rustix::process::getrlimit(resource);
    let below = match (now.maximum, hard) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(now), Some(hard)) => now < hard,
    };
    if !below {
        return Ok(());
    }
    let wanted = Rlimit {
        current: now.current,
        maximum: hard,
    };
    match rustix::process::prlimit(Some(child), resource, wanted) {
        // The child tries again and tells which limit it was.
        Ok(_) | Err(Errno::PERM) => Ok(()),
        Err(e) => Err(e).op("raise limits of", "the container's process"),
    }
}
