//! `tare ns ...`: the namespaces of this machine.

pub(super) mod ls;

use super::Group;

pub(super) const GROUP: Group = Group {
    name: "ns",
    about: "look at the namespaces of this machine",
    heading: "Parts",
};
