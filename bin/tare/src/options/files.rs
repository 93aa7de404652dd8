//! Options of the verbs about the files of containers.

use super::{Opt, Value, opt};

pub(super) const OPTIONS: &[Opt] = &[
    opt(
        "archive",
        Value::Switch,
        &["cp"],
        "keep owners, setuid bits and extended attributes; else the files are root's, or yours here",
    )
    .short('a'),
    opt(
        "follow-link",
        Value::Switch,
        &["cp"],
        "follow the link that is named, instead of copying it",
    )
    .short('L'),
    opt("quiet", Value::Switch, &["cp"], "say nothing of what was copied").short('q'),
];
