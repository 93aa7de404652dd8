//! Options about a container's health.

use super::{Opt, Value, opt};

const RUN: &[&str] = &["run", "create"];
const HEALTH: &str = "Health";

pub(super) const OPTIONS: &[Opt] = &[
    opt(
        "health-cmd",
        Value::Text("COMMAND"),
        RUN,
        "look after its health by this line for its shell",
    )
    .default("the image's, else none")
    .heading(HEALTH),
    opt(
        "health-interval",
        Value::Text("TIME"),
        RUN,
        "from one check to the next, as in 1m30s",
    )
    .default("the image's, else 30s")
    .heading(HEALTH),
    opt(
        "health-timeout",
        Value::Text("TIME"),
        RUN,
        "how long a check may take",
    )
    .default("the image's, else 30s")
    .heading(HEALTH),
    opt(
        "health-retries",
        Value::Text("NUMBER"),
        RUN,
        "how many failures in a row make it unhealthy",
    )
    .default("the image's, else 3")
    .heading(HEALTH),
    opt(
        "health-start-period",
        Value::Text("TIME"),
        RUN,
        "how long after its start a failure does not count",
    )
    .default("the image's, else 0s")
    .heading(HEALTH),
    opt(
        "health-start-interval",
        Value::Text("TIME"),
        RUN,
        "from one check to the next in that time",
    )
    .default("the image's, else 5s")
    .heading(HEALTH),
    opt(
        "no-healthcheck",
        Value::Switch,
        RUN,
        "do not look after its health, whatever the image says",
    )
    .heading(HEALTH),
];
