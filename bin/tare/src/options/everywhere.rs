//! Options of every verb: where things are, and how much is said.

use super::{EVERYWHERE, Opt, Value, opt};
use tare_telemetry::{Format, Level};

const WHERE: &str = "Everywhere";

pub(super) const OPTIONS: &[Opt] = &[
    opt(
        "root",
        Value::Path("DIR"),
        EVERYWHERE,
        "keep images, containers and records in DIR",
    )
    .default("/var/lib/tare, or ~/.local/share/tare for an ordinary user")
    .variable("TARE_ROOT")
    .heading(WHERE),
    opt(
        "run-root",
        Value::Path("DIR"),
        EVERYWHERE,
        "keep what dies with the boot in DIR",
    )
    .aliases(&["runroot"])
    .default("/run/tare, or $XDG_RUNTIME_DIR/tare for an ordinary user")
    .variable("TARE_RUN_ROOT")
    .heading(WHERE),
    opt(
        "config",
        Value::Path("FILE"),
        EVERYWHERE,
        "read FILE as configuration",
    )
    .default("/etc/tare/config.toml, or ~/.config/tare/config.toml for an ordinary user")
    .variable("TARE_CONFIG")
    .heading(WHERE),
    opt(
        "log-level",
        Value::OneOf(Level::WORDS),
        EVERYWHERE,
        "log what is at least as grave as this",
    )
    .default("warn")
    .variable("TARE_LOG_LEVEL")
    .heading(WHERE),
    opt(
        "log-format",
        Value::OneOf(Format::WORDS),
        EVERYWHERE,
        "write the log in this form, to stderr",
    )
    .default("text")
    .variable("TARE_LOG_FORMAT")
    .heading(WHERE),
    opt(
        "verbose",
        Value::Count,
        EVERYWHERE,
        "show the whole chain of causes of an error",
    )
    .short('v')
    .heading(WHERE),
];
