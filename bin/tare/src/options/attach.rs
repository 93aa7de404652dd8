//! Options of the verbs that join our streams with a container's.

use super::{Opt, Value, opt};

pub(super) const OPTIONS: &[Opt] = &[
    opt(
        "detach-keys",
        Value::Text("KEYS"),
        &["run", "exec", "attach", "start"],
        "typed on its terminal, these leave it running",
    )
    .default("ctrl-p,ctrl-q"),
    opt(
        "sig-proxy",
        Value::OneOf(&["true", "false"]),
        &["run", "attach", "start"],
        "pass signals that come to us on to it",
    )
    .default("true"),
    opt(
        "no-stdin",
        Value::Switch,
        &["attach"],
        "leave its standard input alone",
    ),
];
