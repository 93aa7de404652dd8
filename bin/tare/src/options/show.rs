//! Options of the verbs that show what there is.

use super::{Opt, Value, opt};

pub(super) const OPTIONS: &[Opt] = &[
    opt(
        "format",
        Value::Text("FORMAT"),
        &["ps", "images", "stats"],
        "show it as table, json, or as a template says: '{{.ID}}'",
    )
    .default("table"),
    opt(
        "format",
        Value::Text("FORMAT"),
        &["inspect"],
        "show it as a template says: '{{.State.Status}}'",
    )
    .short('f')
    .default("json"),
    opt(
        "filter",
        Value::Text("KEY=VALUE"),
        &["ps"],
        "show those alone: id, name, label, status, exited, health, ancestor, before, since, pod",
    )
    .short('f')
    .many(),
    opt(
        "filter",
        Value::Text("KEY=VALUE"),
        &["events"],
        "show those alone: container, event, image, label, pod, type, volume, outcome, uid",
    )
    .short('f')
    .many(),
    opt(
        "format",
        Value::Text("FORMAT"),
        &["events"],
        "show it as json, or as a template says: '{{.Action}}'",
    ),
    opt(
        "last",
        Value::Text("NUMBER"),
        &["ps"],
        "show the last ones made, whether they run or not; -1 is all",
    )
    .short('n')
    .default("-1"),
    opt(
        "latest",
        Value::Switch,
        &["ps"],
        "show the last one made, whether it runs or not",
    )
    .short('l'),
    opt("size", Value::Switch, &["ps"], "show how much it has written").short('s'),
    opt(
        "type",
        Value::Text("TYPE"),
        &["inspect"],
        "show what is of this type alone: container or image",
    ),
    opt("no-stream", Value::Switch, &["stats"], "show it once"),
    opt(
        "explain",
        Value::Switch,
        &["inspect"],
        "show where each setting of a container came from",
    ),
];
