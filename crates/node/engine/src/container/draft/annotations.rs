//! Annotations asked for. The image's own labels and annotations are not among them, and nothing here is read back.

use super::{Draft, Input};
use tare_error::Result;

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    draft.annotations.clone_from(&input.request.annotations);
    Ok(())
}
