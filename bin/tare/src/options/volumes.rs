//! Options of the verbs about volumes, and of what is pruned.

use super::{Opt, Value, opt};

const CREATE: &[&str] = &["volume create"];

pub(super) const OPTIONS: &[Opt] = &[
    opt(
        "driver",
        Value::Text("DRIVER"),
        CREATE,
        "what keeps it; there is local alone",
    )
    .short('d')
    .default("local"),
    opt(
        "opt",
        Value::Text("KEY=VALUE"),
        CREATE,
        "uid, gid or mode of its top directory",
    )
    .short('o')
    .many(),
    opt("label", Value::Text("KEY=VALUE"), CREATE, "attach a label").many(),
    opt(
        "format",
        Value::Text("FORMAT"),
        &["volume ls"],
        "show it as table, json, or as a template says: '{{.Name}}'",
    )
    .default("table"),
    opt(
        "format",
        Value::Text("FORMAT"),
        &["volume inspect"],
        "show it as a template says: '{{.Mountpoint}}'",
    )
    .short('f')
    .default("json"),
    opt("quiet", Value::Switch, &["volume ls"], "print names alone").short('q'),
    opt(
        "filter",
        Value::Text("KEY=VALUE"),
        &["volume ls"],
        "show those alone for which it holds: dangling, driver, label, name",
    )
    .short('f')
    .many(),
    opt(
        "force",
        Value::Switch,
        &["volume rm"],
        "say nothing of one that is not there",
    )
    .short('f'),
    opt(
        "all",
        Value::Switch,
        &["volume prune"],
        "those with a name as well",
    )
    .short('a'),
    opt("force", Value::Switch, &["volume prune"], "do not ask").short('f'),
    opt(
        "filter",
        Value::Text("KEY=VALUE"),
        &["volume prune"],
        "remove those alone for which it holds: label=KEY[=VALUE] or label!=KEY[=VALUE]",
    )
    .many(),
];
