//! Options of what measures and removes what nobody needs.

use super::{Opt, Value, opt};

const PRUNE: &[&str] = &["container prune", "image prune", "system prune"];

pub(super) const OPTIONS: &[Opt] = &[
    opt("force", Value::Switch, PRUNE, "do not ask").short('f'),
    opt(
        "filter",
        Value::Text("KEY=VALUE"),
        PRUNE,
        "remove those alone for which it holds: until=TIME, label=KEY[=VALUE] or label!=KEY[=VALUE]",
    )
    .many(),
    opt(
        "all",
        Value::Switch,
        &["image prune", "system prune"],
        "images with a name as well, where no container is made of them",
    )
    .short('a'),
    opt(
        "volumes",
        Value::Switch,
        &["system prune"],
        "the volumes as well that nobody named and no container uses",
    ),
    opt("json", Value::Switch, &["system info"], "print JSON"),
    opt(
        "format",
        Value::Text("FORMAT"),
        &["system df"],
        "show it as table, json, or as a template says: '{{.Size}}'",
    )
    .default("table"),
];
