//! What the parent does for a child in a new user namespace, which has lost the rights to do it.

use crate::plan::Outside;
use crate::request::{Request, Stdio};
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit};
use rustix::thread::Uid;
use tare_error::{Context, Result};
use tare_process::write_maps;

/// Writes the id maps, the oom score and raised limits, and hands pipes over to their new owner.
pub(super) fn arrange(outside: &Outside, child: Pid, request: &Request<'_>) -> Result<()> {
    write_maps(child, &outside.uids, &outside.gids)?;
    if let Some(score) = outside.oom_score_adj {
        let path = format!("/proc/{}/oom_score_adj", child.as_raw_nonzero());
        let same = std::fs::read_to_string(&path).is_ok_and(|now| now.trim() == score.to_string());
        if !same {
            std::fs::write(&path, score.to_string()).op("set oom_score_adj to", score)?;
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
    ) = (&request.stdio, outside.owner)
    {
        for fd in [stdin, stdout, stderr] {
            let kind = rustix::fs::fstat(fd).map(|s| FileType::from_raw_mode(s.st_mode));
            if kind == Ok(FileType::Fifo) {
                rustix::fs::fchown(fd, Some(Uid::from_raw(owner)), None).op("give a pipe to", owner)?;
            }
        }
    }
    Ok(())
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
