//! Options of the verbs that do one thing of what a container is made of: namespaces and control groups.

use super::{Opt, Value, opt};

const NS: &[&str] = &["ns ls"];

pub(super) const OPTIONS: &[Opt] = &[
    opt(
        "type",
        Value::Text("TYPE"),
        NS,
        "show those of this type alone: mnt, net, ipc, user, pid, uts, cgroup or time",
    )
    .short('t'),
    opt("task", Value::Text("PID"), NS, "show those of this process alone").short('p'),
    opt("no-headings", Value::Switch, NS, "print no headings")
        .short('n')
        .aliases(&["noheadings"]),
    opt(
        "format",
        Value::Text("FORMAT"),
        NS,
        "show it as table, json, or as a template says: '{{.NS}} {{.Container}}'",
    )
    .default("table"),
];
