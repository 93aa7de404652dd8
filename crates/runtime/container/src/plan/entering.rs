//! Entering a container that is there: nothing of it is made.

use crate::plan::{Draft, devices};
use crate::step::{Action, Place};
use tare_error::Result;
use tare_spec_oci::NamespaceKind;

/// Adds what takes the place of mounts, devices and paths.
pub(crate) fn contribute(draft: &mut Draft<'_>) -> Result<()> {
    // Whoever is born behind a user namespace finds the container's procfs alone; handles verify what they open.
    let place = if draft.joins(NamespaceKind::User) {
        Place::Handles
    } else {
        Place::HandlesToEnter
    };
    draft.push(place, "open", "/proc and /dev/null", Action::OpenHandles);
    draft.push(Place::Root, "enter", "the root", Action::EnterRoot);
    devices::terminal(draft, None)
}
