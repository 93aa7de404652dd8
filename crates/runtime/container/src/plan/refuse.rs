//! Members of the configuration that are not served yet: refused by name, so that nothing is silently ignored.

use crate::plan::Draft;
use tare_error::{Error, Kind, Result};

/// Refuses what the steps cannot do (issue 3 serves them).
pub(crate) fn what_is_not_served(draft: &mut Draft<'_>) -> Result<()> {
    let linux = draft.linux;
    let members = [("linux.intelRdt", linux.intel_rdt.is_some())];
    for (member, present) in members {
        if present {
            return Err(unsupported(draft, member));
        }
    }
    Ok(())
}

fn unsupported(draft: &Draft<'_>, member: &str) -> Error {
    Error::new(Kind::Unsupported, "plan", draft.request.id).because(format!("{member} is not supported yet"))
}
