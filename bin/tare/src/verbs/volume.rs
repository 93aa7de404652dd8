//! `tare volume ...`: directories that outlive containers.

pub(super) mod create;
pub(super) mod inspect;
pub(super) mod ls;
pub(super) mod prune;
pub(super) mod rm;

use super::Group;
use crate::low::Low;
use tare_engine::volume::VolumeFilter;
use tare_error::Result;

pub(super) const GROUP: Group = Group {
    name: "volume",
    about: "make, list and remove volumes",
    heading: "Volumes",
};

/// What was asked with `--filter`.
fn filter(low: &Low<'_>) -> Result<VolumeFilter> {
    let mut filter = VolumeFilter::default();
    for text in low.texts("filter")? {
        filter.apply(text)?;
    }
    Ok(filter)
}
