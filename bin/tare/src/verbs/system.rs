//! `tare system ...`: all of it at once.

pub(super) mod df;
pub(super) mod prune;

use super::{Group, Verb, info};

pub(super) const GROUP: Group = Group {
    name: "system",
    about: "measure what lies on disk, and remove what nobody needs",
    heading: "About",
};

/// The same as `tare info`.
pub(super) const INFO: Verb = Verb {
    name: "system info",
    heading: "",
    ..info::VERB
};
