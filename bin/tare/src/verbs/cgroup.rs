//! `tare cgroup ...`: control groups by the words of cgcreate and cgexec, whichever version they are of.

pub(super) mod create;
pub(super) mod exec;
pub(super) mod ls;
pub(super) mod rm;

use super::Group;
use crate::low::Low;
use tare_cgroup::NamedGroup;
use tare_error::{Error, Kind, Result};

pub(super) const GROUP: Group = Group {
    name: "cgroup",
    about: "make, enter, list and remove control groups",
    heading: "Parts",
};

/// The groups that were named, by `-g` or as they are.
fn groups(low: &Low<'_>) -> Result<Vec<NamedGroup>> {
    low.all_parsed("group", NamedGroup::parse)
}

/// The same, where there has to be one.
fn some_groups(low: &Low<'_>, groups: Vec<NamedGroup>) -> Result<Vec<NamedGroup>> {
    match groups.is_empty() {
        false => Ok(groups),
        true => Err(Error::new(Kind::Invalid, "run", low.verb())
            .because("no group is named")
            .hint("give controllers and a path, as in -g cpu,memory:/build")),
    }
}

/// Those named by `-g`, and those that follow the options.
fn groups_and_operands(low: &Low<'_>) -> Result<Vec<NamedGroup>> {
    let mut groups = groups(low)?;
    for text in low.operands()? {
        groups.push(NamedGroup::parse(text)?);
    }
    Ok(groups)
}
