//! The number of tasks.

use super::{Draft, Setting, or_max};
use crate::host::Controller;
use tare_spec_oci::Pids;

/// A negative limit is none. 0 is a limit (spec 1.3): the least that lets the first process live, as runc takes it.
pub(super) fn plan(pids: &Pids, draft: &mut Draft<'_>) {
    let what = "pids limit";
    if let Some(limit) = pids.limit
        && draft.home(Controller::Pids, what).is_some()
    {
        draft.step([Setting::new(
            Controller::Pids,
            what,
            "pids.max",
            &or_max(if limit == 0 { 1 } else { limit }),
        )]);
    }
}
