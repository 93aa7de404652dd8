//! Options of the verbs about containers that are there.

use super::{Opt, Value, opt};

const STOP: &[&str] = &["stop", "restart"];

pub(super) const OPTIONS: &[Opt] = &[
    opt(
        "detach",
        Value::Switch,
        &["exec"],
        "do not wait for it, and print nothing of it",
    )
    .short('d'),
    opt(
        "time",
        Value::Text("SECONDS"),
        STOP,
        "kill it when it takes longer; -1 is never",
    )
    .short('t')
    .aliases(&["timeout"])
    .default("what --stop-timeout said, else 10"),
    opt(
        "signal",
        Value::Text("SIGNAL"),
        STOP,
        "ask it to end with this signal",
    )
    .short('s')
    .default("what --stop-signal said, else the image's, else TERM"),
    opt("signal", Value::Text("SIGNAL"), &["kill"], "send this signal")
        .short('s')
        .default("KILL"),
    opt(
        "follow",
        Value::Switch,
        &["logs"],
        "go on until the container ends",
    )
    .short('f'),
    opt(
        "tail",
        Value::Text("NUMBER"),
        &["logs"],
        "show the last lines alone, or all",
    )
    .short('n')
    .default("all"),
    opt(
        "timestamps",
        Value::Switch,
        &["logs"],
        "show when each line was written",
    )
    .short('t'),
    opt(
        "since",
        Value::Text("TIME"),
        &["logs", "events"],
        "show nothing older: 2026-01-31T12:00:00Z, or 10m before now",
    ),
    opt(
        "until",
        Value::Text("TIME"),
        &["logs", "events"],
        "show nothing newer: 2026-01-31T12:00:00Z, or 10m before now",
    ),
    opt(
        "attach",
        Value::Switch,
        &["start"],
        "join its outputs, pass signals on, and end as it ends",
    )
    .short('a'),
    opt(
        "interactive",
        Value::Switch,
        &["start"],
        "join its standard input",
    )
    .short('i'),
    opt(
        "due",
        Value::Switch,
        &["start"],
        "start those that are to run again after a reboot; packaging has a unit that does",
    ),
    opt("force", Value::Switch, &["rm"], "kill one that runs").short('f'),
    opt(
        "volumes",
        Value::Switch,
        &["rm"],
        "remove the volumes with it that nobody named",
    )
    .short('v'),
];
