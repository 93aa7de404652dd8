//! `tare images`: the images that are here.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output::{self, Format};
use crate::session::Session;
use serde_json::json;
use std::process::ExitCode;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "images",
    about: "list the images that are here",
    operands: Operands::None,
    heading: "Images",
    needs_engine: true,
    run,
};

const USUAL: &str = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";

/// Every field, with what stands over its column.
const HEADINGS: &[(&str, &str)] = &[
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("ID", "IMAGE ID"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
];

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let (quiet, whole) = (low.switch("quiet"), low.switch("no-trunc"));
    let format = match (quiet, low.text("format")?) {
        (true, None) => Format::parse(Some("{{.ID}}"), USUAL)?,
        (_, typed) => Format::parse(typed, USUAL)?,
    };
    let images = session.engine()?.images()?;
    let now = session.now();
    let mut rows = Vec::new();
    for image in &images {
        let created = image.created.as_deref().and_then(output::parse_time);
        let none = || "N/A".to_owned();
        let mut row = |repository: &str, tag: &str| {
            rows.push(json!({
                "Repository": repository,
                "Tag": tag,
                "ID": if whole { image.id.clone() } else { output::short_digest(&image.id) },
                "CreatedSince": created.map_or_else(none, |then| output::ago(now, then)),
                "CreatedAt": image.created.clone().unwrap_or_else(none),
                "Size": output::decimal_size(image.size),
            }));
        };
        match image.names.as_slice() {
            // An id is told once, whatever names it has.
            names if quiet || names.is_empty() => row("<none>", "<none>"),
            names => names.iter().for_each(|name| {
                let (repository, tag) = split(name);
                row(repository, tag);
            }),
        }
    }
    Ok(output::say(&format.show(&rows, HEADINGS)?))
}

/// Repository and tag of a familiar name; a port's colon is no tag's.
pub(super) fn split(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "<none>"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_port_is_no_tag() {
        assert_eq!(super::split("busybox:1"), ("busybox", "1"));
        assert_eq!(super::split("localhost:5000/a"), ("localhost:5000/a", "<none>"));
        assert_eq!(super::split("localhost:5000/a:2"), ("localhost:5000/a", "2"));
    }
}
