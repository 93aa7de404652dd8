//! Options of the verbs about the files of containers.

use super::{Opt, Value, opt};

pub(super) const OPTIONS: &[Opt] = &[
    opt(
        "archive",
        Value::Switch,
        &["cp"],
        "keep owners, setuid bits and extended attributes; else the files are root's, or yours here",
    )
    .short('a'),
    opt(
        "follow-link",
        Value::Switch,
        &["cp"],
        "follow the link that is named, instead of copying it",
    )
    .short('L'),
    opt(
        "output",
        Value::Path("FILE"),
        &["export"],
        "write to FILE instead of standard output",
    )
    .short('o'),
    opt(
        "author",
        Value::Text("TEXT"),
        &["commit", "import"],
        "who made the image, as in \"A. Person <a@b.c>\"",
    )
    .short('a'),
    opt(
        "message",
        Value::Text("TEXT"),
        &["commit", "import"],
        "what was done",
    )
    .short('m'),
    opt(
        "change",
        Value::Text("LINE"),
        &["commit", "import"],
        "change how the image is run, by a line of a Dockerfile, as in 'CMD [\"ls\"]'",
    )
    .short('c')
    .many(),
    opt(
        "pause",
        Value::OneOf(&["true", "false"]),
        &["commit"],
        "have the container stand still meanwhile",
    )
    .short('p')
    .default("true"),
    opt(
        "no-pause",
        Value::Switch,
        &["commit"],
        "let the container go on meanwhile",
    ),
    opt("quiet", Value::Switch, &["cp"], "say nothing of what was copied").short('q'),
];
