//! Mounts that come to a container that runs, or go.
//!
//! What is bound is copied outside, detached; the child takes it along into the container's mount namespace, resolves the
//! destination below the container's root, and attaches it there. What the container may do meanwhile is to rename and to
//! link: neither leads out of its root, and nothing is covered or uncovered that the kernel itself shows.

use crate::plan::{Draft, mounts, target};
use crate::request::Change;
use crate::step::{Action, Place, Signal};
use std::path::Path;
use tare_error::{Error, Kind, Result};
use tare_spec_oci::Mount;

/// Where nothing is added or removed: what is read-only or masked there stays so.
const KERNELS: &[&str] = &["/proc", "/sys"];

/// Adds what changes mounts.
pub(crate) fn contribute(draft: &mut Draft<'_>) -> Result<()> {
    draft.push(Place::Root, "enter", "the root", Action::EnterRoot);
    for mount in &draft.request.spec.mounts {
        check(mount)?;
        if draft.request.options.change == Some(Change::Remove) {
            let action = Action::Unmount(target(&mount.destination)?);
            draft.push(Place::Mounts, "unmount", mount.destination.display(), action);
        } else {
            check_kind(mount)?;
            mounts::one(draft, mount)?;
        }
    }
    draft.push(Place::Gate, "await", "the end", Action::Await(Signal::Start));
    Ok(())
}

fn check(mount: &Mount) -> Result<()> {
    let at = Path::new("/").join(&mount.destination);
    if at == Path::new("/") {
        return refuse(mount, "it is the container's root");
    }
    if KERNELS.iter().any(|kernels| at.starts_with(kernels)) {
        return refuse(mount, "what is mounted below /proc and /sys stays as it was made");
    }
    Ok(())
}

/// A file system that shows namespaces would show those of whoever mounts it.
fn check_kind(mount: &Mount) -> Result<()> {
    let bound = mount.options.iter().any(|o| o == "bind" || o == "rbind");
    match mount.kind.as_deref() {
        _ if bound => Ok(()),
        Some("bind") => Ok(()),
        Some("tmpfs") if mount.options.iter().any(|o| o == "tmpcopyup") => {
            refuse(mount, "a running container's directory is not copied (tmpcopyup)")
        }
        Some("tmpfs") => Ok(()),
        _ => refuse(
            mount,
            "only a bind mount or a tmpfs can come to a running container",
        ),
    }
}

fn refuse(mount: &Mount, why: &str) -> Result<()> {
    Err(Error::new(Kind::Invalid, "change mount", mount.destination.display()).because(why))
}
