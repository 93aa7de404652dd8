//! Options of the verbs about images and lists, and of the small ones.

use super::{Opt, Value, opt};
use tare_engine::container::request::PullPolicy;

pub(super) const OPTIONS: &[Opt] = &[
    opt(
        "platform",
        Value::Text("OS/ARCH"),
        &["run", "create", "pull", "load", "import"],
        "take the image for this platform, as in linux/arm64",
    )
    .default("this machine's")
    .variable("TARE_PLATFORM")
    .heading("Image"),
    opt(
        "pull",
        Value::OneOf(PullPolicy::WORDS),
        &["run", "create"],
        "when to ask the registry for the image",
    )
    .default("missing")
    .heading("Image"),
    opt(
        "quiet",
        Value::Switch,
        &["run", "create", "pull", "load"],
        "show no progress",
    )
    .short('q')
    .heading("Image"),
    opt(
        "name",
        Value::Text("NAME"),
        &["load"],
        "name the image, where the archive holds one alone",
    )
    .heading("Image"),
    opt(
        "input",
        Value::Path("FILE"),
        &["load"],
        "read FILE, or the folder of an image layout, instead of standard input",
    )
    .short('i')
    .heading("Image"),
    opt("quiet", Value::Switch, &["images", "ps"], "print ids alone").short('q'),
    opt(
        "no-trunc",
        Value::Switch,
        &["images", "ps", "stats"],
        "print ids and commands whole",
    ),
    opt(
        "all",
        Value::Switch,
        &["ps", "stats"],
        "show those that have ended as well",
    )
    .short('a'),
    opt(
        "force",
        Value::Switch,
        &["rmi"],
        "remove an image that has several names, or that a container uses",
    )
    .short('f'),
    opt(
        "json",
        Value::Switch,
        &["version", "info", "doctor"],
        "print JSON",
    ),
];
