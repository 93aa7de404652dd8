//! Options of the verbs about images, and of the small ones.

use super::{Opt, Value, opt};
use tare_engine::container::request::PullPolicy;

pub(super) const OPTIONS: &[Opt] = &[
    opt(
        "platform",
        Value::Text("OS/ARCH"),
        &["run"],
        "take the image for this platform, as in linux/arm64",
    )
    .default("this machine's")
    .variable("TARE_PLATFORM")
    .heading("Image"),
    opt(
        "pull",
        Value::OneOf(PullPolicy::WORDS),
        &["run"],
        "when to ask the registry for the image",
    )
    .default("missing")
    .heading("Image"),
    opt("json", Value::Switch, &["version"], "print JSON"),
];
