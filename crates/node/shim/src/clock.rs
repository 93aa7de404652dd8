//! Points in time at which the loop must look again.

use rustix::event::Timespec;
use std::time::Instant;

/// The earliest of several points in time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Earliest(Option<Instant>);

impl Earliest {
    pub(crate) fn add(&mut self, at: Option<Instant>) {
        self.0 = match (self.0, at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// How long until then; `None` is for ever. Rounded up to a millisecond, so that the time has come when it is over.
    pub(crate) fn left(self) -> Option<Timespec> {
        let left = self.0?.saturating_duration_since(Instant::now());
        Some(crate::client::timespec(
            left + std::time::Duration::from_millis(1),
        ))
    }
}
