//! What a supervisor leaves of its starter's at birth, besides its session and its group.

use tare_error::{Context, Result};
use tare_sys::CloneFlags;

/// Killed last when the machine has no memory left: a supervisor's death loses more than a container's.
const OOM_SCORE: &str = "-999";

/// Is killed last when the machine has no memory left; the score that its starter had.
pub(crate) fn keep_from_the_oom_killer() -> Result<i32> {
    let path = "/proc/self/oom_score_adj";
    let before = std::fs::read_to_string(path).op("read", path)?;
    match std::fs::write(path, OOM_SCORE) {
        // Lowering it needs CAP_SYS_RESOURCE; who lacks that is told so once, by the engine.
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {}
        done => done.op("set", path)?,
    }
    Ok(before.trim().parse().unwrap_or(0))
}

/// Leaves the starter's mount namespace for a copy. What propagates there does so here: the host's later mounts come, and
/// a container's own mounts below a volume that is to be shared go out to the host. A supervisor itself mounts nothing.
pub(crate) fn leave_mount_namespace() -> Result<()> {
    tare_sys::unshare(CloneFlags::NEWNS).op("leave", "the mount namespace")
}
